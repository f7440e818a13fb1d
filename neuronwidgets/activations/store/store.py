"""Reads a store: its manifest, its layers, its samples."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from neuronwidgets.activations.store.matrix import Stored
from neuronwidgets.activations.store.previews import Previews
from neuronwidgets.activations.store.shards import StoreError, absolute_folder, read_shard

FORMAT = "neuronwidgets.activations/1"
MANIFEST = "manifest.json"


class Store:
    """Reads the shards in a store's manifest. The store may still be growing."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = absolute_folder(folder)
        manifest = read_manifest(self.folder)
        if manifest is None:
            missing = "does not exist" if not self.folder.exists() else f"holds no {MANIFEST}"
            raise StoreError(
                f"{folder} {missing}: pass the folder that capture(..., out=...) or "
                "Activations.save wrote."
            )
        self.manifest = manifest

    @property
    def layers(self) -> list[str]:
        """The layers' names."""
        return list(self.manifest["layers"])

    def layer(self, name: str | None) -> str:
        """The layer called `name`, or the only one."""
        if name in self.manifest["layers"]:
            return str(name)
        known = ", ".join(map(repr, self.layers))
        if name is None and len(self.layers) == 1:
            return self.layers[0]
        problem = f"layer {name!r} does not exist in {self.folder}"
        problem = problem if name else f"{self.folder} holds several"
        raise StoreError(f"{problem}: pass layer=, one of {known or 'none'}.")

    def rows(
        self, layer: str
    ) -> tuple[Stored, np.ndarray, np.ndarray | None, np.ndarray, np.ndarray | None]:
        """The rows of a layer, in the data's order.

        Returns:
            values: `S x D`.
            sample: int64 `S`, the sample of each row.
            position: int32 `S`, its position; `None` if rows are whole samples.
            excluded: int64 `E x 2`, sample and position (or -1) of rows that were left out.
            label: int64 `S`, label codes; `None` if each row has its sample's label.

        Raises:
            StoreError: a damaged shard, or no rows yet.
        """
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
                    f"{path} has {len(part['values']):,} rows and {MANIFEST} lists "
                    f"{shard['rows'].get(layer, 0):,}: they are not of the same store."
                )
            parts.append(part)
        nonempty = [part for part in parts if len(part["values"])]
        if not nonempty:
            raise StoreError(f"{self.folder} holds no rows of layer {layer!r} yet.")
        sample = np.concatenate([part["sample"] for part in nonempty])
        position = None
        if all("position" in part for part in nonempty):
            position = np.concatenate([part["position"] for part in nonempty])
        label = None
        if any("label" in part for part in nonempty):
            unlabelled = [np.full(len(part["values"]), -1) for part in nonempty]
            pairs = zip(nonempty, unlabelled, strict=True)
            label = np.concatenate([part.get("label", default) for part, default in pairs])
        keys = (sample,) if position is None else (position, sample)
        order = np.lexsort(keys)
        in_order = bool((order == np.arange(len(sample))).all())
        if not in_order:
            sample = sample[order]
            position = None if position is None else position[order]
            label = None if label is None else label[order]
        listed = [part["excluded"] for part in parts if "excluded" in part]
        excluded = np.concatenate(listed) if listed else np.zeros((0, 2), np.int64)
        return (
            Stored(nonempty, None if in_order else order, self.manifest["dtype"], self.folder),
            sample,
            position,
            excluded,
            label,
        )

    @cached_property
    def previews(self) -> Previews:
        """Labels, texts and images of the samples."""
        shards = self.manifest["shards"]
        files = [self.folder / "samples" / f"{s['first_batch']:08d}.parquet" for s in shards]
        columns = [set(s["columns"]) for s in shards if s["samples"]]
        return Previews(files, set.intersection(*columns) if columns else set())


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a store; `None` if the folder has none.

    Raises:
        StoreError: the manifest is damaged or of another format.
    """
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text("utf-8"))
        kind = manifest.get("format")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, AttributeError) as error:
        raise StoreError(f"{path} is not a manifest of activations: {error}") from None
    if kind != FORMAT:
        raise StoreError(f"{path} is in the format {kind!r}; this version reads {FORMAT!r}.")
    return manifest
