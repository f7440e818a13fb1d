"""Writes a store: shards that are complete or absent, and the manifest that lists them."""

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

from neuronwidgets.activations.store.previews import PreviewFile
from neuronwidgets.activations.store.shards import ShardFile, StoreError, absolute_folder
from neuronwidgets.activations.store.store import FORMAT, MANIFEST, read_manifest
from neuronwidgets.core.tensorfile import write_whole

SHARD_BYTES = 1 << 28
"""Bytes of one layer's values at which a shard is full: 256 MiB."""
_STORE_FILES = re.compile(r"\.lock|.*\.part|layer-\d+.*|samples|state-\d+\.pickle")
_REVERTED = ("batches", "samples", "labels")
"""Entries of the manifest that go back when a partial shard is dropped."""
WITHOUT_FIRST = "without_first"
"""Key of the layers whose first tokens were left out."""
_FINGERPRINTS = {
    "weights": "the model's weights differ",
    "parts": "the model's modules or their settings differ",
    "labels": "the labels differ",
    "first_inputs": "the first batch differs (other data, another order as from shuffle=True, "
    "another tokenizer or transform)",
}


class Shard:
    """The open files of one shard: one for each layer, one for the samples.

    Args:
        folder: the store's folder.
        layers: the layers' names -> their folders in it.
        dtype: the dtype of the files.
        first: the number of its first batch, which names the files.
        max_bytes: bytes of one layer's values at which the shard is full.
    """

    def __init__(
        self,
        folder: Path,
        layers: Mapping[str, str],
        dtype: str,
        first: int,
        max_bytes: int = SHARD_BYTES,
    ) -> None:
        self._folder, self._first, self._max_bytes = folder, first, max_bytes
        name = f"{first:08d}"
        with readable_errors(folder):
            self._files = {
                layer: ShardFile(folder / layer_folder / f"{name}.safetensors", dtype)
                for layer, layer_folder in layers.items()
            }
            self._previews = PreviewFile(folder / "samples" / f"{name}.parquet") if layers else None
        self.batches = self.samples = 0

    @property
    def full(self) -> bool:
        """Whether a layer has reached `max_bytes`."""
        return any(file.bytes >= self._max_bytes for file in self._files.values())

    def add(self, layer: str, values: np.ndarray, **columns: np.ndarray) -> None:
        """Add `N` encoded rows of a layer (see `encode`), with int64 `sample`, int32 `position`."""
        with readable_errors(self._folder):
            self._files[layer].add(values, **columns)

    def describe(self, sample: np.ndarray, **previews: Any) -> None:
        """Add the samples of a batch (see `PreviewFile.add`)."""
        self.batches, self.samples = self.batches + 1, self.samples + len(sample)
        if self._previews is not None:
            with readable_errors(self._folder):
                self._previews.add(sample, **previews)

    def finish(self, fingerprint: str) -> dict[str, Any]:
        """Complete the files. Returns the shard's entry in the manifest, with its `fingerprint`."""
        with readable_errors(self._folder):
            for file in self._files.values():
                file.finish()
            if self._previews is not None:
                self._previews.finish()
        return {
            "first_batch": self._first,
            "batches": self.batches,
            "samples": self.samples,
            "rows": {layer: file.rows for layer, file in self._files.items()},
            "columns": sorted((self._previews and self._previews.columns) or ()),
            "mark": fingerprint,
        }

    def discard(self) -> None:
        """Delete the files."""
        for file in self._files.values():
            file.discard()
        if self._previews is not None:
            self._previews.discard()


