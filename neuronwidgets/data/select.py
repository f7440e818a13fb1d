"""Batches of some samples of the data only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from neuronwidgets.data.batch import Batch, Raw, Source


def selected(source: Source, places: Any, size: int = 64) -> Iterator[tuple[Batch, np.ndarray]]:
    """The batches of the samples at `places`: int64 `n`, where each stands in the data, from 0.

    A place that is named twice is there twice. With each batch comes, for each of its rows, which
    of `places` it is: int64 `B`. Ready batches are cut to the rows that are wanted; of all other
    data, batches of `size` are made.

    Raises:
        ValueError: the data ends before, has no text there, or comes in another order each time.
    """
    source.keep_order("samples are looked up")
    places = np.asarray(places, np.int64)
    order = np.argsort(places, kind="stable")
    wanted = places[order]
    rows: list[Any] = []
    at: list[int] = []
    first = 0
    for raw in source.raw:
        if len(wanted) == 0 or first > wanted[-1]:
            break
        made = None if source.told else source.make(raw)
        count = len(raw.rows) if made is None else made.size
        there = np.arange(first, first + count) if raw.place is None else raw.place
        low, high = np.searchsorted(wanted, [first, int(there[-1]) + 1]).tolist()
        first = int(there[-1]) + 1
        local = np.searchsorted(there, wanted[low:high]).tolist()
        if (there[local] != wanted[low:high]).any():
            missing = wanted[low:high][there[local] != wanted[low:high]]
            raise ValueError(
                f"sample {int(missing[0]):,} of data is empty: pass the data that the activations "
                "were captured from."
            )
        if made is not None:
            if local:
                yield made.part(local), order[low:high]
            continue
        rows += [raw.rows[i] for i in local]
        at += order[low:high].tolist()
        while len(rows) >= size:
            yield _made(source, raw, rows[:size]), np.array(at[:size])
            rows, at = rows[size:], at[size:]
    if len(wanted) and first <= wanted[-1]:
        raise ValueError(
            f"data has {first:,} samples, and sample {int(wanted[-1]):,} is needed (they count "
            "from 0): pass the data that the activations were captured from."
        )
    if rows:
        yield _made(source, raw, rows), np.array(at)


def _made(source: Source, like: Raw, rows: list[Any]) -> Batch:
    return source.make(Raw(np.stack(rows) if isinstance(like.rows, np.ndarray) else rows))
