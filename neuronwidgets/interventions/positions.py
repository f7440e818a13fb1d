"""Which tokens an edit changes."""

from __future__ import annotations

import operator
from typing import Any

import torch

Positions = tuple[int, ...] | slice | None


def token_positions(positions: Any) -> Positions:
    """Positions as a user gives them: one, several (also a `range`), a slice, or `None` for all.

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
            f"positions={given!r:.60} is a mask: give the positions themselves, e.g. "
            "np.flatnonzero(mask)."
        )
    try:
        return operator.index(position)
    except TypeError:
        raise ValueError(
            f"positions={given!r:.60}: whole numbers, a slice, or None for all tokens, got "
            f"{position!r:.40}."
        ) from None


def places(positions: Positions, length: int, device: torch.device) -> torch.Tensor:
    """The positions that a sequence of `length` tokens has: int64, each once."""
    every = range(length)
    if isinstance(positions, slice):
        found = list(every[positions])
    else:
        found = [every[p] for p in positions or () if -length <= p < length]
    return torch.tensor(sorted(set(found)), dtype=torch.int64, device=device)


def as_json(positions: Positions) -> Any:
    """For a file; `from_json` reads it."""
    if isinstance(positions, slice):
        return {"slice": [positions.start, positions.stop, positions.step]}
    return positions


def from_json(saved: Any) -> Positions:
    if isinstance(saved, dict):
        return slice(*saved["slice"])
    return None if saved is None else tuple(saved)
