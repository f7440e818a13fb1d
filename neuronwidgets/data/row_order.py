"""Finds out whether samples come in the order of their data set."""

from __future__ import annotations

from typing import Any

from torch.utils.data import BatchSampler, DataLoader, IterableDataset, SequentialSampler

from neuronwidgets.core.compat import shuffles


def shuffle_reason(data: Any) -> str | None:
    """The reason, for messages, why samples come in another order than the data set's. `None`
    without any sign of another order.
    """
    data = getattr(data, "iterable", data)  # tqdm's
    if isinstance(data, set | frozenset):
        return "a set has none"
    if not isinstance(data, DataLoader):
        return "it is a stream that shuffles" if shuffles(data) else None
    if isinstance(data.dataset, IterableDataset):
        if data.num_workers > 1:
            return f"its {data.num_workers} workers take turns"
        return shuffle_reason(data.dataset)
    sampler: Any = data.sampler
    if data.batch_sampler is not None:
        sampler = data.batch_sampler
        if type(sampler) is BatchSampler:
            sampler = sampler.sampler
        elif isinstance(sampler, list | tuple):
            sampler = [i for batch in sampler for i in batch]
    if isinstance(sampler, list | tuple | range):
        ordered = list(sampler) == list(range(len(sampler)))
        return None if ordered else "its DataLoader has a sampler of its own"
    if isinstance(sampler, SequentialSampler):
        return None
    kind = type(sampler).__name__
    return f"its DataLoader has a {kind}"
