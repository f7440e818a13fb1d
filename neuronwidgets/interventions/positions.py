"""The token positions that an edit changes."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import torch

Positions = tuple[int, ...] | slice | None
CACHES = "cache", "past_key_values"
"""Names of a model's key-value cache: from transformers 5.24 on, and before."""


def token_positions(positions: Any) -> Positions:
    """Checked positions: one, several (also a `range`), a slice, or `None` for all.

    Raises:
        ValueError: a mask of booleans, or numbers that are not whole.
    """
    if positions is None:
        return None
    if isinstance(positions, slice):
        ends = (positions.start, positions.stop, positions.step)
        return slice(*(None if end is None else _whole(end, positions) for end in ends))
    if hasattr(positions, "tolist"):
        positions = positions.tolist()
    if not isinstance(positions, list | tuple | range | set | frozenset):
        return (_whole(positions, positions),)
    return tuple(_whole(position, positions) for position in positions)


def _whole(position: Any, given: Any) -> int:
    if isinstance(position, bool):
        raise ValueError(
            f"positions must be whole numbers, got the mask {given!r:.60}: pass "
            "np.flatnonzero(mask)."
        )
    try:
        return operator.index(position)
    except TypeError:
        raise ValueError(
            f"positions must be whole numbers, a slice, or None for all tokens, got "
            f"{position!r:.40} in {given!r:.60}."
        ) from None


def position_indices(positions: Positions, length: int, device: torch.device) -> torch.Tensor:
    """Those of `positions` that a sequence of `length` tokens has, from 0: int64, each once."""
    every = range(length)
    if isinstance(positions, slice):
        chosen = list(every[positions])
    else:
        chosen = [every[p] for p in positions or () if -length <= p < length]
    return torch.tensor(sorted(set(chosen)), dtype=torch.int64, device=device)


def first_tokens(args: Any, kwargs: Any) -> torch.Tensor | None:
    """Position of each text's first token in this pass's input: int64 `B`; `None`: 0 for all.

    Negative where the text began in an earlier pass. With padding on the left, the first token is
    the first one that `attention_mask` has.
    """
    inputs = dict(kwargs) if isinstance(kwargs, Mapping) else {}
    mask = inputs.get("attention_mask")
    given = (inputs.get("input_ids"), inputs.get("inputs_embeds"), *args)
    ids = next((value for value in given if _is_batch(value)), None)
    before = max((_length(inputs.get(name)) for name in CACHES), default=0)
    if isinstance(mask, torch.Tensor) and mask.ndim == 2:
        if ids is not None:
            before = mask.shape[1] - ids.shape[1]
        return (mask != 0).int().argmax(1).to("cpu", torch.int64) - before
    return None if before == 0 or ids is None else torch.full((len(ids),), -before)


def _is_batch(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.ndim >= 2


def _length(cache: Any) -> int:
    """The number of tokens in a key-value cache."""
    if hasattr(cache, "get_seq_length"):
        return int(cache.get_seq_length())
    while isinstance(cache, tuple | list) and cache:
        cache = cache[0]
    return int(cache.shape[-2]) if isinstance(cache, torch.Tensor) and cache.ndim == 4 else 0


def as_json(positions: Positions) -> Any:
    """Positions as JSON; `from_json` reads them."""
    if isinstance(positions, slice):
        return {"slice": [positions.start, positions.stop, positions.step]}
    return positions


def from_json(saved: Any) -> Positions:
    """Positions from what `as_json` returned."""
    if isinstance(saved, dict):
        return slice(*saved["slice"])
    return None if saved is None else tuple(saved)
