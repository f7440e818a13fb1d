"""Read one layer of a model on a dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np
import torch
from torch import nn

from neuronwidgets.activations import Activations
from neuronwidgets.capture.collecting import Codes, Collected, Collecting
from neuronwidgets.capture.collectors import Collector
from neuronwidgets.capture.kept import Kept, Seen
from neuronwidgets.capture.reader import LayerReader
from neuronwidgets.models import Batch, batches, evaluating, find_layer, positions
from neuronwidgets.models.batch import Source
from neuronwidgets.models.units import UNITS, reduce


@overload
def capture(
    model: nn.Module, data: Any, layer: str, unit: str = "mean", labels: Any = None,
    tokenizer: Any = None, batch_size: int = 64, *, label_names: Sequence[str] | None = None,
    transform: Callable[[Any], Any] | None = None, max_length: int | None = None,
    neuron_axis: int | None = None, progress: bool = True,
    collect: None = None,
) -> Activations: ...  # fmt: skip
@overload
def capture(
    model: nn.Module, data: Any, layer: str, unit: str = "mean", labels: Any = None,
    tokenizer: Any = None, batch_size: int = 64, *, label_names: Sequence[str] | None = None,
    transform: Callable[[Any], Any] | None = None, max_length: int | None = None,
    neuron_axis: int | None = None, progress: bool = True,
    collect: Collector | Sequence[Collector],
) -> Collected: ...  # fmt: skip
@overload
def capture(
    model: nn.Module, data: Any, layer: Sequence[str], unit: str = "mean", labels: Any = None,
    tokenizer: Any = None, batch_size: int = 64, *, label_names: Sequence[str] | None = None,
    transform: Callable[[Any], Any] | None = None, max_length: int | None = None,
    neuron_axis: int | None = None, progress: bool = True,
    collect: Collector | Sequence[Collector] | None = None,
) -> dict[str, Any]: ...  # fmt: skip
def capture(
    model: nn.Module,
    data: Any,
    layer: str | Sequence[str],
    unit: str = "mean",
    labels: Any = None,
    tokenizer: Any = None,
    batch_size: int = 64,
    *,
    label_names: Sequence[str] | None = None,
    transform: Callable[[Any], Any] | None = None,
    max_length: int | None = None,
    neuron_axis: int | None = None,
    progress: bool = True,
    collect: Collector | Sequence[Collector] | None = None,
) -> Any:
    """Run `data` through `model` up to `layer` and keep that layer's activations.

    The forward pass stops right after the layer (the last of several to answer). The model's mode
    and hooks are as before on every way out. It runs where the model is (its first parameter's
    device).

    Args:
        model: any `torch.nn.Module`.
        data: a list of strings; an array or list of images (uint8 images become float in [0, 1],
            channels first, unless `tokenizer` or `transform` prepares them); an array of vectors
            or token ids; a torch or Hugging Face `Dataset`; or any iterable of batches that the
            model accepts (tensors, `(input, label)` pairs, mappings).
        layer: a name from `named_modules()`, or several, read in one pass;
            `neuronwidgets.layers(model)` lists them. Of a layer that is called more than once in a
            pass, the first call counts.
        unit: what one sample is: each "token" (or map position), or a sequence or map reduced by
            "mean", "max", "last" or "cls" token. Padding never counts; special tokens count for
            "last" and "cls" only.
        labels: one per text, image or row; taken from the data where it has them.
        tokenizer: a Hugging Face tokenizer, image processor or processor.
        batch_size: samples per forward pass.
        label_names: the names of whole-number labels.
        transform: a list of images (or rows of the array) -> the model's input.
        max_length: longer texts are cut to so many tokens (default: what the model takes).
        neuron_axis: which axis of the layer's output holds the neurons, if not the usual one.
        progress: show a progress bar.
        collect: what to keep instead of every row: one or more collectors (`Top`, `Moments`,
            `Histogram`, `Reservoir`, `Coactivation`, `Rows`, or your own `Collector`), each of
            which sees every row once, on the model's device. Memory then does not grow with the
            data.

    Returns:
        `Activations` with float32 `values`, `S x D`; with `collect`, `Collected`. Of several
        layers a dict of those, by name.

    Raises:
        ValueError: unknown layer (with near matches), text without tokenizer, empty data, labels
            of the wrong length, an output without neurons, NaN or infinite activations.
    """
    if unit not in UNITS:
        raise ValueError(f"unit={unit!r}; one of {', '.join(map(repr, UNITS))} is needed.")
    layers = _layers(layer)
    modules = {name: find_layer(model, name) for name in layers}
    collectors = _collectors(collect)
    source = batches(
        data,
        processor=tokenizer,
        transform=transform,
        batch_size=batch_size,
        max_length=positions(model) if max_length is None else max_length,
        by_length=True,
    )
    reader = LayerReader(model, modules, neuron_axis)
    if labels is not None:
        labels = labels.tolist() if hasattr(labels, "tolist") else list(labels)
        if source.total is not None and len(labels) != source.total:
            raise ValueError(
                f"labels has {len(labels):,} entries and data has {source.total:,} "
                "samples: one per sample is needed."
            )
    elif label_names is None:
        label_names = source.label_names
    if collectors is None:
        return _kept(reader, source, layer, layers, unit, labels, label_names, progress)
    codes, count = Codes(labels, label_names), 0
    sinks = {name: Collecting(collectors) for name in layers}
    with evaluating(model), _bar(source.total, layers, progress) as bar:
        for batch in source.batches:
            place = _place(batch, count)
            label = codes.of(place, batch.labels)

            def take(
                name: str, values: torch.Tensor, batch: Batch = batch,
                place: np.ndarray = place, label: np.ndarray | None = label,
            ) -> None:  # fmt: skip
                rows, where = reduce(values, unit, batch.mask, batch.content, name)
                sinks[name].add(rows, where, place, label)

            reader(batch, take)
            count += batch.size
            bar.update(batch.size)
    if labels is not None and len(labels) != count:
        raise ValueError(f"labels has {len(labels):,} entries and data has {count:,} samples.")
    found = {name: sink.collected(name, codes.names, count) for name, sink in sinks.items()}
    return found[layer] if isinstance(layer, str) else found


def _kept(
    reader: LayerReader, source: Source, layer: str | Sequence[str], layers: list[str], unit: str,
    labels: Any, label_names: Sequence[str] | None, progress: bool,
) -> Activations | dict[str, Activations]:  # fmt: skip
    """Every row, in memory."""
    seen, kept = Seen(), {name: Kept() for name in layers}
    with evaluating(reader.model), _bar(source.total, layers, progress) as bar:
        for batch in source.batches:
            place = _place(batch, seen.count)

            def take(
                name: str, values: torch.Tensor, batch: Batch = batch, place: np.ndarray = place
            ) -> None:
                rows, where = reduce(values, unit, batch.mask, batch.content, name)
                # Layers above may change in place what this one gave.
                own = rows.clone() if len(layers) > 1 and rows is values else rows
                kept[name].add(own, where, place)

            reader(batch, take)
            seen.add(batch, place)
            bar.update(batch.size)
    if not seen.count:
        raise ValueError("data is empty: at least one sample is needed.")
    seen.settle(labels, label_names)
    made = {n: k.activations(n, unit, seen, reader.one(n)) for n, k in kept.items()}
    return made[layer] if isinstance(layer, str) else made


def _place(batch: Batch, count: int) -> np.ndarray:
    """Where in the data a batch's samples stand, `count` samples having come before."""
    return np.arange(count, count + batch.size) if batch.place is None else batch.place


def _layers(layer: Any) -> list[str]:
    names = [layer] if isinstance(layer, str) else list(layer)
    if not names or len(set(names)) < len(names):
        raise ValueError(f"layer={layer!r}; one layer, or several different ones, are needed.")
    return names


def _collectors(collect: Any) -> list[Collector] | None:
    if collect is None:
        return None
    many = [collect] if isinstance(collect, Collector) else list(collect)
    for i, collector in enumerate(many):
        if not isinstance(collector, Collector):
            made = isinstance(collector, type) and issubclass(collector, Collector)
            hint = f": {collector.__name__}() makes one" if made else ""
            raise TypeError(f"collect[{i}] is {collector!r:.60}, no collector{hint}.")
    if not many:
        raise ValueError("collect is empty: at least one collector is needed.")
    return many


def _bar(total: int | None, layers: list[str], show: bool) -> Any:
    from tqdm.auto import tqdm

    what = layers[0] if len(layers) == 1 else f"{len(layers)} layers"
    return tqdm(total=total, desc=f"reading {what}", unit=" samples", disable=not show)
