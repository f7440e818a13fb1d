"""Rows and collectors' states in a folder, from which the same call goes on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neuronwidgets.activations.store.previews import Faces
from neuronwidgets.activations.store.shards import StoreError
from neuronwidgets.activations.store.store import Store
from neuronwidgets.activations.store.writer import Shard, Writer
from neuronwidgets.capturing.collecting import Codes
from neuronwidgets.capturing.rows import HostRows, LayerRows
from neuronwidgets.capturing.tokens import token_ids
from neuronwidgets.capturing.word_codes import Coded
from neuronwidgets.data.batch import Batch, Raw, WordLabels
from neuronwidgets.models.fingerprint import Mark

SHARD = 64
"""Batches in a shard at most. Shards end at its multiples, too, which machines write apart."""


@dataclass(frozen=True)
class Pace:
    """How long a shard stays open, which is what a crash costs.

    Attributes:
        seconds: a shard that has been open for so long ends with its next batch: a crash then costs
            less than a minute where a batch takes less than half of one.
        clock: tells the time, in seconds.
    """

    seconds: float = 30.0
    clock: Callable[[], float] = time.monotonic


def mark(raw: Raw) -> str:
    """What a batch's rows and labels are known by."""
    labels = [row.labels if isinstance(row, WordLabels) else row for row in raw.labels or ()]
    return Mark().add([raw.rows, labels or raw.labels]).hex()


class Filling:
    """Fills shards, one after the other, from batch number `first` on."""

    def __init__(
        self,
        folder: Path,
        places: Mapping[str, str],
        dtype: str,
        first: int,
        shard: int,
        pace: Pace,
    ) -> None:
        self._about, self._next, self._every = (folder, places, dtype), first, shard
        self._pace = pace
        self._shard: Shard | None = None
        self._marks: list[str] = []
        self._bare = Counter[str]()
        self._labelled: set[str] = set()
        self.begin()

    def begin(self) -> None:
        """What a crash would cost begins now."""
        self._since = self._pace.clock()

    def add(
        self,
        mark: str,
        batch: Batch,
        place: np.ndarray,
        code: Coded,
        rows: list[HostRows],
    ) -> dict[str, Any] | None:
        """A batch. Returns the shard's entry when it is full, or was open for long enough."""
        if self._shard is None:
            self._shard = Shard(*self._about, self._next)
            self._bare, self._labelled = Counter(), set()
        for part in rows:
            columns = {"sample": part.rows.sample}
            if part.rows.position is not None:
                columns["position"] = part.rows.position
            if len(part.rows.excluded):
                columns["excluded"] = part.rows.excluded
            if batch.words or part.rows.layer in self._labelled:
                columns["label"] = self._labels(part.rows)
            else:
                self._bare[part.rows.layer] += len(part.rows.sample)
            if part.scale is not None:
                columns["scale"] = part.scale
            self._shard.add(part.rows.layer, part.values, **columns)
        faces: dict[str, Any] = {
            "texts": batch.texts,
            "spans": batch.spans,
            "images": batch.images,
            "origin": batch.origin,
        } | token_ids(batch)
        each = code if isinstance(code, np.ndarray) else None
        self._shard.describe(place, label=each, **faces)
        self._marks.append(mark)
        self._next += 1
        late = self._pace.clock() - self._since >= self._pace.seconds
        full = self._next % self._every == 0 or self._shard.full
        return self.finish() if full or late else None

    def _labels(self, rows: LayerRows) -> np.ndarray:
        """The codes of rows that have their own, after those of the rows before that had none."""
        before = np.full(self._bare.pop(rows.layer, 0), -1)
        self._labelled.add(rows.layer)
        return np.append(before, np.full(len(rows.sample), -1) if rows.code is None else rows.code)

    def finish(self) -> dict[str, Any] | None:
        """Close the shard in flight; `None` if there is none."""
        if self._shard is None:
            return None
        entry = self._shard.finish(joined(self._marks))
        self._shard, self._marks = None, []
        self.begin()
        return entry

    def discard(self) -> None:
        """Leave nothing of the shard in flight."""
        if self._shard is not None:
            self._shard.discard()
            self._shard = None


