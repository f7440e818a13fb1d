"""Activations <-> a store on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.activations.samples import Samples
from neuronwidgets.activations.store.encode import DTYPES, as_array, encode
from neuronwidgets.activations.store.shards import StoreError
from neuronwidgets.activations.store.store import Store
from neuronwidgets.activations.store.writer import WITHOUT_FIRST, Writer
from neuronwidgets.core.checks import one_of
from neuronwidgets.core.labels import in_order
from neuronwidgets.core.modes import own_modes

if TYPE_CHECKING:
    from neuronwidgets.activations.activations import Activations

_ROWS = 4096
"""Rows written at once."""


def check_dtype(dtype: str) -> str:
    """`dtype`, refused if a store cannot hold it."""
    return one_of("dtype", dtype, DTYPES)


def load(path: str | Path, layer: str | None) -> dict[str, Any]:
    """A layer of a store, as the fields of `Activations`."""
    store = Store(path)
    layer = store.layer(layer)
    values, sample, position, excluded, label = store.rows(layer)
    faces = store.faces
    item: np.ndarray | None = np.searchsorted(faces.sample, sample)
    label = faces.label[item] if label is None else label
    about = store.manifest["labels"]
    codes, names = in_order(label, about["names"], about["order"])
    if position is None and len(sample) == len(faces.sample):
        item = None
    return {
        "layer": layer,
        "values": values,
        "samples": Samples(
            len(sample),
            images=faces.images,
            texts=faces.texts,
            spans=faces.spans,
            item=item,
            token=position,
            origin=faces.origin,
            place=gaps(faces.sample),
        ),
        "labels": codes,
        "label_names": names,
        "unit": store.manifest["about"].get("unit", ""),
        "excluded": excluded,
        "call": store.manifest["about"].get("call"),
        "first": layer not in store.manifest["about"].get(WITHOUT_FIRST, ()),
    }


def gaps(place: np.ndarray) -> np.ndarray | None:
    """Places in the data (sorted) as `Samples` has them."""
    return None if (place == np.arange(len(place))).all() else place


@own_modes()
def save(acts: Activations, path: str | Path, dtype: str) -> Path:
    """Write `acts` to a new store."""
    import torch

    check_dtype(dtype)
    samples, many = acts.samples, len(acts)
    labels_about = {"names": list(acts.label_names), "order": "given"}
    item = np.arange(many) if samples.item is None else samples.item
    items = max(len(samples.texts), len(samples.images), int(item.max(initial=-1)) + 1)
    place = np.arange(items) if samples.place is None else samples.place
    writer = Writer(
        path,
        [acts.layer],
        dtype,
        {
            "unit": acts.unit,
            "call": acts.call,
            "saved": True,
        },
    )
    writer.without_first = [] if acts.first else [acts.layer]
    shard = None
    try:
        if writer.batches:
            raise StoreError(f"{path} holds activations: take another folder, or delete it.")
        labels, of_words = None, False
        if acts.labels is not None:
            labels = np.full(items, -1)
            labels[item] = acts.labels
            of_words = bool((labels[item] != acts.labels).any())
            labels = None if of_words else labels
        shard = writer.shard()
        for start in range(0, items, _ROWS):
            part = slice(start, min(start + _ROWS, items))
            shard.describe(
                place[part],
                label=None if labels is None else labels[part],
                texts=samples.texts[part],
                spans=samples.spans[part],
                images=samples.images[part],
                origin=None if samples.origin is None else samples.origin[part],
            )
        for start in range(0, many, _ROWS):
            rows = slice(start, min(start + _ROWS, many))
            with np.errstate(over="ignore"):
                values = np.ascontiguousarray(acts.values[rows], np.float32)
            if not np.isfinite(values).all():
                raise ValueError(
                    f"layer {acts.layer!r} holds numbers that do not fit in float32, which a store "
                    "has at most: bring them to a smaller scale."
                )
            encoded = {k: as_array(v) for k, v in encode(torch.from_numpy(values), dtype).items()}
            columns = {"sample": place[item[rows]].astype(np.int64)}
            if of_words and acts.labels is not None:
                columns["label"] = acts.labels[rows].astype(np.int64)
            if samples.token is not None:
                columns["position"] = samples.token[rows].astype(np.int32)
            if start == 0 and len(acts.excluded):
                columns["excluded"] = acts.excluded
            shard.add(acts.layer, **encoded, **columns)
            if shard.full and rows.stop < many:
                writer.commit([shard.finish("")], labels_about)
                shard = writer.shard()
                shard.describe(np.zeros(0, np.int64))
        writer.commit([shard.finish("")], labels_about)
        shard = None
        writer.complete()
    finally:
        if shard is not None:
            shard.discard()
        writer.close()
    return writer.folder
