"""Reads chosen rows of several layers again, from the samples that have them, into one store."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.activations.store.shards import StoreError
from neuronwidgets.activations.store.writer import Writer
from neuronwidgets.capturing.collecting import LabelCodes
from neuronwidgets.capturing.collectors.chunk import POSITIONS
from neuronwidgets.capturing.first import FirstTokens
from neuronwidgets.capturing.forward import ForwardPasses
from neuronwidgets.capturing.reader import LayerReader
from neuronwidgets.capturing.rows import LayerRows, ToHost
from neuronwidgets.capturing.to_disk import ShardLimits, ShardWriter
from neuronwidgets.capturing.word_codes import Coded, coded
from neuronwidgets.core.layer_place import At
from neuronwidgets.core.modes import own_modes
from neuronwidgets.data.batch import Batch, BatchSource, Raw
from neuronwidgets.models.fingerprint import Fingerprint
from neuronwidgets.models.hooks import evaluating
from neuronwidgets.models.layers import find_layer


@dataclass(frozen=True)
class GatherTask:
    """A batch of samples to read again.

    Attributes:
        rows: the samples, or the batch itself if made.
        index: int64 `B`, the samples' indices into the data set.
        code: the codes of their labels.
    """

    rows: Raw | Batch
    index: np.ndarray
    code: Coded


@dataclass(frozen=True)
class GatherSettings:
    """What to read, and how.

    Attributes:
        wanted: for each layer the sorted keys (see `Chunk.key`) of its rows.
        without_first: the layers whose texts' first tokens do not count.
        make: turns `Raw` rows into a `Batch`.
        pooling, axes, call, at: as in the capture that chose the rows.
        folder, dtype: the store.
    """

    wanted: dict[str, np.ndarray]
    pooling: str
    axes: tuple[int | None, int | None]
    call: int | None
    at: At
    without_first: list[str]
    make: Callable[[Raw], Batch]
    folder: Path
    dtype: str

    @property
    def samples(self) -> np.ndarray:
        """int64, sorted: the samples that have wanted rows of any layer."""
        return np.unique(np.concatenate([keys // POSITIONS for keys in self.wanted.values()]))

    def about(self) -> dict[str, Any]:
        """What identifies the rows, as JSON."""
        return {
            "unit": self.pooling,
            "call": self.call or 0,
            "gathered": Fingerprint().add(self.wanted).hex(),
            **({} if self.at == "output" else {"at": self.at}),
        }


class Gatherer:
    """Reads tasks with a model and writes the wanted rows to shards."""

    def __init__(self, model: nn.Module, settings: GatherSettings) -> None:
        layers = list(settings.wanted)
        self._model, self._settings = model, settings
        self.reader = LayerReader(
            model, {name: find_layer(model, name) for name in layers}, *settings.axes,
            settings.call, settings.at,
        )  # fmt: skip
        first = FirstTokens(layers, settings.pooling, None)
        first.resume(settings.without_first)
        self._passes = ForwardPasses(self.reader, settings.pooling, len(layers), first)

    def shards(
        self, number: int, tasks: Iterator[GatherTask], folders: dict[str, str], limits: ShardLimits
    ) -> Iterator[dict[str, Any]]:
        """Read tasks, and yield the entry in the manifest of each shard as soon as it is whole.

        Args:
            number: the number of the first task.
            tasks: the tasks.
            folders: the folder of each layer in the store.
            limits: when shards end.
        """
        settings = self._settings
        shards = ShardWriter(settings.folder, folders, settings.dtype, number, limits)
        host = ToHost(settings.dtype, "refuse")

        @own_modes()
        def written(arrived: Iterable[Any]) -> list[dict[str, Any]]:
            added = [
                shards.add("", batch, task.index, task.code, rows)
                for (task, batch), rows in arrived
            ]
            return [entry for entry in added if entry]

        try:
            with evaluating(self._model):
                for task in tasks:
                    batch = task.rows if isinstance(task.rows, Batch) else settings.make(task.rows)
                    rows = self._passes(batch, task.index, task.code)
                    with own_modes():
                        arrived = host.push((task, batch), [self._wanted(part) for part in rows])
                    yield from written(arrived)
                yield from written(host.rest())
                if entry := shards.finish():
                    yield entry
        finally:
            shards.discard()

    def _wanted(self, rows: LayerRows) -> LayerRows:
        """The wanted ones of a batch's rows."""
        keys = rows.sample * POSITIONS
        if rows.position is not None:
            keys = keys + rows.position
        wanted = _found(keys, self._settings.wanted[rows.layer])
        return replace(
            rows,
            values=rows.values[torch.as_tensor(wanted, device=rows.values.device)],
            sample=rows.sample[wanted],
            position=None if rows.position is None else rows.position[wanted],
            code=None if rows.code is None else rows.code[wanted],
        )


