"""Writes a store: shards that are whole or not there, and a manifest that lists them."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from neuronwidgets.activations.store.previews import FaceFile
from neuronwidgets.activations.store.shards import ShardFile, StoreError, place_of
from neuronwidgets.activations.store.store import FORMAT, MANIFEST, read_manifest
from neuronwidgets.core.tensorfile import write_whole

MOST_BYTES = 1 << 28
"""A shard is full when a layer's values in it are so large."""
_OURS = re.compile(r"\.lock|.*\.part|layer-\d+.*|samples|state-\d+\.pickle")
_UNDONE = ("batches", "samples", "labels")
WITHOUT_FIRST = "without_first"
_MARKS = {
    "weights": "the model's weights differ",
    "parts": "the model's modules or their settings differ",
    "labels": "the labels differ",
    "first_inputs": "the first batch differs (other data, another order as from shuffle=True, "
    "another tokenizer or transform)",
}


class Shard:
    """The files of one shard while it is in flight: one for each layer, one for the samples.

    Args:
        folder: the store's.
        layers: the layers' names -> their folders in it.
        dtype: what the files hold.
        first: the number of its first batch, by which the files are called.
    """

    def __init__(self, folder: Path, layers: Mapping[str, str], dtype: str, first: int) -> None:
        self._folder, self._first = folder, first
        name = f"{first:08d}"
        with said(folder):
            self._files = {
                layer: ShardFile(folder / place / f"{name}.safetensors", dtype)
                for layer, place in layers.items()
            }
            self._faces = FaceFile(folder / "samples" / f"{name}.parquet") if layers else None
        self.batches = self.samples = 0

    @property
    def full(self) -> bool:
        """Whether it should be closed."""
        return any(file.bytes >= MOST_BYTES for file in self._files.values())

    def add(self, layer: str, values: np.ndarray, **columns: np.ndarray) -> None:
        """`N` encoded rows of a layer (see `encode`), with int64 `sample`, int32 `position`."""
        with said(self._folder):
            self._files[layer].add(values, **columns)

    def describe(self, sample: np.ndarray, **faces: Any) -> None:
        """What the samples of a batch were (see `FaceFile.add`)."""
        self.batches, self.samples = self.batches + 1, self.samples + len(sample)
        if self._faces is not None:
            with said(self._folder):
                self._faces.add(sample, **faces)

    def finish(self, mark: str) -> dict[str, Any]:
        """Give the files their names. Returns the shard's entry in the manifest; `mark` is that by
        which its data are known again."""
        with said(self._folder):
            for file in self._files.values():
                file.finish()
            if self._faces is not None:
                self._faces.finish()
        return {
            "first_batch": self._first,
            "batches": self.batches,
            "samples": self.samples,
            "rows": {layer: file.rows for layer, file in self._files.items()},
            "columns": sorted((self._faces and self._faces.columns) or ()),
            "mark": mark,
        }

    def discard(self) -> None:
        """Leave nothing behind."""
        for file in self._files.values():
            file.discard()
        if self._faces is not None:
            self._faces.discard()