class Writer:
    """Fills one store, which is locked against other processes.

    A shard is part of the store once the manifest lists it, after its files are on the disk. A
    process that dies loses its open shard only.

    Args:
        folder: empty, new, or a store with the same `about`.
        layers: the layers' names; none if only a state is kept.
        dtype: the dtype of the shards.
        about: model, data and settings, as JSON. A store whose `about` differs is refused.

    Raises:
        StoreError: another store, other files, another process that writes here, no permission.
    """

    def __init__(
        self, folder: str | Path, layers: Sequence[str], dtype: str, about: dict[str, Any]
    ) -> None:
        from filelock import FileLock, Timeout

        self.folder, self._dtype = absolute_folder(folder), dtype
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Before there is a lock, so that a folder of something else stays as it is.
            self._refuse_other_files(read_manifest(self.folder))
            # A background capture closes the lock on another thread than this one.
            self._lock = FileLock(self.folder / ".lock", thread_local=False)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise StoreError(
                f"{folder} is being written by another capture: wait for it, or take another "
                "folder."
            ) from None
        except StoreError:
            raise
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
            self._refuse_other_files(manifest)
            manifest = {
                "format": FORMAT,
                "complete": False,
                "dtype": self._dtype,
                "layers": {
                    name: {"folder": _layer_folder(i, name)} for i, name in enumerate(layers)
                },
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
        # Known only after reading has begun.
        stored.pop(WITHOUT_FIRST, None)
        wanted = dict(about, dtype=self._dtype, layer=layers)
        for entries in (stored, wanted):
            # Its name in the file is that of earlier versions.
            if "unit" in entries:
                entries["pooling"] = entries.pop("unit")
        if differ := _differences(stored, wanted):
            raise StoreError(
                f"{self.folder} holds a store of something else: {'; '.join(differ)}. Take "
                "another folder, or delete this one."
            )
        if "partial" in manifest["shards"][-1]:
            manifest |= manifest["shards"][-1]["partial"]
            manifest["shards"] = manifest["shards"][:-1]
        return manifest

    def _refuse_other_files(self, manifest: dict[str, Any] | None) -> None:
        """Raise `StoreError` if the folder is no store and holds other files."""
        if manifest is not None and manifest["shards"]:
            return
        # A store without shards may become any store.
        others = {f.name for f in self.folder.iterdir() if not _STORE_FILES.fullmatch(f.name)}
        if others := others - {MANIFEST}:
            raise StoreError(
                f"{self.folder} holds other files ({', '.join(sorted(others)[:3])}) and no "
                "store: take an empty folder."
            )

    @property
    def without_first(self) -> list[str]:
        """The layers whose texts' first tokens were left out."""
        return list(self.manifest["about"].get(WITHOUT_FIRST, ()))

    @without_first.setter
    def without_first(self, layers: list[str]) -> None:
        self.manifest["about"].pop(WITHOUT_FIRST, None)
        # Written only if there are any, as earlier versions did.
        if layers:
            self.manifest["about"][WITHOUT_FIRST] = layers

    @property
    def batches(self) -> int:
        """The number of batches in the store."""
        return int(self.manifest["batches"])

    @property
    def layer_folders(self) -> dict[str, str]:
        """The layers' folders."""
        return {name: layer["folder"] for name, layer in self.manifest["layers"].items()}

    def begin(self) -> None:
        """Drop the partial shard of a stopped capture from the manifest.

        Call it before the first write, which overwrites the shard's files.
        """
        if self.batches < self._listed:
            with readable_errors(self.folder):
                self._write(self.manifest)

    def shard(self, max_bytes: int = SHARD_BYTES) -> Shard:
        """Open the next shard."""
        self.begin()
        return Shard(self.folder, self.layer_folders, self._dtype, self.batches, max_bytes)

    def commit(
        self,
        entries: Sequence[dict[str, Any]],
        labels: dict[str, Any],
        state: bytes | None = None,
        *,
        partial: bool = False,
    ) -> None:
        """Make finished shards part of the store, in one write of the manifest.

        Args:
            entries: results of `Shard.finish`, in order.
            labels: `names` of the codes so far, and their `order`: "given", or "text" or "number"
                to sort codes that are in order of appearance.
            state: bytes that `state()` returns; `None` keeps the former ones.
            partial: whether the last shard was cut off. It can be read, and the next `Writer`
                drops it, so that the store ends like one that was never interrupted.
        """
        manifest, old = dict(self.manifest), self.manifest.get("state")
        manifest["shards"] = list(manifest["shards"])
        for entry in entries:
            if partial:
                entry = entry | {"partial": {name: manifest[name] for name in _REVERTED}}
            manifest["batches"] += entry["batches"]
            manifest["samples"] += entry["samples"]
            manifest["shards"].append(entry)
        manifest["labels"] = labels
        with readable_errors(self.folder, self.manifest["samples"]):
            if state is not None:
                manifest["state"] = f"state-{manifest['batches']:08d}.pickle"
                write_whole(self.folder / manifest["state"], state)
            self._write(manifest)
        if old is not None and old != manifest.get("state"):
            (self.folder / old).unlink(missing_ok=True)

    def complete(self) -> None:
        """Mark the store as complete and delete what killed captures left."""
        if not self.manifest["complete"]:
            with readable_errors(self.folder, self.manifest["samples"]):
                self._sweep()
                self._write({**self.manifest, "complete": True})

    def _sweep(self) -> None:
        """Delete files that killed captures left: states, and shards not in the manifest."""
        for path in self.folder.glob("state-*.pickle"):
            if path.name != self.manifest.get("state"):
                path.unlink(missing_ok=True)
        listed = {f"{shard['first_batch']:08d}" for shard in self.manifest["shards"]}
        for subfolder in (*self.layer_folders.values(), "samples"):
            for path in (self.folder / subfolder).glob("[0-9]" * 8 + ".*"):
                if path.stem not in listed or path.suffix == ".part":
                    path.unlink(missing_ok=True)

    def state(self) -> bytes | None:
        """The last state that `commit` got; `None` if there is none."""
        name = self.manifest.get("state")
        return None if name is None else (self.folder / name).read_bytes()

    def close(self) -> None:
        """Release the lock."""
        self._lock.release()

    def _write(self, manifest: dict[str, Any]) -> None:
        text = json.dumps(manifest, indent=1, ensure_ascii=False)
        write_whole(self.folder / MANIFEST, text.encode())
        self.manifest, self._listed = manifest, manifest["batches"]


@contextmanager
def readable_errors(folder: Path, samples: int | None = None) -> Iterator[None]:
    """Turn an `OSError` into a `StoreError` that says what is safe and how to go on.

    Args:
        folder: the store's folder.
        samples: the samples that are safe in it, if known.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        reason = "the disk is full" if full else f"{error.strerror or error}"
        safe = "What was written before is"
        safe = safe if samples is None else f"The {samples:,} samples written before are"
        raise StoreError(
            f"{folder} could not be written: {reason}. {safe} safe in it. Make room and repeat the "
            "call: it goes on from there."
        ) from error


def _layer_folder(number: int, layer: str) -> str:
    """The name of a layer's folder."""
    readable = quote(layer, safe=" ")
    short = 0 < len(readable) < 100
    return f"layer-{number}-{readable}" if short else f"layer-{number}"


def _differences(stored: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """The differences in words: of settings, else of fingerprints."""
    names = [n for n in sorted({*stored, *wanted}) if stored.get(n) != wanted.get(n)]
    plain = [
        f"{name.replace('_', ' ')} is {_short(stored.get(name))} there and "
        f"{_short(wanted.get(name))} here"
        for name in names
        if name not in _FINGERPRINTS
    ]
    return plain or [_FINGERPRINTS[name] for name in names]


def _short(value: Any) -> str:
    text = "not given" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."
