"""Reading data through a model, batch by batch, into memory, a store, and collectors."""

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
from neuronwidgets.capturing.collecting import Codes, Collected, Sinks
from neuronwidgets.capturing.collectors import Collector, Rows
from neuronwidgets.capturing.first import LOOK, FirstTokens
from neuronwidgets.capturing.forward import Passes, failed
from neuronwidgets.capturing.interrupts import uninterrupted
from neuronwidgets.capturing.reader import LayerReader
from neuronwidgets.capturing.rows import ToHost
from neuronwidgets.capturing.to_disk import Disk, Pace
from neuronwidgets.capturing.to_memory import Memory
from neuronwidgets.capturing.tokens import TokenReader
from neuronwidgets.capturing.word_codes import Coded, coded
from neuronwidgets.core.compiled import plain
from neuronwidgets.core.modes import own_modes
from neuronwidgets.data.batch import Batch, Raw, Source
from neuronwidgets.models.fingerprint import Mark, parts_mark, weights_mark
from neuronwidgets.models.hooks import evaluating, foreign_hooks


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
    workers: int | None
    """On how many Ray actors (0: as many as there is room for); `None` for this process."""
    first: bool | None
    """Whether the first token of each text counts; `None`: where it is no attention sink."""
    settings: dict[str, Any]
    """What else makes a difference to the result, as JSON has it."""


