"""Rows and collectors' states in a folder, from which the same call goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neuronwidgets.activations.store import Store, StoreError, Writer
from neuronwidgets.activations.store.faces import Faces
from neuronwidgets.capture.collecting import Codes
from neuronwidgets.capture.rows import HostRows
from neuronwidgets.capture.tokens import token_ids
from neuronwidgets.models import Batch, Raw
from neuronwidgets.models.marks import Mark

SHARD = 64
"""Batches in a shard at most: what a crash costs."""


class Disk:
    """A store that a capture fills.

    Args:
        folder, layers, dtype, about: see `Writer`; no layers if no rows are kept.
        codes: of the labels.
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
        state: Callable[[], bytes] | None = None,
        resume: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        self._writer = Writer(folder, layers, dtype, about)
        self._codes, self._state = codes, state
        self.folder = Path(folder)
        manifest = self._writer.manifest
        self.count = int(manifest["samples"])
        self._seen, self._in_flight = 0, 0
        self._shards = list(manifest["shards"])
        self._mark = Mark()
        if self._writer.batches:
            codes.resume(manifest["labels"])
            if found := self._writer.state():
                resume(found)

    @property
    def complete(self) -> bool:
        """Whether the store holds all that its data had."""
        return bool(self._writer.manifest["complete"])

    def holds(self, raw: Raw) -> bool:
        """Whether the next batch is in the store already. Each is asked for, in order.

        Raises:
            StoreError: it is not the batch that the store was read from.
        """
        if self._seen >= self._writer.batches:
            if self.complete:
                raise StoreError(
                    f"{self.folder} is complete with {self.count:,} samples, and the data has "
                    "more: take another folder."
                )
            return False
        self._mark.add([raw.rows, raw.labels])
        self._seen += 1
        shard = self._shards[0]
        if self._seen == shard["first_batch"] + shard["batches"]:
            self._shards.pop(0)
            if self._mark.hex() != shard["mark"]:
                raise StoreError(
                    f"{self.folder} was read from other data: batches {shard['first_batch']:,} to "
                    f"{self._seen - 1:,} differ. Take another folder, or delete this one."
                )
            self._mark = Mark()
        return True

    def add(
        self, raw: Raw, batch: Batch, place: np.ndarray, code: Any, rows: list[HostRows]
    ) -> None:
        """A batch; it is safe once its shard is full."""
        for part in rows:
            columns = {"sample": part.rows.sample}
            for name in ("position", "excluded"):
                column = getattr(part.rows, name)
                if column is not None and (name == "position" or len(column)):
                    columns[name] = column
            if part.scale is not None:
                columns["scale"] = part.scale
            self._writer.add(part.rows.layer, part.values, **columns)
        if rows:
            faces: dict[str, Any] = {
                "texts": batch.texts,
                "spans": batch.spans,
                "images": batch.images,
                "origin": batch.origin,
            } | token_ids(batch)
            self._writer.describe(place, label=code, **faces)
        self._mark.add([raw.rows, raw.labels])
        self.count += batch.size
        self._in_flight += 1
        if self._in_flight == SHARD or self._writer.full:
            self._commit()

    def finish(self, whole: bool) -> None:
        """No more comes: the data has ended (`whole`), or reading was stopped."""
        if self._seen < self._writer.batches and whole and not self._in_flight:
            raise StoreError(
                f"{self.folder} has {self.count:,} samples and the data ended before that: it "
                "was read from other data. Take another folder, or delete this one."
            )
        if self._in_flight:
            # What was stopped is kept, and read again with its whole shard when it goes on.
            self._commit(partial=not whole)
        if whole:
            self._writer.complete()

    def close(self) -> None:
        self._writer.close()

    def faces(self) -> Faces:
        """What the samples were."""
        return Store(self.folder).faces

    def _commit(self, partial: bool = False) -> None:
        state = None if self._state is None or partial else self._state()
        about = self._codes.about()
        self._writer.commit(
            self._in_flight, self.count, self._mark.hex(), about, state, partial=partial
        )
        self._mark, self._in_flight = Mark(), 0
        self._seen = self._writer.batches
