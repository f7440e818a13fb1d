"""Writes rows and collectors' states to a store, from which the same call resumes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from neuronwidgets.activations.store.previews import Previews
from neuronwidgets.activations.store.shards import StoreError
from neuronwidgets.activations.store.store import Store
from neuronwidgets.activations.store.writer import SHARD_BYTES, Shard, Writer
from neuronwidgets.capturing.collecting import LabelCodes
from neuronwidgets.capturing.rows import HostRows, LayerRows
from neuronwidgets.capturing.tokens import token_ids
from neuronwidgets.capturing.word_codes import Coded
from neuronwidgets.capturing.writing import WritingThread
from neuronwidgets.data.batch import Batch, Raw, WordLabels
from neuronwidgets.models.fingerprint import Fingerprint

Write = Callable[[], None]
End = Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class ShardLimits:
    """When a shard ends. A crash costs the open shard.

    Attributes:
        batches: a shard ends before the next multiple of this number of batches. Ray workers
            write windows of as many batches independently.
        bytes: a shard ends when one layer's values reach this size.
        seconds: a shard that has been open for this time ends with its next batch. With batches
            of less than half a minute, a crash so costs less than a minute.
        clock: returns the time in seconds.
    """

    batches: int = 64
    bytes: int = SHARD_BYTES
    seconds: float = 30.0
    clock: Callable[[], float] = time.monotonic


def fingerprint(raw: Raw) -> str:
    """The fingerprint of a batch's rows and labels."""
    labels = [row.labels if isinstance(row, WordLabels) else row for row in raw.labels or ()]
    return Fingerprint().add([raw.rows, labels or raw.labels]).hex()


class ShardWriter:
    """Writes batches to shards, one shard after the other.

    Args:
        folder: the store's folder.
        layer_folders: the layers' names -> their folders in it.
        dtype: the dtype of the shards.
        first: the number of the first batch.
        limits: when shards end.
    """

    def __init__(
        self,
        folder: Path,
        layer_folders: Mapping[str, str],
        dtype: str,
        first: int,
        limits: ShardLimits,
    ) -> None:
        self._target, self._next, self._limits = (folder, layer_folders, dtype), first, limits
        self._shard: Shard | None = None
        # Shards whose files are not complete: the last one, and those that a thread completes.
        self._open: list[Shard] = []
        self._bytes = Counter[str]()
        self._fingerprints: list[str] = []
        self._unlabelled = Counter[str]()
        self._labelled: set[str] = set()
        self.begin()

    def begin(self) -> None:
        """Restart the clock of `limits.seconds`."""
        self._since = self._limits.clock()

    def add(
        self,
        batch_fingerprint: str,
        batch: Batch,
        dataset_index: np.ndarray,
        code: Coded,
        rows: list[HostRows],
    ) -> dict[str, Any] | None:
        """Add a batch. Returns the shard's entry in the manifest if the shard ends with it."""
        write, end = self.take(batch_fingerprint, batch, dataset_index, code, rows)
        write()
        return None if end is None else end()

    def take(
        self,
        batch_fingerprint: str,
        batch: Batch,
        dataset_index: np.ndarray,
        code: Coded,
        rows: list[HostRows],
    ) -> tuple[Write, End | None]:
        """Add a batch whose values another thread may write.

        Returns:
            A function that writes the batch's values; and if the shard ends with it, one that
            completes the shard's files and returns its entry. Call them in the order of batches.
        """
        if self._shard is None:
            self._shard = Shard(*self._target, self._next, self._limits.bytes)
            self._open.append(self._shard)
            self._unlabelled, self._labelled, self._bytes = Counter(), set(), Counter()
        writes = []
        for part in rows:
            columns = {"sample": part.rows.sample}
            if part.rows.position is not None:
                columns["position"] = part.rows.position
            if len(part.rows.excluded):
                columns["excluded"] = part.rows.excluded
            if batch.words or part.rows.layer in self._labelled:
                columns["label"] = self._labels(part.rows)
            else:
                self._unlabelled[part.rows.layer] += len(part.rows.sample)
            if part.scale is not None:
                columns["scale"] = part.scale
            writes.append((part, partial(self._shard.add, part.rows.layer, **columns)))
            self._bytes[part.rows.layer] += part.nbytes
        previews: dict[str, Any] = {
            "texts": batch.texts,
            "spans": batch.spans,
            "images": batch.images,
            "origin": batch.origin,
        } | token_ids(batch)
        sample_code = code if isinstance(code, np.ndarray) else None
        self._shard.describe(dataset_index, label=sample_code, **previews)
        self._fingerprints.append(batch_fingerprint)
        self._next += 1
        late = self._limits.clock() - self._since >= self._limits.seconds
        full = any(size >= self._limits.bytes for size in self._bytes.values())
        full = full or self._next % self._limits.batches == 0

        def write() -> None:
            for part, add in writes:
                add(values=part.arrive())

        return write, self.end() if full or late else None

    def _labels(self, rows: LayerRows) -> np.ndarray:
        """The label codes of rows, after -1 for all earlier rows of the shard without a code."""
        before = np.full(self._unlabelled.pop(rows.layer, 0), -1)
        self._labelled.add(rows.layer)
        return np.append(before, np.full(len(rows.sample), -1) if rows.code is None else rows.code)

    def finish(self) -> dict[str, Any] | None:
        """End the open shard. Returns its entry in the manifest; `None` if none is open."""
        end = self.end()
        return None if end is None else end()

    def end(self) -> End | None:
        """End the open shard. Returns a function that completes its files and returns its entry in
        the manifest; `None` if none is open."""
        shard, mark = self._shard, shard_fingerprint(self._fingerprints)
        if shard is None:
            return None
        self._shard, self._fingerprints = None, []
        self.begin()

        def complete() -> dict[str, Any]:
            entry = shard.finish(mark)
            self._open.remove(shard)
            return entry

        return complete

    def discard(self) -> None:
        """Delete the shards that are not complete."""
        for shard in self._open:
            shard.discard()
        self._shard, self._open = None, []


