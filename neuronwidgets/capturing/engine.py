"""Reads data through a model, batch by batch, into memory, a store and collectors."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.samples import Samples
from neuronwidgets.activations.store.shards import StoreError
from neuronwidgets.capturing.collecting import Collected, LabelCodes
from neuronwidgets.capturing.collectors import Collector, Rows
from neuronwidgets.capturing.first import SINK_TEXTS, FirstTokens
from neuronwidgets.capturing.forward import ForwardPasses, failed
from neuronwidgets.capturing.layer_collectors import LayerCollectors
from neuronwidgets.capturing.reader import LayerReader
from neuronwidgets.capturing.rows import ToHost
from neuronwidgets.capturing.to_disk import CaptureStore, ShardLimits
from neuronwidgets.capturing.to_memory import RowsInMemory
from neuronwidgets.capturing.tokens import TokenReader
from neuronwidgets.capturing.word_codes import Coded, coded
from neuronwidgets.core.compiled import plain
from neuronwidgets.core.interrupts import uninterrupted
from neuronwidgets.core.modes import own_modes
from neuronwidgets.data.batch import Batch, BatchSource, Raw
from neuronwidgets.data.records import EMPTY
from neuronwidgets.models.fingerprint import Fingerprint, parts_fingerprint, weights_fingerprint
from neuronwidgets.models.hooks import evaluating, foreign_hooks


@dataclass(frozen=True)
class Reading:
    """The progress of a capture.

    Attributes:
        samples: samples read.
        total: samples in the data; `None` if unknown.
        tokens: tokens read; 0 for data without tokens.
        seconds: seconds since it began.
        stored: samples that were in the store already.
    """

    samples: int
    total: int | None
    tokens: int
    seconds: float
    stored: int = 0

    @property
    def rate(self) -> float:
        """Samples per second."""
        return (self.samples - self.stored) / self.seconds if self.seconds > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds until the end at the present rate; `None` if unknown."""
        return (
            None
            if self.total is None or not self.rate
            else (max(0, self.total - self.samples) / self.rate)
        )


@dataclass(frozen=True)
class CaptureRequest:
    """The arguments of a capture, beside its model and its data."""

    layers: list[str]
    pooling: str
    collect: list[Collector] | None
    labels: list[Any] | None
    label_names: Sequence[str] | None
    nonfinite: str | None
    out: Path | None
    dtype: str
    workers: int | None
    """The number of Ray actors, 0 for one per GPU or machine; `None` to read in this process."""
    first: bool | None
    """Whether the first token of each text counts; `None` if it is no attention sink."""
    settings: dict[str, Any]
    """All further arguments that change the result, as JSON."""


