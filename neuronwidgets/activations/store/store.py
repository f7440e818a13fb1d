"""A store that is there: its manifest, its layers, its samples."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from neuronwidgets.activations.store.matrix import Stored
from neuronwidgets.activations.store.previews import Faces
from neuronwidgets.activations.store.shards import StoreError, place_of, read_shard

FORMAT = "neuronwidgets.activations/1"
MANIFEST = "manifest.json"


class Store:
    """Reads a store, also one that is still being written: the shards that its manifest lists."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = place_of(folder)
        manifest = read_manifest(self.folder)
        if manifest is None:
            missing = "is not there" if not self.folder.exists() else f"holds no {MANIFEST}"
            raise StoreError(
                f"{folder} {missing}: the folder is needed that capture(..., out=...) or "
                "Activations.save wrote."
            )
        self.manifest = manifest

    @property
    def layers(self) -> list[str]:
        return list(self.manifest["layers"])

    def layer(self, name: str | None) -> str:
        """The layer called `name`, or the only one."""
        if name in self.manifest["layers"]:
            return str(name)
        known = ", ".join(map(repr, self.layers))
        if name is None and len(self.layers) == 1:
            return self.layers[0]
        what = f"layer {name!r} is not in {self.folder}" if name else f"{self.folder} holds several"
        raise StoreError(f"{what}: pass layer=, one of {known or 'none'}.")

    def rows(
        self, layer: str
    ) -> tuple[Stored, np.ndarray, np.ndarray | None, np.ndarray, np.ndarray | None]:
        """A layer's values in the data's order, each row's sample (int64), its position (int32, or
        `None`), where rows were left out (int64 `E x 2`; position -1 where there is none), and
        each row's label's code, where it is not its sample's (int64, or `None`)."""
        folder = self.folder / self.manifest["layers"][layer]["folder"]
        parts = []
        for shard in self.manifest["shards"]:
            path = folder / f"{shard['first_batch']:08d}.safetensors"
            try:
                part = read_shard(path)
            except (OSError, ValueError, KeyError) as error:
                raise StoreError(f"{path} is not whole: {error}. Read the data again.") from None
            if len(part["values"]) != shard["rows"].get(layer, 0):
                raise StoreError(
                    f"{path} has {len(part['values']):,} rows and {MANIFEST} says "
                    f"{shard['rows'].get(layer, 0):,}: they do not belong together."
                )
            parts.append(part)
        full = [part for part in parts if len(part["values"])]
        if not full:
            raise StoreError(f"{self.folder} holds no rows of layer {layer!r} yet.")
        sample = np.concatenate([part["sample"] for part in full])
        position = None
        if all("position" in part for part in full):
            position = np.concatenate([part["position"] for part in full])
        label = None
        if any("label" in part for part in full):
            none = [np.full(len(part["values"]), -1) for part in full]
            found = [part.get("label", no) for part, no in zip(full, none, strict=True)]
            label = np.concatenate(found)
        keys = (sample,) if position is None else (position, sample)
        order = np.lexsort(keys)
        in_order = bool((order == np.arange(len(sample))).all())
        if not in_order:
            sample = sample[order]
            position = None if position is None else position[order]
            label = None if label is None else label[order]
        left = [part["excluded"] for part in parts if "excluded" in part]
        excluded = np.concatenate(left) if left else np.zeros((0, 2), np.int64)
        return (
            Stored(full, None if in_order else order, self.manifest["dtype"]),
            sample,
            position,
            excluded,
            label,
        )

    @cached_property
    def faces(self) -> Faces:
        """What the samples were."""
        shards = self.manifest["shards"]
        files = [self.folder / "samples" / f"{s['first_batch']:08d}.parquet" for s in shards]
        columns = [set(s["columns"]) for s in shards if s["samples"]]
        return Faces(files, set.intersection(*columns) if columns else set())


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a store; `None` where there is none."""
    path = folder / MANIFEST
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        kind = found.get("format")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, AttributeError) as error:
        raise StoreError(f"{path} is not a manifest of activations: {error}") from None
    if kind != FORMAT:
        raise StoreError(f"{path} is in the format {kind!r}; this version reads {FORMAT!r}.")
    return found