class Writer:
    """One store that this process fills; no other can meanwhile.

    A shard becomes part of the store when the manifest names it, after its files are on the disk:
    a process that dies loses what was in flight.

    Args:
        folder: empty, not there yet, or holding a store with the same `about`.
        layers: their names; none if only a state is kept.
        dtype: what the shards hold.
        about: what was read and how, JSON; a store whose `about` differs is refused.

    Raises:
        StoreError: another store, other files, another process that writes here, no permission.
    """

    def __init__(
        self, folder: str | Path, layers: Sequence[str], dtype: str, about: dict[str, Any]
    ) -> None:
        from filelock import FileLock, Timeout

        self.folder, self._dtype = place_of(folder), dtype
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
            self.manifest = self._opened(list(layers), json.loads(json.dumps(about)))
        except BaseException:
            self.close()
            raise

    def _opened(self, layers: list[str], about: dict[str, Any]) -> dict[str, Any]:
        manifest = read_manifest(self.folder)
        if manifest is None or not manifest["shards"]:
            # A store of nothing is free, whatever it was to become.
            others = {f.name for f in self.folder.iterdir() if not _OURS.fullmatch(f.name)}
            if others := others - {MANIFEST}:
                raise StoreError(
                    f"{self.folder} holds other files ({', '.join(sorted(others)[:3])}) and no "
                    "store: take an empty folder."
                )
            manifest = {
                "format": FORMAT,
                "complete": False,
                "dtype": self._dtype,
                "layers": {name: {"folder": _place(i, name)} for i, name in enumerate(layers)},
                "about": about,
                "labels": {"names": [], "order": "given"},
                "batches": 0,
                "samples": 0,
                "shards": [],
            }
            self._write(manifest)
            return manifest
        self._listed = int(manifest["batches"])
        stored = dict(manifest["about"], dtype=manifest["dtype"], layer=[*manifest["layers"]])
        # Found out while reading.
        stored.pop(WITHOUT_FIRST, None)
        wanted = dict(about, dtype=self._dtype, layer=layers)
        if differ := _differences(stored, wanted):
            raise StoreError(
                f"{self.folder} holds a store of something else: {'; '.join(differ)}. Take "
                "another folder, or delete this one."
            )
        if "partial" in manifest["shards"][-1]:
            manifest |= manifest["shards"][-1]["partial"]
            manifest["shards"] = manifest["shards"][:-1]
        return manifest

    @property
    def without_first(self) -> list[str]:
        """The layers of which the texts' first tokens were left out."""
        return list(self.manifest["about"].get(WITHOUT_FIRST, ()))

    @without_first.setter
    def without_first(self, layers: list[str]) -> None:
        self.manifest["about"].pop(WITHOUT_FIRST, None)
        # Only where there are any: stores of earlier versions do not say.
        if layers:
            self.manifest["about"][WITHOUT_FIRST] = layers

    @property
    def batches(self) -> int:
        """How many batches the store holds."""
        return int(self.manifest["batches"])

    @property
    def places(self) -> dict[str, str]:
        """The layers' folders."""
        return {name: layer["folder"] for name, layer in self.manifest["layers"].items()}

    def begin(self) -> None:
        """Rows are about to be written: a shard that was cut off is given up."""
        # Until then it stays, since its files are written over.
        if self.batches < self._listed:
            with said(self.folder):
                self._write(self.manifest)

    def shard(self) -> Shard:
        """The next shard."""
        self.begin()
        return Shard(self.folder, self.places, self._dtype, self.batches)

    def commit(
        self,
        entries: Sequence[dict[str, Any]],
        labels: dict[str, Any],
        state: bytes | None = None,
        *,
        partial: bool = False,
    ) -> None:
        """Make finished shards part of the store, at once.

        Args:
            entries: what `Shard.finish` gave; the shards come in order.
            labels: `names` of the codes so far; `order` is "given", or how to sort those that have
                codes in the order in which they came: as "text" or "number".
            state: what `state()` gives back.
            partial: the last shard was cut off. It can be read, and the next `Writer` drops it, so
                that the store ends as one that never was interrupted.
        """
        manifest, old = dict(self.manifest), self.manifest.get("state")
        manifest["shards"] = list(manifest["shards"])
        for entry in entries:
            if partial:
                entry = entry | {"partial": {name: manifest[name] for name in _UNDONE}}
            manifest["batches"] += entry["batches"]
            manifest["samples"] += entry["samples"]
            manifest["shards"].append(entry)
        manifest["labels"] = labels
        with said(self.folder, self.manifest["samples"]):
            if state is not None:
                manifest["state"] = f"state-{manifest['batches']:08d}.pickle"
                write_whole(self.folder / manifest["state"], state)
            self._write(manifest)
        if old is not None and old != manifest.get("state"):
            (self.folder / old).unlink(missing_ok=True)

    def complete(self) -> None:
        """Nothing more comes."""
        if not self.manifest["complete"]:
            with said(self.folder, self.manifest["samples"]):
                self._sweep()
                self._write({**self.manifest, "complete": True})

    def _sweep(self) -> None:
        """Delete what killed captures left: states, and shards that ended elsewhere."""
        for path in self.folder.glob("state-*.pickle"):
            if path.name != self.manifest.get("state"):
                path.unlink(missing_ok=True)
        listed = {f"{shard['first_batch']:08d}" for shard in self.manifest["shards"]}
        for place in (*self.places.values(), "samples"):
            for path in (self.folder / place).glob("[0-9]" * 8 + ".*"):
                if path.stem not in listed or path.suffix == ".part":
                    path.unlink(missing_ok=True)

    def state(self) -> bytes | None:
        """What `commit` was given last."""
        name = self.manifest.get("state")
        return None if name is None else (self.folder / name).read_bytes()

    def close(self) -> None:
        """Let others write."""
        self._lock.release()

    def _write(self, manifest: dict[str, Any]) -> None:
        text = json.dumps(manifest, indent=1, ensure_ascii=False)
        write_whole(self.folder / MANIFEST, text.encode())
        self.manifest, self._listed = manifest, manifest["batches"]


@contextmanager
def said(folder: Path, samples: int | None = None) -> Iterator[None]:
    """What the operating system refuses, in words."""
    try:
        yield
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        what = "the disk is full" if full else f"{error.strerror or error}"
        before = "What was" if samples is None else f"The {samples:,} samples that were"
        raise StoreError(
            f"{folder} could not be written: {what}. {before} written before is safe in it; the "
            "same call goes on from there when there is room."
        ) from error


def _place(number: int, layer: str) -> str:
    readable = quote(layer, safe=" ")
    short = 0 < len(readable) < 100
    return f"layer-{number}-{readable}" if short else f"layer-{number}"


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
