"""Which layer to look at first, where the user names none."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from typing import NamedTuple

from torch import nn

from neuronwidgets.core.compiled import plain
from neuronwidgets.core.layer_place import At
from neuronwidgets.models.layers import Layer, layers
from neuronwidgets.models.neurons import CONVOLUTIONS

DEPTH = 2 / 3
"""How deep the proposed layer is, as a share of all layers of neurons."""
_ASIDE = re.compile("attn|attention|pooler")
"""Names of modules that are no part of the way through a model: attention with its convolutions
(ConvBERT), and the pooler, which has one vector for each text."""
_ATTENTION = re.compile("Attention$")
"""Classes of attention, whatever its name, whose convolutions are queries, keys and values."""


class Proposal(NamedTuple):
    """A proposed layer: its name, where its neurons are, and the reason in a sentence."""

    layer: str
    at: At
    reason: str


def proposed_layer(model: nn.Module, reached: Collection[str] | None = None) -> Proposal:
    """The layer of neurons two thirds of the way through the model; of those that the data reach,
    if their names are given.

    Early layers hold what is near the input, the last ones what is near the answer; concepts that
    a person can name are found between them (METHODS: middle layers hold single neurons for
    context). Layers inside attention and poolers do not count. A model without layers of neurons,
    as a mixture of experts, may have a list of blocks: then it is the block there, and otherwise
    the last layer before the output.

    Raises:
        ValueError: the model has no layer.
        TypeError: it is no model.
    """
    every = list(layers(model))
    rows = [row for row in every if reached is None or row.name in reached]
    held = [row for row in every if row.neurons and not _is_aside(model, row.name)]
    starred = [row for row in held if row in rows]
    there = " and that the data reach" if len(starred) < len(held) else ""
    blocks = _blocks(model, reached)
    if starred and not (blocks and _beside_blocks(model, starred, blocks[0])):
        place = math.ceil(DEPTH * len(starred)) - 1
        row = starred[place]
        kind = "the input of a gated MLP's down projection" if row.at == "input" else row.type
        return Proposal(
            row.name,
            row.at,
            f"Proposed: layer {place + 1} of the {len(starred)} that hold neurons{there} ({kind}), "
            "two thirds of the way through the model.",
        )
    if blocks is not None:
        name, count = blocks
        return Proposal(
            _called(model, f"{name}.{math.ceil(DEPTH * count) - 1}"),
            "output",
            "Proposed: the output of a block two thirds of the way through the model, for "
            + (f"none in {name} is a" if starred else "it has no")
            + " layer of activation functions.",
        )
    wide = [row for row in rows if row.width is not None and not _has_parts(model, row)]
    if not wide:
        raise ValueError(
            f"{type(model).__name__} has no layer of known width: pass layer=, one of the names "
            "in neuronwidgets.layers(model)."
        )
    row = wide[-2] if len(wide) > 1 else wide[-1]
    return Proposal(
        row.name,
        "output",
        f"Proposed: the last layer before the output ({row.type}), for the model has no layer "
        "of activation functions.",
    )


def _blocks(model: nn.Module, reached: Collection[str] | None) -> tuple[str, int] | None:
    """The name and the length of the model's largest list of blocks, as in a mixture of experts;
    `None` if there is no list of at least two (that the data reach)."""
    lists = {
        name: part
        for name, part in model.named_modules()
        if name and isinstance(part, nn.ModuleList) and len(part) > 1
        and (reached is None or any(other.startswith(f"{name}.") for other in reached))
    }  # fmt: skip
    if not lists:
        return None
    name = max(lists, key=lambda name: sum(p.numel() for p in lists[name].parameters()))
    return name, len(lists[name])


def _is_aside(model: nn.Module, name: str) -> bool:
    """Whether a layer is inside attention or a pooler.

    A module that holds a list of blocks is neither, whatever its name (`attn_layers`).
    """
    part, holder = plain(model), plain(model)
    for own in name.split("."):
        holder = holder if isinstance(part, nn.Sequential) else part
        part = part.get_submodule(own)
        if _ASIDE.search(own):
            lists = (p for p in part.modules() if isinstance(p, nn.ModuleList) and p is not part)
            if not any(len(blocks) > 1 for blocks in lists):
                return True
    return isinstance(part, CONVOLUTIONS) and bool(_ATTENTION.search(type(holder).__name__))


def _called(model: nn.Module, name: str) -> str:
    """The name of a block, or of its last part if it is a list, which is never called itself."""
    part = plain(model).get_submodule(name)
    while isinstance(part, nn.ModuleList | nn.ModuleDict) and len(part):
        own, part = list(part.named_children())[-1]
        name = f"{name}.{own}"
    return name


def _beside_blocks(model: nn.Module, rows: list[Layer], blocks: str) -> bool:
    """Whether a model is made of blocks and no row is in a list of them, as in ESM, whose one
    module of an activation function is in a head that no pass calls."""
    made = [any(True for _ in block.children()) for block in model.get_submodule(blocks).children()]
    lists = [name for name, part in model.named_modules() if isinstance(part, nn.ModuleList)]
    within = any(row.name.startswith(f"{name}.") for row in rows for name in lists)
    return all(made) and not within


def _has_parts(model: nn.Module, row: Layer) -> bool:
    return any(True for _ in model.get_submodule(row.name).children())
