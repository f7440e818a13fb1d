"""Read one layer of a model on a dataset."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np
from torch import nn

from neuronwidgets.activations import Activations
from neuronwidgets.capture.collecting import Codes, Collected, Collecting
from neuronwidgets.capture.collectors import Collector
from neuronwidgets.capture.kept import Kept, Seen
from neuronwidgets.capture.passes import Passes, failed, told
from neuronwidgets.capture.reader import LayerReader
from neuronwidgets.models import Batch, batches, evaluating, find_layer, positions
from neuronwidgets.models.units import UNITS


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

    Interrupted (the notebook's stop button), it warns and returns what it has read.

    Raises:
        CaptureError: a batch in the middle of the data could not be read; `error.samples` says
            which samples, `error.so_far` has what came before. Out of memory, a batch is halved
            until it fits, with a warning.
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
    sink: _Rows | _Collected
    if collectors is None:
        sink = _Rows(layers, unit, labels, label_names, reader)
    else:
        sink = _Collected(layers, collectors, Codes(labels, label_names))
    passes, place, whole = Passes(reader, unit, len(layers)), None, True
    with evaluating(model), _bar(source.total, layers, progress) as bar:
        try:
            for batch, place in told(source.batches):
                sink.add(batch, place, passes)
                bar.update(batch.size)
                place = None
        except KeyboardInterrupt:
            if not sink.count:
                raise
            whole = False
            of = "" if source.total is None else f" of {source.total:,}"
            warnings.warn(f"stopped after {sink.count:,}{of} samples", stacklevel=2)
        except Exception as error:
            if not sink.count:
                raise
            problem = failed(error, place, sink.count)
            problem.so_far = _given(layer, sink.result())
            raise problem from error
    if whole and labels is not None and len(labels) != sink.count:
        raise ValueError(
            f"labels has {len(labels):,} entries and data has {sink.count:,} samples: one per "
            "sample is needed."
        )
    return _given(layer, sink.result())


def _given(layer: str | Sequence[str], found: dict[str, Any]) -> Any:
    return found[layer] if isinstance(layer, str) else found


class _Rows:
    """Every row, in memory."""

    def __init__(
        self, layers: list[str], unit: str, labels: Any, names: Sequence[str] | None,
        reader: LayerReader,
    ) -> None:  # fmt: skip
        self._seen, self._kept = Seen(), {name: Kept() for name in layers}
        self._unit, self._labels, self._names, self._reader = unit, labels, names, reader

    @property
    def count(self) -> int:
        return self._seen.count

    def add(self, batch: Batch, place: np.ndarray, passes: Passes) -> None:
        first, parts = 0, list(passes(batch))
        for part, rows in parts:
            here = place[first : first + part.size]
            for name, values, where in rows:
                self._kept[name].add(values, where, here)
            first += part.size
        self._seen.add(batch, place)

    def result(self) -> dict[str, Activations]:
        if not self.count:
            raise ValueError("data is empty: at least one sample is needed.")
        seen, reader = self._seen, self._reader
        seen.settle(self._labels, self._names)
        return {
            name: kept.activations(name, self._unit, seen, reader.one(name))
            for name, kept in self._kept.items()
        }


class _Collected:
    """What the collectors keep."""

    def __init__(self, layers: list[str], collectors: list[Collector], codes: Codes) -> None:
        self._sinks = {name: Collecting(collectors) for name in layers}
        self._codes, self.count = codes, 0

    def add(self, batch: Batch, place: np.ndarray, passes: Passes) -> None:
        label, first = self._codes.of(place, batch.labels), 0
        # A batch that fails enters no collector with a part of it.
        for part, rows in list(passes(batch)):
            own = slice(first, first + part.size)
            for name, values, where in rows:
                code = None if label is None else label[own]
                self._sinks[name].add(values, where, place[own], code)
            first += part.size
        self.count += batch.size

    def result(self) -> dict[str, Collected]:
        return {
            name: sink.collected(name, self._codes.names, self.count)
            for name, sink in self._sinks.items()
        }


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
