"""Writes a store: shards that are whole or not there, and a manifest that lists them."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from neuronwidgets.activations.store.faces import FaceFile
from neuronwidgets.activations.store.shards import ShardFile, StoreError, write_whole
from neuronwidgets.activations.store.store import FORMAT, MANIFEST, read_manifest

_UNDONE = ("batches", "samples", "labels")
MOST_BYTES = 1 << 28
"""A shard is closed when a layer's values in it are so large."""


class Writer:
    """One store that this process writes; no other can meanwhile.

    `add` and `describe` fill the shard in flight, `commit` makes it part of the store: files
    first, then the manifest that names them, each renamed into its place when it is on the disk.
    A process that dies loses the shard in flight.

    Args:
        folder: empty, not there yet, or holding a store with the same `about`.
        layers: their names; none if only `state` is kept.
        dtype: what the shards hold.
        about: what was read and how, JSON; a store whose `about` differs is refused.

    Raises:
        StoreError: another store, other files, another process that writes here, no permission.
    """

    def __init__(
        self, folder: str | Path, layers: Sequence[str], dtype: str, about: dict[str, Any]
    ) -> None:
        from filelock import FileLock, Timeout

        self.folder, self._layers, self._dtype = Path(folder), list(layers), dtype
        self._shards: dict[str, ShardFile] = {}
        self._faces: FaceFile | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Opened here, it may be closed on a background capture's thread.
            self._lock = FileLock(self.folder / ".lock", thread_local=False)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise StoreError(
                f"{folder} is being written by another capture: wait for it, or take another "
                "folder."
            ) from None
        except OSError as error:
            raise StoreError(f"{folder} cannot be written: {error.strerror or error}.") from None
        try:
            self._open(about)
        except BaseException:
            self.close()
            raise

    def _open(self, about: dict[str, Any]) -> None:
        manifest = read_manifest(self.folder)
        if manifest is not None and not manifest["shards"]:
            # Nothing was kept: whatever it was to become, it is free.
            (self.folder / MANIFEST).unlink()
            manifest = None
        about = json.loads(json.dumps(about))
        if manifest is None:
            ours = re.compile(r"\.lock|.*\.part|layer-\d+.*|samples|state-\d+\.pickle")
            others = [f.name for f in self.folder.iterdir() if not ours.fullmatch(f.name)]
            if others:
                raise StoreError(
                    f"{self.folder} holds other files ({', '.join(sorted(others)[:3])}) and no "
                    "store: take an empty folder."
                )
            manifest = {
                "format": FORMAT,
                "complete": False,
                "dtype": self._dtype,
                "layers": {name: {"folder": f"layer-{i}"} for i, name in enumerate(self._layers)},
                "about": about,
                "labels": {"names": [], "order": "given"},
                "batches": 0,
                "samples": 0,
                "shards": [],
            }
            for i, name in enumerate(self._layers):
                readable = quote(name, safe=" ")
                if 0 < len(readable) < 100 and readable[0] != ".":
                    manifest["layers"][name]["folder"] = f"layer-{i}-{readable}"
        else:
            stored = dict(manifest["about"], dtype=manifest["dtype"], layer=[*manifest["layers"]])
            wanted = dict(about, dtype=self._dtype, layer=self._layers)
            if differ := _differences(stored, wanted):
                raise StoreError(
                    f"{self.folder} holds a store of something else: {'; '.join(differ)}. Take "
                    "another folder, or delete this one."
                )
            if manifest["shards"] and "partial" in manifest["shards"][-1]:
                manifest |= manifest["shards"][-1]["partial"]
                manifest["shards"] = manifest["shards"][:-1]
                # Before its files are written over.
                self._write(manifest)
        self.manifest = manifest

    @property
    def batches(self) -> int:
        """How many batches the shards hold that are part of the store."""
        return int(self.manifest["batches"])

    @property
    def full(self) -> bool:
        """Whether the shard in flight should be closed."""
        return any(shard.bytes >= MOST_BYTES for shard in self._shards.values())

    def add(self, layer: str, values: np.ndarray, **columns: np.ndarray) -> None:
        """`N` encoded rows of a layer (see `encode`), with int64 `sample`, int32 `position`."""
        shard = self._shards.get(layer)
        try:
            if shard is None:
                place = self.manifest["layers"][layer]["folder"]
                path = self.folder / place / f"{self.batches:08d}.safetensors"
                shard = self._shards[layer] = ShardFile(path, self._dtype)
            shard.add(values, **columns)
        except OSError as error:
            raise self._failed(error) from error

    def describe(self, sample: np.ndarray, **faces: Any) -> None:
        """What the samples of a batch were (see `FaceFile.add`)."""
        try:
            if self._faces is None:
                path = self.folder / "samples" / f"{self.batches:08d}.parquet"
                self._faces = FaceFile(path)
            self._faces.add(sample, **faces)
        except OSError as error:
            raise self._failed(error) from error

    def commit(
        self,
        batches: int,
        samples: int,
        mark: str,
        labels: dict[str, Any],
        state: bytes | None = None,
        *,
        partial: bool = False,
    ) -> None:
        """Make the shard in flight, of so many more batches, part of the store.

        Args:
            batches: in this shard.
            samples: in the whole store.
            mark: by which the same data are known again.
            labels: `names` of the codes so far; `order` is "given", or how to sort those that have
                codes in the order in which they came: as "text" or "number".
            state: what `state()` gives back.
            partial: the shard was cut off. It can be read, and the next `Writer` drops it, so that
                the store ends as one that never was interrupted.
        """
        manifest = dict(self.manifest)
        manifest["batches"], manifest["samples"] = self.batches + batches, samples
        manifest["labels"] = labels
        rows = {layer: shard.rows for layer, shard in self._shards.items()}
        shard = {"first_batch": self.batches, "batches": batches, "rows": rows, "mark": mark}
        if partial:
            shard["partial"] = {name: self.manifest[name] for name in _UNDONE}
        manifest["shards"] = [*manifest["shards"], shard]
        old = manifest.get("state")
        try:
            for file in self._shards.values():
                file.finish()
            if self._faces is not None:
                self._faces.finish()
            if state is not None:
                name = f"state-{manifest['batches']:08d}.pickle"
                write_whole(self.folder / name, state)
                manifest["state"] = name
            self._write(manifest)
        except OSError as error:
            raise self._failed(error) from error
        self._shards, self._faces = {}, None
        if old is not None and old != manifest.get("state"):
            (self.folder / old).unlink(missing_ok=True)

    def complete(self) -> None:
        """Nothing more comes."""
        if not self.manifest["complete"]:
            self._write({**self.manifest, "complete": True})

    def state(self) -> bytes | None:
        """What `commit` was given last."""
        name = self.manifest.get("state")
        return None if name is None else (self.folder / name).read_bytes()

    def close(self) -> None:
        """Give up the shard in flight, and let others write."""
        with ExitStack() as stack:
            stack.callback(self._lock.release)
            for file in self._shards.values():
                stack.callback(file.discard)
            if self._faces is not None:
                stack.callback(self._faces.discard)
        self._shards, self._faces = {}, None

    def _write(self, manifest: dict[str, Any]) -> None:
        text = json.dumps(manifest, indent=1, ensure_ascii=False)
        write_whole(self.folder / MANIFEST, text.encode())
        self.manifest = manifest

    def _failed(self, error: OSError) -> StoreError:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        what = "the disk is full" if full else f"{error.strerror or error}"
        return StoreError(
            f"{self.folder} could not be written: {what}. The {self.manifest['samples']:,} samples "
            "before are safe in it; the same call goes on from there when there is room."
        )


_MARKS = {
    "weights": "the model's weights differ",
    "labels": "the labels differ",
    "first_inputs": "the first batch differs (data, tokenizer or transform)",
}


def _differences(stored: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """What differs, in words: names and numbers first, marks where nothing else tells."""
    names = [n for n in sorted({*stored, *wanted}) if stored.get(n) != wanted.get(n)]
    plain = [
        f"{name.replace('_', ' ')} is {_short(stored.get(name))} there and "
        f"{_short(wanted.get(name))} here"
        for name in names
        if name not in _MARKS
    ]
    return plain or [_MARKS[name] for name in names]


def _short(value: Any) -> str:
    text = "not given" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."