def gather_tasks(
    source: BatchSource, samples: np.ndarray, codes: LabelCodes, size: int
) -> Iterator[GatherTask]:
    """The samples of the data as tasks, in the order in which a capture reads them.

    Ready batches are cut to these samples. Of other data, batches of `size` are made.

    Args:
        source: the data.
        samples: int64, sorted, indices into the data set.
        codes: encodes the labels of all samples.
        size: samples in a batch.
    """
    held: list[tuple[Raw, GatherTask]] = []
    first = 0
    for raw in source.raw:
        batch = None if source.rows_are_samples else source.make(raw)
        part: Raw | Batch = raw if batch is None else batch
        count = len(raw.rows) if batch is None else batch.size
        index = part.dataset_index
        index = np.arange(first, first + count) if index is None else index
        first += count
        # Also for samples that are not read: codes are given in order of appearance.
        code = coded(codes, index, part)
        chosen = _found(index, samples)
        if not len(chosen):
            continue
        code_chosen = (
            [code[i] for i in chosen] if isinstance(code, list)
            else None if code is None else np.asarray(code)[chosen]
        )  # fmt: skip
        if batch is not None:
            yield GatherTask(batch.part(chosen.tolist()), index[chosen], code_chosen)
            continue
        held += [
            _single(raw, int(i), int(index[i]), None if code_chosen is None else code_chosen[j])
            for j, i in enumerate(chosen)
        ]
        while len(held) >= size:
            yield _joined(held[:size])
            held = held[size:]
    if held:
        yield _joined(held)


def _found(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """int64: the places of the values that are in `among`, which is sorted and not empty."""
    # Unlike `np.isin`, it does not sort `among` for each batch.
    place = np.searchsorted(among, values).clip(max=len(among) - 1)
    return np.flatnonzero(among[place] == values)


def _single(raw: Raw, i: int, index: int, code: Any) -> tuple[Raw, GatherTask]:
    """Row `i` of `raw` alone; the task has the row's index and code."""
    row = Raw(
        raw.rows[i : i + 1],
        None if raw.labels is None else [raw.labels[i]],
        np.array([index]),
        None if raw.origin is None else raw.origin[i : i + 1],
    )
    return row, GatherTask(row, np.array([index]), None if code is None else [code])


def _joined(parts: list[tuple[Raw, GatherTask]]) -> GatherTask:
    """One task of several samples."""
    raws, tasks = zip(*parts, strict=True)
    rows = [raw.rows for raw in raws]
    is_array = isinstance(rows[0], np.ndarray)
    index = np.concatenate([task.index for task in tasks])
    codes = [None if task.code is None else task.code[0] for task in tasks]
    labelled = [code for code in codes if code is not None]
    code: Coded = None
    if labelled and np.ndim(labelled[0]):
        code = [np.zeros(0, np.int64) if one is None else np.asarray(one) for one in codes]
    elif labelled:
        code = np.array([-1 if one is None else one for one in codes], np.int64)
    labels = [None if raw.labels is None else raw.labels[0] for raw in raws]
    raw = Raw(
        np.concatenate(rows) if is_array else list(itertools.chain.from_iterable(rows)),
        None if raws[0].labels is None else labels,
        index,
        None if raws[0].origin is None else np.concatenate([raw.origin for raw in raws]),
    )
    return GatherTask(raw, index, code)


class GatheredStore:
    """The store that rows are gathered in. A killed call loses the open shards only.

    Raises:
        StoreError: the folder holds anything else, or cannot be written.
    """

    def __init__(self, settings: GatherSettings, codes: LabelCodes) -> None:
        self._settings, self._codes = settings, codes
        self._writer = Writer(
            settings.folder, list(settings.wanted), settings.dtype, settings.about()
        )
        self._writer.without_first = settings.without_first
        self.complete = bool(self._writer.manifest["complete"])
        self.batches, self.layer_folders = self._writer.batches, self._writer.layer_folders

    def commit(self, entries: list[dict[str, Any]]) -> int:
        """Make finished shards part of the store. Returns the number of samples in it."""
        self._writer.begin()
        self._writer.commit(entries, self._codes.about())
        return int(self._writer.manifest["samples"])

    def finish(self) -> None:
        """All tasks are read.

        Raises:
            StoreError: rows are missing: the data was another one when it was read again.
        """
        for layer, keys in self._settings.wanted.items():
            shards = self._writer.manifest["shards"]
            count = sum(shard["rows"].get(layer, 0) for shard in shards)
            if count != len(keys):
                raise StoreError(
                    f"{count:,} of the {len(keys):,} rows of layer {layer!r} came when data was "
                    "read again: it must give the same samples in the same order each time. Take "
                    "a new folder."
                )
        self.commit([])
        self._writer.complete()

    def close(self) -> None:
        """Release the store."""
        self._writer.close()
