"""Saves activations to a store on disk and loads them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.activations.samples import Samples
from neuronwidgets.activations.store.encode import DTYPES, as_array, encode
from neuronwidgets.activations.store.shards import StoreError
from neuronwidgets.activations.store.store import Store
from neuronwidgets.activations.store.writer import SHARD_BYTES, WITHOUT_FIRST, Writer
from neuronwidgets.core.checks import one_of
from neuronwidgets.core.labels import in_order
from neuronwidgets.core.modes import own_modes

if TYPE_CHECKING:
    from neuronwidgets.activations.activations import Activations

ROWS_AT_ONCE = 4096
"""Rows that `save` encodes in one step: 64 MiB of float32 for 4,096 neurons."""


def check_dtype(dtype: str) -> str:
    """`dtype`, refused if a store cannot hold it."""
    return one_of("dtype", dtype, DTYPES)


def load(path: str | Path, layer: str | None) -> dict[str, Any]:
    """Read a layer of a store. Returns the fields of `Activations`."""
    store = Store(path)
    layer = store.layer(layer)
    values, sample, position, excluded, label = store.rows(layer)
    previews = store.previews
    item: np.ndarray | None = np.searchsorted(previews.sample, sample)
    label = previews.label[item] if label is None else label
    about = store.manifest["labels"]
    codes, names = in_order(label, about["names"], about["order"])
    if position is None and len(sample) == len(previews.sample):
        item = None
    return {
        "layer": layer,
        "values": values,
        "samples": Samples(
            len(sample),
            images=previews.images,
            texts=previews.texts,
            spans=previews.spans,
            item=item,
            token=position,
            origin=previews.origin,
            dataset_index=unless_all(previews.sample),
        ),
        "labels": codes,
        "label_names": names,
        "pooling": store.manifest["about"].get("unit", ""),
        "excluded": excluded,
        "call": store.manifest["about"].get("call"),
        "at": store.manifest["about"].get("at", "output"),
        "first": layer not in store.manifest["about"].get(WITHOUT_FIRST, ()),
    }


def unless_all(dataset_index: np.ndarray) -> np.ndarray | None:
    """Sorted indices into the data set; `None` if they are 0, 1, 2, ... without a gap."""
    return None if (dataset_index == np.arange(len(dataset_index))).all() else dataset_index


@own_modes()
def save(
    acts: Activations,
    path: str | Path,
    dtype: str,
    *,
    shard_bytes: int = SHARD_BYTES,
    rows_at_once: int = ROWS_AT_ONCE,
) -> Path:
    """Write `acts` to a new store; see `Activations.save`.

    Args:
        acts: the activations.
        path: an empty or new folder.
        dtype: the dtype of the store.
        shard_bytes: bytes of values at which a shard is closed.
        rows_at_once: rows that are encoded in one step.
    """
    import torch

    check_dtype(dtype)
    samples, count = acts.samples, len(acts)
    labels_about = {"names": list(acts.label_names), "order": "given"}
    item = np.arange(count) if samples.item is None else samples.item
    items = max(len(samples.texts), len(samples.images), int(item.max(initial=-1)) + 1)
    dataset_index = samples.dataset_index
    if dataset_index is None:
        dataset_index = np.arange(items)
    writer = Writer(
        path,
        [acts.layer],
        dtype,
        {
            "unit": acts.pooling,
            "call": acts.call,
            "saved": True,
            **({} if acts.at == "output" else {"at": acts.at}),
        },
    )
    writer.without_first = [] if acts.first else [acts.layer]
    shard = None
    try:
        if writer.batches:
            raise StoreError(f"{path} holds activations: take another folder, or delete it.")
        labels, per_row = None, False
        if acts.labels is not None:
            labels = np.full(items, -1)
            labels[item] = acts.labels
            per_row = bool((labels[item] != acts.labels).any())
            labels = None if per_row else labels
        shard = writer.shard(shard_bytes)
        for start in range(0, items, rows_at_once):
            part = slice(start, min(start + rows_at_once, items))
            shard.describe(
                dataset_index[part],
                label=None if labels is None else labels[part],
                texts=samples.texts[part],
                spans=samples.spans[part],
                images=samples.images[part],
                origin=None if samples.origin is None else samples.origin[part],
            )
        for start in range(0, count, rows_at_once):
            rows = slice(start, min(start + rows_at_once, count))
            with np.errstate(over="ignore"):
                values = np.ascontiguousarray(acts.values[rows], np.float32)
            if not np.isfinite(values).all():
                raise ValueError(
                    f"layer {acts.layer!r} holds numbers that do not fit in float32, the widest "
                    "dtype of a store: bring them to a smaller scale."
                )
            encoded = {k: as_array(v) for k, v in encode(torch.from_numpy(values), dtype).items()}
            columns = {"sample": dataset_index[item[rows]].astype(np.int64)}
            if per_row and acts.labels is not None:
                columns["label"] = acts.labels[rows].astype(np.int64)
            if samples.token is not None:
                columns["position"] = samples.token[rows].astype(np.int32)
            if start == 0 and len(acts.excluded):
                columns["excluded"] = acts.excluded
            shard.add(acts.layer, **encoded, **columns)
            if shard.full and rows.stop < count:
                writer.commit([shard.finish("")], labels_about)
                shard = writer.shard(shard_bytes)
                shard.describe(np.zeros(0, np.int64))
        writer.commit([shard.finish("")], labels_about)
        shard = None
        writer.complete()
    finally:
        if shard is not None:
            shard.discard()
        writer.close()
    return writer.folder
