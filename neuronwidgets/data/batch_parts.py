"""Tells the inputs, the labels and the padding of a ready batch apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from neuronwidgets.data.accepted_inputs import Arguments
from neuronwidgets.data.records import TARGETS
from neuronwidgets.data.targets import as_targets

_MASK = re.compile(
    r"((src|inputs?|x|seq|sequence|tokens?|texts?|attn|attention|encoder)_)*"
    r"(key_)?((padding|pad|valid)_?)?masks?|(is_)?(pad|padding)"
)
"""Names of masks of padding, not of those of a loss, a decoder or causal attention."""
_OF_TOKENS = re.compile(r"(_ids|_embeds|_mask|^mask)$")
"""Names of inputs with a value for each token, and of masks: none has one for each sample."""
_PATH = re.compile(r"[/\\]|\.\w+$")
"""A path or the name of a file, which is no class."""
_LENGTHS = re.compile(r"(^|_)len(s|gths?)?($|_)|lengths?$")


def is_padding_name(name: str) -> bool:
    """Whether an input of that name says what is padding: a mask, or lengths."""
    return bool(_MASK.fullmatch(name.lower()) or _LENGTHS.search(name.lower()))


@dataclass(frozen=True)
class Parts:
    """A batch that came as a tuple.

    Attributes:
        inputs: the model's input, or a tuple of them.
        labels: its labels as they came; `None` without.
        mask: bool `B x T`, false at padding; `None` where no part says it.
    """

    inputs: Any
    labels: Any = None
    mask: torch.Tensor | None = None


def parts_of(batch: Sequence[Any], arguments: Arguments) -> Parts:
    """Tell the parts of a tuple apart, by what the model's `forward` takes.

    A second part is an input if the model needs two, or if it is a mask or lengths that the model
    takes. Where it does not take them, they say what is padding. Any other second part is labels.
    Of three or more, labels are the first one value per sample that is no input and is followed by
    none: what comes after them, as the samples' indices or paths, is left out.
    """
    parts, labels = tuple(batch), None
    if len(parts) == 2 and isinstance(parts[0], tuple | list):
        nested = tuple(parts[0])
        if nested and all(isinstance(part, torch.Tensor) for part in nested):
            inner = _of_inputs(nested, arguments)
            return Parts(inner.inputs, parts[1], inner.mask)
    if len(parts) > 2 and isinstance(parts[0], torch.Tensor):
        place = _place_of_labels(parts, arguments)
        labels = None if place is None else parts[place]
        # Texts are no inputs, nor are the lengths of samples of one length, which say nothing.
        parts = parts if place is None else tuple(
            part for i, part in enumerate(parts[:place])
            if i < max(1, arguments.required) or _is_input(parts, i, arguments)
            or not (are_texts(part) or _is_length(parts, i))
        )  # fmt: skip
        if place is not None and len(parts) == 1:
            return Parts(parts[0], labels)
    if len(parts) == 1 or not isinstance(parts[0], torch.Tensor):
        whole = len(parts) == 2 and isinstance(parts[0], Mapping)
        return Parts(parts[0], parts[1]) if whole else Parts(parts, labels)
    known = _of_inputs(parts, arguments)
    if labels is None and known.mask is None and len(parts) == 2 and arguments.required < 2:
        return Parts(parts[0], parts[1])
    return Parts(known.inputs, labels, known.mask)


def _place_of_labels(parts: tuple[Any, ...], arguments: Arguments) -> int | None:
    """The index of the labels among three parts or more; `None` if all are inputs."""
    last = len(parts) - 1
    for i in range(max(1, arguments.required), last):
        columns = all(_is_column(part, len(parts[0])) for part in parts[i:])
        if not columns or (are_texts(parts[i]) and _PATH.search(str(parts[i][0]))):
            continue
        # An index may equal a length by chance: behind labels, only forward's names tell lengths.
        padding = _is_length(parts, i) or padding_mask(parts[0], [("", parts[i])]) is not None
        named = [(arguments.name(k), parts[k]) for k in range(i, len(parts)) if arguments.name(k)]
        padding = padding or padding_mask(parts[0], named) is not None
        if not padding and not _is_input(parts, i, arguments):
            return i
    return last if last >= arguments.required and not _is_input(parts, last, arguments) else None


def _is_input(parts: tuple[Any, ...], i: int, arguments: Arguments) -> bool:
    """Whether the model takes part `i`, as far as its name and its shape tell."""
    name, part = arguments.name(i), parts[i]
    if (arguments.most is not None and i >= arguments.most) or name in TARGETS:
        return False
    if not _is_tensor(part) or not _OF_TOKENS.search(name):
        return _is_tensor(part)
    whole = not (name.endswith("_ids") and part.is_floating_point())
    return whole and part.ndim > 1 and part.shape[1] in parts[0].shape[1:]


def _is_column(part: Any, size: int) -> bool:
    """Whether a part has one value for each of `size` samples, or one-hot floats."""
    if _is_tensor(part):
        one_hot = part.ndim == 2 and part.is_floating_point() and as_targets(part, size).labels
        return bool(one_hot) or part.shape in ((size,), (size, 1))
    return isinstance(part, list | tuple) and len(part) == size


def _is_length(parts: tuple[Any, ...], i: int) -> bool:
    """Whether part `i` is the one length that all samples have, in tokens or steps."""
    lead, part = parts[0], parts[i]
    if not _is_tensor(part) or part.ndim != 1 or part.is_floating_point():
        return False
    if lead.ndim not in (2, 3) or (lead.ndim == 2) == lead.is_floating_point() or i == 0:
        return False
    return any(bool((part == size).all()) for size in lead.shape[1:])


def _of_inputs(parts: tuple[Any, ...], arguments: Arguments) -> Parts:
    """Inputs, without masks and lengths that the model does not take."""
    lead, kept = parts[0], [parts[0]]
    mask = None
    for i, part in enumerate(parts[1:], 1):
        name = arguments.name(i)
        named = padding_mask(lead, [(name, part)]) if name else None
        unnamed = padding_mask(lead, [("", part)])
        mask = next((m for m in (mask, named, unnamed) if m is not None), None)
        # An optional mask of padding is not given one of tokens.
        turned = "pad" in name and named is not None and named.equal(part.bool())
        if i < arguments.required or not (turned or (named is None and unnamed is not None)):
            kept.append(part)
    return Parts(tuple(kept) if len(kept) > 1 else lead, None, mask)


def padding_mask(lead: torch.Tensor, beside: Iterable[tuple[str, Any]]) -> torch.Tensor | None:
    """What a batch says of its padding: bool `B x T`, false there; `None` if it says nothing.

    Args:
        lead: token ids `B x T`, or series `B x T x F` or `B x F x T`.
        beside: the batch's other parts with their names, "" where those are unknown. Without a
            name a part must fit the padding of `lead`: one value throughout.
    """
    if lead.ndim not in (2, 3) or (lead.ndim == 2) == lead.is_floating_point():
        return None
    for name, part in beside:
        part = torch.as_tensor(part) if _are_numbers(part) else part
        if not isinstance(part, torch.Tensor) or len(part.shape) not in (1, 2):
            continue
        if len(part) != len(lead) or part.is_floating_point() or not part.numel():
            continue
        part = part.to(lead.device)
        mask = _of_lengths(lead, name, part) if part.ndim == 1 else _of_mask(lead, name, part)
        if mask is not None:
            return mask
    return None


def _of_lengths(lead: torch.Tensor, name: str, lengths: torch.Tensor) -> torch.Tensor | None:
    if lengths.dtype == torch.bool or (name and not _LENGTHS.search(name.lower())):
        return None
    low, high = int(lengths.min()), int(lengths.max())
    for axis in range(1, lead.ndim):
        size = lead.shape[axis]
        if low < 1 or high > size or (high < size and axis + 1 < lead.ndim == 3):
            continue
        mask = torch.arange(size, device=lead.device) < lengths[:, None]
        if name or (high == size and _fits(lead, mask) and _ends(lead, mask)):
            return mask
    return None


def _of_mask(lead: torch.Tensor, name: str, values: torch.Tensor) -> torch.Tensor | None:
    if name and not _MASK.fullmatch(name.lower()):
        return None
    mask = values.bool()
    square = torch.ones(mask.shape[1], mask.shape[1], dtype=torch.bool, device=mask.device)
    causal = any(map(mask.equal, (square.tril(), square.triu(), square.triu(1))))
    if mask.shape[1] not in lead.shape[1:] or not bool(((values == 0) | (values == 1)).all()):
        return None
    if bool((mask.int().diff(dim=1).abs().sum(1) > 1).any()) or causal:
        return None
    # Of a mask that is true at padding, the other way round.
    ways = [way for way in (mask, ~mask) if bool(way.any(1).all())]
    fitting = [way for way in ways if _fits(lead, way)]
    if not name:
        return fitting[0] if len(fitting) == 1 else None
    if len(fitting) != 1 and len(ways) == 2:
        fitting = ways[1:] if "pad" in name.lower() else ways[:1]
    return next(iter(fitting or ways), None)


def _fits(lead: torch.Tensor, mask: torch.Tensor) -> bool:
    """Whether there is padding, and `lead` has one value throughout it."""
    padding = _steps(lead, mask)[~mask]
    return bool(padding.numel()) and bool((padding == padding.flatten()[0]).all())


def _ends(lead: torch.Tensor, mask: torch.Tensor) -> bool:
    """Whether no row of `mask`, which `_fits`, ends in what is its padding."""
    steps = _steps(lead, mask)
    last = steps[torch.arange(len(steps), device=steps.device), mask.sum(1) - 1]
    padding = steps[~mask].flatten()[0]
    return bool((last != padding).reshape(len(last), -1).any(1).all())


def _steps(lead: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """`lead` with the axis of `mask`'s columns second."""
    return lead if mask.shape == lead.shape[:2] else lead.movedim(2, 1)


def _is_tensor(part: Any) -> bool:
    return isinstance(part, torch.Tensor)


def are_texts(part: Any) -> bool:
    """Whether a part of a batch is a column of texts, some of which may be missing."""
    return isinstance(part, list | tuple) and any(isinstance(value, str) for value in part)


def _are_numbers(part: Any) -> bool:
    return isinstance(part, list | tuple) and all(type(value) is int for value in part)
