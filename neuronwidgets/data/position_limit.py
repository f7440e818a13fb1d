"""How many tokens a model has positions for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

_CONFIG = (
    "max_position_embeddings",
    "n_positions",
    "n_ctx",
    "max_encoder_position_embeddings",
    "max_decoder_position_embeddings",
)
_POSITION = re.compile(r"(^|[._])w?pe([._]|$)|(^|[._])pos(?!t)|position", re.IGNORECASE)
_OTHER = re.compile(r"rel|2d|(^|[._])[xyhw]_|vis|image|patch", re.IGNORECASE)
"""Positions relative to each other, and places on a page or in an image."""


def positions(model: nn.Module) -> int | None:
    """How many tokens a model takes: what its table of positions has, else what its config says;
    `None` where neither does."""
    table = position_table(model)
    return min(_configured(model), default=None) if table is None else table


def position_table(model: nn.Module) -> int | None:
    """How many tokens fit into a model's embeddings of positions; `None` where it has none. More
    than so many it cannot read."""
    known, config = _configured(model), _config(model)
    if getattr(config, "position_embedding_type", "absolute") != "absolute":
        return None
    found = []
    for size, offset in _tables(model):
        # Of a model with a config, those of its texts: others may be of image patches.
        if not known or {size, size - offset} & known:
            found.append(size - offset)
        elif size - 2 in known:  # Nystromformer and its kin count from two
            found.append(size - 2)
    if not known:
        found += _parameters(model)
    return min(found, default=None)


def token_limit(model: nn.Module | None, processor: Any, max_length: int | None) -> int | None:
    """How many tokens a text may have: what the user says, else the smaller of what the tokenizer
    and what the model says; `None` for any number.

    Raises:
        ValueError: the user says more than the model has positions for.
    """
    table = None if model is None else position_table(model)
    if max_length is not None:
        if table is not None and max_length > table:
            raise ValueError(
                f"max_length={max_length:,}; {type(model).__name__} has positions for {table:,} "
                "tokens at most."
            )
        return max_length
    tokenizer = getattr(processor, "tokenizer", processor)
    said = getattr(tokenizer, "model_max_length", None)
    # Tokenizers that know of no limit say a very large number.
    known = said if isinstance(said, int) and 0 < said < 1_000_000 else None
    limits = [known, None if model is None else positions(model)]
    return min((limit for limit in limits if limit is not None), default=None)


def _tables(model: nn.Module) -> Iterator[tuple[int, int]]:
    """The rows of each table of positions, and the row of the first token."""
    for name, part in model.named_modules():
        if not _POSITION.search(name) or _OTHER.search(name):
            continue
        if not isinstance(part, nn.Embedding) and not type(part).__name__.endswith("Embedding"):
            continue
        weight = getattr(part, "weight", None)
        size = len(weight) if isinstance(weight, torch.Tensor) and weight.ndim == 2 else 0
        offset = getattr(part, "offset", None)
        if not isinstance(offset, int):
            # RoBERTa and its kin count from after the padding's own row.
            padding = getattr(part, "padding_idx", None)
            offset = 0 if padding is None else padding + 1
        if size > offset:
            yield size, offset


def _parameters(model: nn.Module) -> Iterator[int]:
    """How many rows each table of positions has that is a parameter of its own: `T x D`, or
    `1 x T x D`."""
    for name, table in model.named_parameters():
        owner = model.get_submodule(name.rpartition(".")[0])
        known = isinstance(owner, nn.Embedding) or _OTHER.search(name)
        if known or not _POSITION.search(name.rpartition(".")[2]):
            continue
        if table.ndim == 2 or (table.ndim == 3 and len(table) == 1):
            yield table.shape[-2]


def _configured(model: nn.Module) -> set[int]:
    config = _config(model)
    values = (getattr(config, name, None) for name in _CONFIG)
    return {value for value in values if isinstance(value, int) and value > 0}


def _config(model: nn.Module) -> Any:
    """What a transformers model says of itself, or the first one inside; of its texts."""
    configs = (getattr(part, "config", None) for part in model.modules())
    config: Any = next((config for config in configs if config is not None), None)
    return getattr(config, "text_config", None) or config
