"""Reading data through a model, batch by batch, into memory, a store, and collectors."""

from __future__ import annotations

import itertools
import pickle
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from neuronwidgets.activations import Activations, Samples
from neuronwidgets.activations.store import StoreError
from neuronwidgets.capture.collecting import Codes, Collected, Collecting, pickled
from neuronwidgets.capture.collectors import Collector, Rows
from neuronwidgets.capture.disk import Disk
from neuronwidgets.capture.memory import Memory
from neuronwidgets.capture.passes import Passes, failed
from neuronwidgets.capture.reader import LayerReader
from neuronwidgets.capture.rows import LayerRows, ToHost
from neuronwidgets.capture.tokens import TokenReader
from neuronwidgets.capture.uninterrupted import uninterrupted
from neuronwidgets.models import Source, evaluating
from neuronwidgets.models.hooks import foreign_hooks
from neuronwidgets.models.marks import Mark, weights_mark


@dataclass(frozen=True)
class Reading:
    """How far a capture is.

    Attributes:
        samples: how many are read.
        total: of how many; `None` where that is not known.
        tokens: how many tokens; 0 where the data has none.
        seconds: since it began.
        stored: how many of the samples were in the store already.
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
        """Seconds until the end, if it goes on like this."""
        return (
            None
            if self.total is None or not self.rate
            else (max(0, self.total - self.samples) / self.rate)
        )


@dataclass(frozen=True)
class Wanted:
    """What a capture is asked for, beside its model and its data."""

    layers: list[str]
    unit: str
    collect: list[Collector] | None
    labels: list[Any] | None
    label_names: Sequence[str] | None
    nonfinite: str | None
    out: Path | None
    dtype: str
    settings: dict[str, Any]
    """What else makes a difference to the result, as JSON has it."""


class Run:
    """One capture: `steps` reads, `so_far` and `result` are what there is."""

    def __init__(self, reader: LayerReader, source: Source, wanted: Wanted) -> None:
        self._reader, self._wanted, self._make = reader, wanted, source.make
        first = next(source.raw, None)
        self._raw = itertools.chain([] if first is None else [first], source.raw)
        self._first = None if first is None else source.make(first)
        inputs = None if self._first is None else self._first.inputs
        self._masked = isinstance(inputs, dict) and "attention_mask" in inputs
        self.total, self.layers = source.total, wanted.layers
        names = wanted.label_names
        if wanted.labels is None and names is None:
            names = source.label_names
        self._codes = Codes(wanted.labels, names)
        self._passes = Passes(reader, wanted.unit, len(wanted.layers))
        others = [c for c in wanted.collect or [] if type(c) is not Rows]
        self._sinks = {name: Collecting(others) for name in wanted.layers} if others else {}
        self._keeps = wanted.collect is None or len(others) < len(wanted.collect)
        self._memory: Memory | None = None
        self._disk: Disk | None = None
        self.lock = threading.RLock()
        self.count = self._texts = self._tokens = 0
        self._began = time.perf_counter()
        if wanted.out is not None:
            self._disk = self._open(wanted.out, others)
            self.count = self._disk.count
        elif self._keeps:
            self._memory = Memory(
                wanted.layers, wanted.unit, wanted.labels, names, self._token_reader
            )
        self._stored = self._next = self.count
        dtype = "float32" if self._disk is None else wanted.dtype
        self._host = ToHost(dtype, wanted.nonfinite or "refuse")

    def _open(self, folder: Path, others: list[Collector]) -> Disk:
        model = self._reader.model
        hooks = [name for name, part in model.named_modules() if foreign_hooks(part)]
        about = {
            **self._wanted.settings,
            "unit": self._wanted.unit,
            "model": type(model).__name__,
            "weights": weights_mark(model),
            "hooks": hooks,
            "first_inputs": None if self._first is None else Mark().add(self._first.inputs).hex(),
            "labels": Mark().add([self._wanted.labels, self._wanted.label_names]).hex(),
            "nonfinite": self._wanted.nonfinite,
            "collect": [collector.described() for collector in others],
        }
        disk = Disk(
            folder,
            self._wanted.layers if self._keeps else [],
            self._wanted.dtype,
            about,
            self._codes,
            self._state if others else None,
            self._resume,
        )
        if disk.count and hooks:
            disk.close()
            raise StoreError(
                f"the model has hooks (on {', '.join(hooks[:3])}), and what they change cannot be "
                f"told from what is in {folder}: take another folder, or remove the hooks."
            )
        return disk

    # Reading

    def steps(self) -> Iterator[Reading]:
        """Read the data, a batch for each step.

        Raises:
            CaptureError: a batch in the middle could not be read; `so_far` has what came before.
        """
        place: np.ndarray | None = None
        self._began = time.perf_counter()
        try:
            with evaluating(self._reader.model):
                yield self.reading
                for raw in self._raw:
                    if raw.origin is not None:
                        self._texts = max(self._texts, int(raw.origin.max()) + 1)
                    if self._disk is not None and self._disk.holds(raw):
                        self._first = None
                        continue
                    batch = self._make(raw) if self._first is None else self._first
                    self._first = None
                    place = batch.place
                    if place is None:
                        place = np.arange(self._next, self._next + batch.size)
                    coded = self._sinks or self._disk is not None
                    code = self._codes.of(place, batch) if coded else None
                    rows = self._passes(batch, place, code)
                    with uninterrupted(), self.lock:
                        self._next += batch.size
                        self._take((raw, batch, place, code), rows)
                    place = None
                    yield self.reading
                with uninterrupted(), self.lock:
                    self._arrived(self._host.rest())
        except StoreError:
            self.close()
            raise
        except Exception as error:
            if self.count == self._stored == 0:
                raise
            problem = failed(error, getattr(error, "samples", place), self.count)
            self.stop()
            problem.so_far = self.so_far()
            raise problem from error
        self._check_labels()
        if self._disk is not None:
            self._disk.finish(whole=True)
        self.close()

    @property
    def reading(self) -> Reading:
        """How far it is."""
        seconds = time.perf_counter() - self._began
        return Reading(self.count, self.total, self._tokens, seconds, self._stored)

    def stop(self) -> None:
        """Read no more, and keep what was read."""
        with self.lock:
            # Of what is on its way, what arrives well; the rest is what failed.
            with suppress(Exception):
                self._arrived(self._host.rest())
            if self._disk is not None:
                with suppress(StoreError):
                    self._disk.finish(whole=False)
            self.close()

    def close(self) -> None:
        """Let others write the store."""
        if self._disk is not None:
            self._disk.close()

    def _take(self, about: Any, rows: list[LayerRows]) -> None:
        if self._sinks:
            if self._wanted.nonfinite is not None:
                refuse = self._wanted.nonfinite == "refuse"
                finite = [part.values.isfinite().all(1).cpu().numpy() for part in rows]
                rows = [p.without(f, refuse) for p, f in zip(rows, finite, strict=True)]
            for part in rows:
                self._sinks[part.layer].add(part.chunk())
        if self._keeps:
            self._arrived(self._host.push(about, rows))
        else:
            self._arrived([(about, [])])

    def _arrived(self, batches: Iterable[tuple[Any, list[Any]]]) -> None:
        for (raw, batch, place, code), rows in batches:
            if self._disk is not None:
                self._disk.add(raw, batch, place, code, rows)
            elif self._memory is not None:
                self._memory.add(batch, place, rows)
            self.count += batch.size
            self._tokens += 0 if batch.mask is None else int(batch.mask.sum())

    def _check_labels(self) -> None:
        labels = self._wanted.labels
        count = self._texts or self.count
        if labels is not None and len(labels) != count:
            self.stop()
            raise ValueError(
                f"labels has {len(labels):,} entries and data has {count:,} samples: one per "
                "sample is needed."
            )

    # What there is

    def result(self) -> dict[str, Any]:
        """Each layer's `Activations` or `Collected`; nothing more may come."""
        return self._found(last=True)

    def so_far(self) -> dict[str, Any]:
        """The same while more may come."""
        return self._found(last=False)

    def _found(self, last: bool) -> dict[str, Any]:
        with self.lock:
            if not self.count:
                raise ValueError("data is empty: at least one sample is needed.")
            rows: dict[str, Any] = {}
            if self._memory is not None:
                rows = self._memory.result(last)
            elif self._keeps:
                rows = {name: self._loaded(name) for name in self.layers}
            if self._wanted.collect is None:
                return rows
            return {name: self._collected(name, rows.get(name)) for name in self.layers}

    def _loaded(self, layer: str) -> Activations:
        assert self._disk is not None
        acts = Activations.load(self._disk.folder, layer)
        faces = self._disk.faces()
        tokens = self._token_reader(layer, faces.ids, faces.padding, acts.samples)
        return replace(acts, tokens=tokens)

    def _collected(self, layer: str, rows: Activations | None) -> Collected:
        others = iter(self._sinks[layer].results() if self._sinks else ())
        results = [rows if type(c) is Rows else next(others) for c in self._wanted.collect or []]
        return Collected(layer, tuple(results), self._codes.names, self.count)

    def _token_reader(
        self, layer: str, ids: Sequence[np.ndarray], padding: Sequence[int], samples: Samples
    ) -> TokenReader | None:
        if not len(ids) or len(ids) != len(samples.spans):
            return None
        return TokenReader(self._reader.one(layer), ids, padding, samples, self._masked)

    def _state(self) -> bytes:
        return pickled({name: sink.collectors for name, sink in self._sinks.items()})

    def _resume(self, state: bytes) -> None:
        found = pickle.loads(state)
        for name, sink in self._sinks.items():
            sink.collectors = found[name]