class Run:
    """One capture: `steps` reads, `so_far` and `result` are what there is."""

    def __init__(
        self, reader: LayerReader, source: Source, wanted: Wanted, pace: Pace | None = None
    ) -> None:
        self.reader, self.wanted, self.make, self.told = reader, wanted, source.make, source.told
        self.pace = Pace() if pace is None else pace
        self._source = source
        self.at: np.ndarray | None = None
        first = next(source.raw, None)
        self._raw = itertools.chain([] if first is None else [first], source.raw)
        self._first = None if first is None else source.make(first)
        inputs = None if self._first is None else self._first.inputs
        self._masked = isinstance(inputs, dict) and "attention_mask" in inputs
        self.layers = wanted.layers
        names = wanted.label_names
        if wanted.labels is None and names is None:
            names = source.label_names
        self._codes = Codes(wanted.labels, names)
        self.first = FirstTokens(wanted.layers, wanted.unit, wanted.first)
        self._passes = Passes(reader, wanted.unit, len(wanted.layers), self.first)
        self.others = others = [c for c in wanted.collect or [] if type(c) is not Rows]
        self.sinks = Sinks(wanted.layers, others, wanted.nonfinite)
        self.keeps = wanted.collect is None or len(others) < len(wanted.collect)
        self._memory: Memory | None = None
        self.disk: Disk | None = None
        self.lock = threading.RLock()
        self.count = self._tokens = 0
        self._began = time.perf_counter()
        if wanted.out is not None:
            self.disk = self._open(wanted.out, others)
            self.count = self.disk.count
            if self.count:
                self.first.resume(self.disk.writer.without_first)
        elif self.keeps:
            self._memory = Memory(
                wanted.layers, wanted.unit, wanted.labels, names, self._codes, self._token_reader
            )
        self._stored = self._next = self.count
        dtype = "float32" if self.disk is None else wanted.dtype
        self._host = ToHost(dtype, wanted.nonfinite or "refuse")

    def _open(self, folder: Path, others: list[Collector]) -> Disk:
        model = plain(self.reader.model)
        hooks = [name for name, part in model.named_modules() if foreign_hooks(part)]
        about = {
            **self.wanted.settings,
            "unit": self.wanted.unit,
            "model": type(model).__name__,
            "weights": weights_mark(model),
            "parts": parts_mark(model),
            "hooks": hooks,
            "first_inputs": None if self._first is None else Mark().add(self._first.inputs).hex(),
            "labels": Mark().add([self.wanted.labels, self.wanted.label_names]).hex(),
            "nonfinite": self.wanted.nonfinite,
            "collect": [collector.described() for collector in others],
        }
        if others:
            try:
                self.sinks.state()
            except Exception as error:
                raise ValueError(
                    f"with out=, collectors are kept in the folder, and one cannot be pickled "
                    f"({error}): its class must be at the top of a module or notebook, and what "
                    "it holds must be data."
                ) from None
        disk = Disk(
            folder,
            self.wanted.layers if self.keeps else [],
            self.wanted.dtype,
            about,
            self._codes,
            self.pace,
            self.sinks.state if others else None,
            self.sinks.resume,
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
        self._began = time.perf_counter()
        try:
            yield self.reading
            if self.wanted.workers is None:
                yield from self._here()
            else:
                from neuronwidgets.capturing.ray import elsewhere

                yield from elsewhere(self, self.wanted.workers)
        except StoreError:
            self.close()
            raise
        except Exception as error:
            if self.count == self._stored == 0:
                raise
            problem = failed(error, getattr(error, "samples", self.at), self.count)
            self.stop()
            problem.so_far = self.so_far()
            raise problem from error
        self._check_labels()
        if self.disk is not None:
            self.disk.finish(whole=True)
        self.close()

    def look(self) -> dict[str, bool]:
        """Whether first tokens count in each layer, by a pass over some of the first batch."""
        batch = self._first
        if batch is not None and not self.first.known:
            few = batch.part(range(min(LOOK, batch.size)))

            def take(name: str, values: Any) -> None:
                self.first.count(few, name, values)

            with evaluating(self.reader.model):
                self.reader(few, take)
            self.first.say(stacklevel=3)
        if self.disk is not None:
            self.disk.writer.without_first = self.first.without
        return self.first.known

    def fresh(self) -> Iterator[tuple[Raw, Batch | None]]:
        """The rows of the batches that are not in the store, the first with what was made of it."""
        for raw in self._raw:
            made, self._first = self._first, None
            if self.disk is None or not self.disk.holds(raw):
                yield raw, made

    def _here(self) -> Iterator[Reading]:
        with evaluating(self.reader.model):
            for raw, made in self.fresh():
                batch = self.make(raw) if made is None else made
                self.at = place = self.place(batch.place, batch.size)
                code = self.codes(place, batch)
                rows = self._passes(batch, place, code)
                if self.disk is not None:
                    self.disk.writer.without_first = self.first.without
                if self.reader.model.training:
                    raise RuntimeError(
                        "the model was set to training while it was read, so that dropout and "
                        "batch norm would act on it: call train() when the capture has ended."
                    )
                with uninterrupted(), self.lock, own_modes():
                    # What is on its way from a GPU arrives first: a shard that it fills is kept
                    # with the collectors' state of its own batches, and of no batch after it.
                    self._arrived(self._host.rest())
                    rows = self.sinks.add(rows)
                    about = raw, batch, place, code
                    arrived = self._host.push(about, rows) if self.keeps else [(about, [])]
                    self._arrived(arrived)
                # Not held while the next pass runs.
                del rows, about, arrived, batch, made, raw
                self.at = None
                yield self.reading
            with uninterrupted(), self.lock, own_modes():
                self._arrived(self._host.rest())

    def place(self, place: np.ndarray | None, size: int) -> np.ndarray:
        """Which samples of the data the next `size` are: `place`, where that is known."""
        self._next += size
        return np.arange(self._next - size, self._next) if place is None else place

    def codes(self, place: np.ndarray, batch: Batch | Raw) -> Coded:
        """The labels' codes; those that cannot be any are refused before all data is read."""
        return coded(self._codes, place, batch)

    def take(self, entries: list[dict[str, Any]], sinks: dict[str, list[Collector]],
             samples: int, tokens: int) -> None:  # fmt: skip
        """Batches that were read elsewhere, in the data's order."""
        with self.lock:
            self.sinks.merge(sinks)
            if self.disk is not None:
                self.disk.commit(entries)
            self.count, self._tokens = self.count + samples, self._tokens + tokens

    @property
    def total(self) -> int | None:
        """How many samples are to be read, where that is known."""
        return self._source.expected

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
            if self.disk is not None:
                with suppress(StoreError):
                    self.disk.finish(whole=False)
            self.close()

    def close(self) -> None:
        """Let others write the store."""
        if self.disk is not None:
            self.disk.close()

    def _arrived(self, batches: Iterable[tuple[Any, list[Any]]]) -> None:
        for (raw, batch, place, code), rows in batches:
            if self.disk is not None:
                self.disk.add(raw, batch, place, code, rows)
            elif self._memory is not None:
                self._memory.add(batch, place, rows)
            self.count += batch.size
            self._tokens += 0 if batch.mask is None else int(batch.mask.sum())

    def _check_labels(self) -> None:
        labels, tally = self.wanted.labels, self._source.tally
        count = self.count if tally is None else tally.seen
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

    @own_modes()
    def _found(self, last: bool) -> dict[str, Any]:
        with self.lock:
            if not self.count:
                raise ValueError("data is empty: at least one sample is needed.")
            rows: dict[str, Any] = {}
            if self._memory is not None:
                found = self._memory.result(last)
                call, without = self.reader.call, self.first.without
                rows = {
                    name: replace(a, call=call, first=name not in without)
                    for name, a in found.items()
                }
            elif self.keeps:
                rows = {name: self._loaded(name) for name in self.layers}
            if self.wanted.collect is None:
                return rows
            return {name: self._collected(name, rows.get(name)) for name in self.layers}

    def _loaded(self, layer: str) -> Activations:
        assert self.disk is not None
        acts = Activations.load(self.disk.folder, layer)
        faces = self.disk.faces()
        tokens = self._token_reader(layer, faces.ids, faces.padding, acts.samples)
        return replace(acts, tokens=tokens)

    def _collected(self, layer: str, rows: Activations | None) -> Collected:
        others = iter(self.sinks.results(layer))
        results = [rows if type(c) is Rows else next(others) for c in self.wanted.collect or []]
        return Collected(layer, tuple(results), self._codes.names, self.count)

    def _token_reader(
        self, layer: str, ids: Sequence[np.ndarray], padding: Sequence[int], samples: Samples
    ) -> TokenReader | None:
        if not len(ids) or len(ids) != len(samples.spans):
            return None
        return TokenReader(self.reader.one(layer), ids, padding, samples, self._masked)