class Engine:
    """One capture: `steps` reads the data, `so_far` and `result` return what was read.

    Args:
        reader: reads the layers.
        source: the data.
        request: the arguments.
        limits: when shards end.

    Attributes:
        current: int64 `B`, the samples of the batch that is being read; `None` between batches.
        count: samples read so far.
    """

    def __init__(
        self,
        reader: LayerReader,
        source: BatchSource,
        request: CaptureRequest,
        limits: ShardLimits | None = None,
    ) -> None:
        self.reader, self.request, self.make = reader, request, source.make
        self.rows_are_samples = source.rows_are_samples
        self.limits = ShardLimits() if limits is None else limits
        self._source = source
        self.current: np.ndarray | None = None
        first = next(source.raw, None)
        self._raw = itertools.chain([] if first is None else [first], source.raw)
        self._first = None if first is None else source.make(first)
        inputs = None if self._first is None else self._first.inputs
        self._masked = isinstance(inputs, dict) and "attention_mask" in inputs
        self.layers = request.layers
        names = request.label_names
        if request.labels is None and names is None:
            names = source.label_names
        self._codes = LabelCodes(request.labels, names)
        self.first = FirstTokens(request.layers, request.pooling, request.first)
        self._passes = ForwardPasses(reader, request.pooling, len(request.layers), self.first)
        self.streaming = [c for c in request.collect or [] if type(c) is not Rows]
        self.collectors = LayerCollectors(request.layers, self.streaming, request.nonfinite)
        self.keeps_rows = request.collect is None or len(self.streaming) < len(request.collect)
        self._memory: RowsInMemory | None = None
        self.store: CaptureStore | None = None
        self.lock = threading.RLock()
        self.count = self._tokens = 0
        self._began = time.perf_counter()
        if request.out is not None:
            self.store = self._open(request.out)
            self.count = self.store.count
            if self.count:
                self.first.resume(self.store.writer.without_first)
        elif self.keeps_rows:
            self._memory = RowsInMemory(
                request.layers, request.pooling, request.labels, names, self._codes,
                self._token_reader,
            )  # fmt: skip
        self._stored = self._next = self.count
        dtype = None if self.store is None else request.dtype
        self._host = ToHost(dtype, request.nonfinite or "refuse")

    def _open(self, folder: Path) -> CaptureStore:
        """Open the store, new or as a capture with the same arguments left it."""
        model, first = plain(self.reader.model), self._first
        hooks = [name for name, part in model.named_modules() if foreign_hooks(part)]
        about = {
            **self.request.settings,
            "unit": self.request.pooling,
            "model": type(model).__name__,
            "weights": weights_fingerprint(model),
            "parts": parts_fingerprint(model),
            "hooks": hooks,
            "first_inputs": first and Fingerprint().add(first.inputs).hex(),
            "labels": Fingerprint().add([self.request.labels, self.request.label_names]).hex(),
            "nonfinite": self.request.nonfinite,
            "collect": [collector.described() for collector in self.streaming],
        }
        if self.streaming:
            try:
                self.collectors.state()
            except Exception as error:
                raise ValueError(
                    "with out=, collectors must be kept in the folder, and one cannot be pickled "
                    f"({error}): define its class at the top of a module or notebook, and keep "
                    "only data in it."
                ) from None
        store = CaptureStore(
            folder,
            self.request.layers if self.keeps_rows else [],
            self.request.dtype,
            about,
            self._codes,
            self.limits,
            self.collectors.state if self.streaming else None,
            self.collectors.resume,
        )
        if store.count and hooks:
            store.close()
            raise StoreError(
                f"the model has hooks (on {', '.join(hooks[:3])}), which may change what {folder} "
                "would get: take another folder, or remove the hooks."
            )
        return store

    # Reading

    def steps(self) -> Iterator[Reading]:
        """Read the data, one batch per step.

        Raises:
            CaptureError: a batch in the middle could not be read. Its `so_far` has all before.
        """
        self._began = time.perf_counter()
        try:
            yield self.reading
            if self.request.workers is None:
                yield from self._read_locally()
            else:
                from neuronwidgets.capturing.ray import read_on_workers

                yield from read_on_workers(self, self.request.workers)
        except StoreError:
            self.close()
            raise
        except Exception as error:
            self._keep_rest()
            if self.count == self._stored == 0:
                raise
            problem = failed(error, getattr(error, "samples", self.current), self.count)
            self.stop()
            problem.so_far = self.so_far()
            raise problem from error
        self._check_labels()
        if self.store is not None:
            self.store.finish(whole=True)
        self.close()

    def find_sinks(self) -> dict[str, bool]:
        """Whether first tokens count in each layer, by a pass over the first texts."""
        batch = self._first
        if batch is not None and not self.first.known:
            few = batch.part(range(min(SINK_TEXTS, batch.size)))

            def take(name: str, values: Any) -> None:
                self.first.count(few, name, values)

            with evaluating(self.reader.model):
                self.reader(few, take)
            self.first.warn()
        if self.store is not None:
            self.store.note_first(self.first.without)
        return self.first.known

    def unread(self) -> Iterator[tuple[Raw, Batch | None]]:
        """The batches that are not in the store: their rows, and the batch itself if made."""
        for raw in self._raw:
            batch, self._first = self._first, None
            if self.store is None or not self.store.holds(raw):
                yield raw, batch

    def _read_locally(self) -> Iterator[Reading]:
        with evaluating(self.reader.model):
            for raw, made_batch in self.unread():
                mark = None if self.store is None else self.store.mark(raw)
                batch = self.make(raw) if made_batch is None else made_batch
                self.current = index = self.next_index(batch.dataset_index, batch.size)
                code = self.codes(index, batch)
                rows = self._passes(batch, index, code)
                if self.store is not None:
                    self.store.note_first(self.first.without)
                if self.reader.model.training:
                    raise RuntimeError(
                        "the model was set to training while it was read, which turns on dropout "
                        "and batch norm: call train() after the capture has ended."
                    )
                with uninterrupted(), self.lock, own_modes():
                    # Rows of earlier batches arrive before the collectors see this one: a shard
                    # must be stored with the collectors' state at its own end.
                    self._keep(self._host.rest())
                    rows = self.collectors.add(rows)
                    origin = mark, batch, index, code
                    arrived = self._host.push(origin, rows) if self.keeps_rows else [(origin, [])]
                    self._keep(arrived)
                if mark is not None:
                    mark.result()
                # Free the batch's memory for the next pass.
                del rows, origin, arrived, batch, made_batch, raw
                self.current = None
                yield self.reading
            with uninterrupted(), self.lock, own_modes():
                self._keep(self._host.rest())

    def next_index(self, dataset_index: np.ndarray | None, size: int) -> np.ndarray:
        """The indices of the next `size` samples: `dataset_index`, else the next in order."""
        self._next += size
        return np.arange(self._next - size, self._next) if dataset_index is None else dataset_index

    def codes(self, dataset_index: np.ndarray, batch: Batch | Raw) -> Coded:
        """The codes of a batch's labels. Impossible labels are refused at once."""
        return coded(self._codes, dataset_index, batch)

    def take(self, entries: list[dict[str, Any]], collectors: dict[str, list[Collector]],
             samples: int, tokens: int) -> None:  # fmt: skip
        """Add batches that workers read, in the data's order."""
        with self.lock:
            self.collectors.merge(collectors)
            if self.store is not None:
                self.store.commit(entries)
            self.count, self._tokens = self.count + samples, self._tokens + tokens

    @property
    def total(self) -> int | None:
        """The number of samples to read; `None` if unknown."""
        return self._source.expected

    @property
    def nbytes(self) -> int:
        """Bytes of the values that are kept in memory; 0 if they are written to disk."""
        return 0 if self._memory is None else self._memory.nbytes

    @property
    def reading(self) -> Reading:
        """The progress."""
        seconds = time.perf_counter() - self._began
        return Reading(self.count, self.total, self._tokens, seconds, self._stored)

    def stop(self) -> None:
        """Stop reading and keep what was read."""
        with self.lock:
            self._keep_rest()
            if self.store is not None:
                with suppress(StoreError):
                    self.store.finish(whole=False)
            self.close()

    def close(self) -> None:
        """Release the store."""
        if self.store is not None:
            self.store.close()

    def _keep_rest(self) -> None:
        """Keep the rows that a GPU still brings, unless they are those that failed."""
        with self.lock, suppress(Exception):
            self._keep(self._host.rest())

    def _keep(self, batches: Iterable[tuple[Any, list[Any]]]) -> None:
        """Add batches whose rows are in the CPU's memory."""
        for (mark, batch, dataset_index, code), rows in batches:
            if self.store is not None:
                self.store.add(mark.result(), batch, dataset_index, code, rows)
            elif self._memory is not None:
                self._memory.add(batch, dataset_index, rows)
            self.count += batch.size
            self._tokens += 0 if batch.mask is None else int(batch.mask.sum())

    def _check_labels(self) -> None:
        labels, tally = self.request.labels, self._source.tally
        count = self.count if tally is None else tally.seen
        if labels is not None and len(labels) != count:
            self.stop()
            raise ValueError(
                f"labels must have one entry per sample, got {len(labels):,} for {count:,} samples."
            )

    # Results

    def result(self) -> dict[str, Any]:
        """The `Activations` or `Collected` of each layer. Call it once, at the end."""
        return self._results(last=True)

    def so_far(self) -> dict[str, Any]:
        """The `Activations` or `Collected` of each layer, so far."""
        return self._results(last=False)

    @own_modes()
    def _results(self, last: bool) -> dict[str, Any]:
        with self.lock:
            if not self.count:
                raise ValueError(EMPTY)
            rows: dict[str, Any] = {}
            if self._memory is not None:
                in_memory = self._memory.result(last)
                call, at, without = self.reader.call, self.reader.at, self.first.without
                for name, acts in in_memory.items():
                    rows[name] = replace(acts, call=call, at=at, first=name not in without)
            elif self.keeps_rows:
                rows = {name: self._loaded(name) for name in self.layers}
            if self.request.collect is None:
                return rows
            return {name: self._collected(name, rows.get(name)) for name in self.layers}

    def _loaded(self, layer: str) -> Activations:
        assert self.store is not None
        self.store.settle()
        acts = Activations.load(self.store.folder, layer)
        previews = self.store.previews()
        tokens = self._token_reader(layer, previews.ids, previews.padding, acts.samples)
        return replace(acts, tokens=tokens)

    def _collected(self, layer: str, rows: Activations | None) -> Collected:
        streamed = iter(self.collectors.results(layer))
        results = [rows if type(c) is Rows else next(streamed) for c in self.request.collect or []]
        return Collected(layer, tuple(results), self._codes.names, self.count, self.reader.at)

    def _token_reader(
        self, layer: str, ids: Sequence[np.ndarray], padding: Sequence[int], samples: Samples
    ) -> TokenReader | None:
        if not len(ids) or len(ids) != len(samples.spans):
            return None
        return TokenReader(self.reader.one(layer), ids, padding, samples, self._masked)