def shard_fingerprint(batch_fingerprints: Sequence[str]) -> str:
    """The fingerprint of a shard, from those of its batches."""
    return Fingerprint().add(list(batch_fingerprints)).hex()


class CaptureStore:
    """The store that a capture fills.

    Args:
        folder, layers, dtype, about: as for `Writer`; no layers if no rows are kept.
        codes: encodes the labels.
        limits: when shards end.
        state: returns the collectors' state, which is kept beside the rows; `None` without any.
        resume: takes the state of the store that is continued.

    Raises:
        StoreError: as from `Writer`, or a damaged state.
    """

    def __init__(
        self,
        folder: str | Path,
        layers: Sequence[str],
        dtype: str,
        about: dict[str, Any],
        codes: LabelCodes,
        limits: ShardLimits,
        state: Callable[[], bytes] | None = None,
        resume: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        self.writer = Writer(folder, layers, dtype, about)
        self._codes, self._state, self._thread = codes, state, WritingThread()
        # Waits for the disk, while the other thread writes the next shard.
        self._committing, self._begun = WritingThread(ahead=1), False
        self._hashing = ThreadPoolExecutor(1, thread_name_prefix="neuronwidgets-hashing")
        self.folder, first = self.writer.folder, self.writer.batches
        self._shards = ShardWriter(self.folder, self.writer.layer_folders, dtype, first, limits)
        self._stored = list(self.writer.manifest["shards"])
        self._passed: list[str] = []
        if first:
            codes.resume(self.writer.manifest["labels"])
            try:
                if stored_state := self.writer.state():
                    resume(stored_state)
            except Exception as error:
                self.writer.close()
                raise StoreError(
                    f"{self.folder / self.writer.manifest['state']} is not whole: {error}. It "
                    "holds the collectors: delete the folder and read the data again."
                ) from error

    @property
    def count(self) -> int:
        """Samples in the store."""
        return int(self.writer.manifest["samples"])

    def holds(self, raw: Raw) -> bool:
        """Whether the store has the next batch. Call it for each batch, in order.

        Raises:
            StoreError: the data differs from the data of the store.
        """
        if not self._stored:
            if self.writer.manifest["complete"]:
                raise StoreError(
                    f"{self.folder} is complete with {self.count:,} samples, and the data has "
                    "more: take another folder."
                )
            return False
        self._passed.append(fingerprint(raw))
        shard = self._stored[0]
        if len(self._passed) == shard["batches"]:
            self._stored.pop(0)
            if shard_fingerprint(self._passed) != shard["mark"]:
                first = shard["first_batch"]
                raise StoreError(
                    f"{self.folder} was read from other data: batches {first:,} to "
                    f"{first + shard['batches'] - 1:,} differ. Take another folder, or delete this "
                    "one."
                )
            self._passed = []
        self._shards.begin()
        return True

    def mark(self, raw: Raw) -> Future[str]:
        """The fingerprint of a batch. A thread computes it: hashing images takes a while.

        Wait for it before the next batch is made, which may be in the memory of this one.
        """
        return self._hashing.submit(fingerprint, raw)

    def note_first(self, without: list[str]) -> None:
        """Keep the layers whose texts' first tokens are left out."""
        if without != self.writer.without_first:
            # The thread writes the manifest.
            self._drain()
            self.writer.without_first = without

    def add(
        self, mark: str, batch: Batch, dataset_index: np.ndarray, code: Any, rows: list[HostRows]
    ) -> None:
        """Add a batch with its fingerprint. A thread writes it. It is safe once the manifest lists
        its shard.

        Raises:
            StoreError: the batch, or one before it, could not be written.
        """
        write, end = self._shards.take(mark, batch, dataset_index, code, rows)
        # As they are now: later batches change both.
        state = None if end is None or self._state is None else self._state()
        labels = self._codes.about()

        def written() -> None:
            if not self._begun:
                self.writer.begin()
                self._begun = True
            write()
            if end is not None:
                self._committing.do(lambda: self.writer.commit([end()], labels, state))

        self._thread.do(written)
        if not rows or not all(part.own for part in rows):
            # The model or the user may change the values; without any, there is nothing to gain.
            self._drain()

    def finish(self, whole: bool) -> None:
        """End the last shard: the data has ended (`whole`), or reading was stopped."""
        self._drain()
        if whole and self._stored:
            raise StoreError(
                f"{self.folder} has {self.count:,} samples and the data ended before that: it "
                "was read from other data. Take another folder, or delete this one."
            )
        if entry := self._shards.finish():
            # A partial shard can be read. The next capture reads its batches again.
            self.commit([entry], partial=not whole)
        if whole:
            self.writer.complete()

    def settle(self) -> None:
        """Wait until all that was added is written, or could not be, as `add` says."""
        self._thread.settle()
        self._committing.settle()

    def _drain(self) -> None:
        self._thread.drain()
        self._committing.drain()

    def commit(self, entries: Sequence[dict[str, Any]], partial: bool = False) -> None:
        """Make finished shards part of the store."""
        state = None if self._state is None or partial else self._state()
        self.writer.commit(entries, self._codes.about(), state, partial=partial)

    def close(self) -> None:
        """Delete the shards that are not complete and release the store."""
        self._hashing.shutdown(wait=True, cancel_futures=True)
        self._thread.close()
        # Whole shards become part of the store.
        self._committing.settle()
        self._committing.close()
        self._shards.discard()
        self.writer.close()

    def previews(self) -> Previews:
        """Labels, texts and images of the samples."""
        return Store(self.folder).previews