def joined(marks: Sequence[str]) -> str:
    """The mark of a shard."""
    return Mark().add(list(marks)).hex()


class Disk:
    """A store that a capture fills.

    Args:
        folder, layers, dtype, about: see `Writer`; no layers if no rows are kept.
        codes: of the labels.
        pace: how long a shard stays open.
        state: the collectors' state, to be kept beside the rows, if there is one.
        resume: what to do with the state that is found.
    """

    def __init__(
        self,
        folder: str | Path,
        layers: Sequence[str],
        dtype: str,
        about: dict[str, Any],
        codes: Codes,
        pace: Pace,
        state: Callable[[], bytes] | None = None,
        resume: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        self.writer = Writer(folder, layers, dtype, about)
        self._codes, self._state = codes, state
        self.folder, first = self.writer.folder, self.writer.batches
        self._filling = Filling(self.folder, self.writer.places, dtype, first, SHARD, pace)
        self._known = list(self.writer.manifest["shards"])
        self._seen: list[str] = []
        if first:
            codes.resume(self.writer.manifest["labels"])
            try:
                if found := self.writer.state():
                    resume(found)
            except Exception as error:
                self.writer.close()
                raise StoreError(
                    f"{self.folder / self.writer.manifest['state']} is not whole: {error}. It has "
                    "what the collectors saw: delete the folder and read the data again."
                ) from error

    @property
    def count(self) -> int:
        """Samples in the store."""
        return int(self.writer.manifest["samples"])

    def holds(self, raw: Raw) -> bool:
        """Whether the next batch is in the store already. Each is asked for, in order.

        Raises:
            StoreError: it is not the batch that the store was read from.
        """
        if not self._known:
            if self.writer.manifest["complete"]:
                raise StoreError(
                    f"{self.folder} is complete with {self.count:,} samples, and the data has "
                    "more: take another folder."
                )
            return False
        self._seen.append(mark(raw))
        shard = self._known[0]
        if len(self._seen) == shard["batches"]:
            self._known.pop(0)
            if joined(self._seen) != shard["mark"]:
                first = shard["first_batch"]
                raise StoreError(
                    f"{self.folder} was read from other data: batches {first:,} to "
                    f"{first + shard['batches'] - 1:,} differ. Take another folder, or delete this "
                    "one."
                )
            self._seen = []
        self._filling.begin()
        return True

    def add(
        self, raw: Raw, batch: Batch, place: np.ndarray, code: Any, rows: list[HostRows]
    ) -> None:
        """A batch; it is safe once its shard has ended."""
        self.writer.begin()
        if entry := self._filling.add(mark(raw), batch, place, code, rows):
            self.commit([entry])

    def finish(self, whole: bool) -> None:
        """No more comes: the data has ended (`whole`), or reading was stopped."""
        if whole and self._known:
            raise StoreError(
                f"{self.folder} has {self.count:,} samples and the data ended before that: it "
                "was read from other data. Take another folder, or delete this one."
            )
        if entry := self._filling.finish():
            # What was stopped is kept, and read again with its whole shard when it goes on.
            self.commit([entry], partial=not whole)
        if whole:
            self.writer.complete()

    def commit(self, entries: Sequence[dict[str, Any]], partial: bool = False) -> None:
        """Make finished shards part of the store."""
        state = None if self._state is None or partial else self._state()
        self.writer.commit(entries, self._codes.about(), state, partial=partial)

    def close(self) -> None:
        """Give up what is in flight, and let others write."""
        self._filling.discard()
        self.writer.close()

    def faces(self) -> Faces:
        """What the samples were."""
        return Store(self.folder).faces
