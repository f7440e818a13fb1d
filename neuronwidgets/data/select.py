"""Batches of chosen samples of the data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from neuronwidgets.data.batch import Batch, BatchSource, Raw


def selected(
    source: BatchSource, dataset_index: Any, size: int = 64
) -> Iterator[tuple[Batch, np.ndarray]]:
    """Yield batches of the samples with the given indices.

    Ready batches are cut to the chosen rows. Of other data, batches of `size` are made.

    Args:
        source: the data.
        dataset_index: int64 `n`, indices into the data. Repeated indices give repeated rows.
        size: samples per batch.

    Yields:
        a batch, and int64 `B`: for each of its rows, its position in `dataset_index`.

    Raises:
        ValueError: the data is too short, has an empty text there, or is shuffled.
    """
    source.keep_order("samples are looked up")
    dataset_index = np.asarray(dataset_index, np.int64)
    order = np.argsort(dataset_index, kind="stable")
    ordered = dataset_index[order]
    rows: list[Any] = []
    positions: list[int] = []
    first = 0
    for raw in source.raw:
        if len(ordered) == 0 or first > ordered[-1]:
            break
        batch = None if source.rows_are_samples else source.make(raw)
        count = len(raw.rows) if batch is None else batch.size
        present = raw.dataset_index
        if present is None:
            present = np.arange(first, first + count)
        low, high = np.searchsorted(ordered, [first, int(present[-1]) + 1]).tolist()
        first = int(present[-1]) + 1
        local = np.searchsorted(present, ordered[low:high]).tolist()
        if (present[local] != ordered[low:high]).any():
            missing = ordered[low:high][present[local] != ordered[low:high]]
            raise ValueError(
                f"sample {int(missing[0]):,} of data is empty: pass the data that the activations "
                "were captured from."
            )
        if batch is not None:
            if local:
                yield batch.part(local), order[low:high]
            continue
        rows += [raw.rows[i] for i in local]
        positions += order[low:high].tolist()
        while len(rows) >= size:
            yield _batch_of(source, raw, rows[:size]), np.array(positions[:size])
            rows, positions = rows[size:], positions[size:]
    if len(ordered) and first <= ordered[-1]:
        raise ValueError(
            f"data must have sample {int(ordered[-1]):,} (counted from 0), got {first:,} samples: "
            "pass the data that the activations were captured from."
        )
    if rows:
        yield _batch_of(source, raw, rows), np.array(positions)


def _batch_of(source: BatchSource, like: Raw, rows: list[Any]) -> Batch:
    """A batch of `rows`, stacked where those of `like` are an array."""
    return source.make(Raw(np.stack(rows) if isinstance(like.rows, np.ndarray) else rows))
