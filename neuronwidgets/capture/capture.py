"""Read one layer of a model on a dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.activations import Activations, Samples
from neuronwidgets.activations.activations import encode_labels
from neuronwidgets.models import (
    Batch,
    Reader,
    batches,
    evaluating,
    find_layer,
    move,
    neuron_axis,
    positions,
    tensor_of,
)
from neuronwidgets.models.units import UNITS, reduce


def capture(
    model: nn.Module,
    data: Any,
    layer: str,
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
) -> Activations:
    """Run `data` through `model` up to `layer` and keep that layer's activations.

    The forward pass stops right after the layer. The model's mode and hooks are as before on
    every way out. It runs where the model is (its first parameter's device).

    Args:
        model: any `torch.nn.Module`.
        data: a list of strings; an array or list of images (uint8 images become float in [0, 1],
            channels first, unless `tokenizer` or `transform` prepares them); an array of vectors
            or token ids; a torch or Hugging Face `Dataset`; or any iterable of batches that the
            model accepts (tensors, `(input, label)` pairs, mappings).
        layer: a name from `named_modules()`; `neuronwidgets.layers(model)` lists them.
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

    Returns:
        `Activations` with float32 `values`, `S x D`.

    Raises:
        ValueError: unknown layer (with near matches), text without tokenizer, empty data, labels
            of the wrong length, an output without neurons, NaN or infinite activations.
    """
    if unit not in UNITS:
        raise ValueError(f"unit={unit!r}; one of {', '.join(map(repr, UNITS))} is needed.")
    module = find_layer(model, layer)
    source = batches(
        data,
        processor=tokenizer,
        transform=transform,
        batch_size=batch_size,
        max_length=positions(model) if max_length is None else max_length,
        by_length=True,
    )
    reader = LayerReader(model, module, layer, neuron_axis)
    if labels is not None:
        labels = labels.tolist() if hasattr(labels, "tolist") else list(labels)
        if source.total is not None and len(labels) != source.total:
            raise ValueError(
                f"labels has {len(labels):,} entries and data has {source.total:,} "
                "samples: one per sample is needed."
            )
    kept = _Kept()
    with evaluating(model), _bar(source.total, layer, progress) as bar:
        for batch in source.batches:
            rows, where = reduce(reader(batch), unit, batch.mask, batch.content, layer)
            kept.add(batch, rows, where)
            bar.update(batch.size)
    if label_names is None and labels is None:
        label_names = source.label_names
    return kept.activations(layer, unit, labels, label_names, reader)


class LayerReader:
    """One layer's activations on a batch, as `B x D` or `B x positions x D` in float32."""

    def __init__(
        self, model: nn.Module, module: nn.Module, layer: str, axis: int | None = None
    ) -> None:
        self._read = Reader(model, module, layer)
        self._module, self._layer, self._axis = module, layer, axis
        self._model = model

    def __call__(self, batch: Batch) -> torch.Tensor:
        output = tensor_of(self._read(move(self._model, batch.inputs)), self._layer)
        if not getattr(self._module, "batch_first", True) and output.ndim == 3:
            # An RNN's own convention: positions x batch x neurons.
            output = output.transpose(0, 1)
        axis = neuron_axis(self._module, output, self._layer, self._axis)
        if output.shape[0] != batch.size:
            raise ValueError(
                f"layer {self._layer!r} returns {output.shape[0]} rows for {batch.size} samples: "
                "its first axis must be the batch."
            )
        return (
            output.movedim(axis, -1).flatten(1, -2).float() if output.ndim > 2 else output.float()
        )

    def tokens(self, batch: Batch, direction: np.ndarray) -> list[np.ndarray]:
        """Each token's activation along `direction` (`D`), for each text of the batch.

        None while the model trains: it is the user's then, and its mode is not to be touched.
        """
        if self._model.training:
            return []
        with evaluating(self._model):
            values = self(batch)
            along = values @ torch.as_tensor(direction, dtype=values.dtype, device=values.device)
        if along.ndim != 2:
            return []
        return [row.astype(np.float32) for row in along.cpu().numpy()]


class _Kept:
    """What capture keeps of each batch, in the data's order at the end."""

    def __init__(self) -> None:
        self.rows: list[np.ndarray] = []
        self.place: list[np.ndarray] = []
        self.labels: list[Any] = []
        self.images: list[np.ndarray] = []
        self.texts: list[str] = []
        self.spans: list[np.ndarray] = []
        self.item: list[np.ndarray] = []
        self.token: list[np.ndarray] = []
        self.inputs: list[Batch] = []
        self.count = 0

    def add(self, batch: Batch, rows: torch.Tensor, where: torch.Tensor | None) -> None:
        here = np.arange(self.count, self.count + batch.size)
        self.place.append(here if batch.place is None else batch.place)
        self.rows.append(rows.cpu().numpy())
        if where is not None:
            at = where.cpu().numpy()
            self.item.append(self.place[-1][at[:, 0]])
            self.token.append(at[:, 1].astype(np.int32))
        self.labels.extend(batch.labels if batch.labels is not None else [None] * batch.size)
        self.images.extend(batch.images)
        self.texts.extend(batch.texts)
        self.spans.extend(batch.spans)
        if batch.spans:
            # Token ids are small beside activations; with them a text's tokens can be read again.
            self.inputs.append(batch)
        self.count += batch.size

    def activations(
        self, layer: str, unit: str, labels: Any, names: Sequence[str] | None, reader: LayerReader
    ) -> Activations:
        if not self.rows:
            raise ValueError("data is empty: at least one sample is needed.")
        place = np.concatenate(self.place)
        order = np.argsort(place, kind="stable")
        texts, images, own = self.texts, self.images, self.labels
        spans = self.spans
        if (order != np.arange(len(order))).any():
            texts, images, spans, own = (_ordered(x, order) for x in (texts, images, spans, own))
        item = np.concatenate(self.item) if self.item else None
        token = np.concatenate(self.token) if self.token else None
        if item is not None and token is not None:
            by_item = np.lexsort((token, item))
            item, token = item[by_item], token[by_item]
            values = _laid(self.rows, by_item)
        else:
            values = _laid(self.rows, order)
        if len(values) == 0:
            raise ValueError(f"layer {layer!r}: no token is left in the data.")
        if labels is None and any(row is not None for row in own):
            labels = own
        codes, label_names = encode_labels(
            labels, self.count, names if labels is not None else None
        )
        if codes is not None and item is not None:
            codes = codes[item]
        if texts and len(texts) == self.count:
            samples = Samples(len(values), texts=texts, spans=spans, item=item, token=token)
        elif images and len(images) == self.count:
            samples = Samples(len(values), images=images, item=item, token=token)
        else:
            samples = Samples(len(values), item=item, token=token)
        read_again = None
        if len(spans) == self.count and self.inputs:
            read_again = _TokenReader(reader, self.inputs, place, samples)
        return Activations(layer, values, samples, codes, label_names, unit, read_again)


def _ordered(rows: list[Any], order: np.ndarray) -> list[Any]:
    return [rows[i] for i in order.tolist()] if len(rows) == len(order) else rows


def _laid(parts: list[np.ndarray], order: np.ndarray) -> np.ndarray:
    """The rows of all parts in an order, `out[i] = all[order[i]]`; the parts are given up."""
    out = np.empty((len(order), parts[0].shape[1]), parts[0].dtype)
    to = np.empty(len(order), np.intp)
    to[order] = np.arange(len(order))
    first = 0
    for i, part in enumerate(parts):
        out[to[first : first + len(part)]] = part
        first += len(part)
        parts[i] = np.empty(0)
    return out


class _TokenReader:
    """Reads the tokens of some samples' texts again, in one small forward pass."""

    def __init__(
        self, reader: LayerReader, kept: list[Batch], place: np.ndarray, samples: Samples
    ) -> None:
        self._reader, self._kept, self._samples = reader, kept, samples
        sizes = [batch.size for batch in kept]
        self._home, self._row = np.empty((2, len(place)), np.intp)
        self._home[place] = np.repeat(np.arange(len(kept)), sizes)
        self._row[place] = np.concatenate([np.arange(size) for size in sizes])

    def __call__(self, rows: Sequence[int], direction: np.ndarray) -> list[np.ndarray]:
        items = [self._samples.item_of(int(row)) for row in rows]
        distinct = sorted(set(items))
        found: dict[int, np.ndarray] = {}
        home = self._home[distinct]
        for b in np.unique(home):
            mine = [item for item, h in zip(distinct, home, strict=True) if h == b]
            batch = self._kept[int(b)]
            index = torch.as_tensor(self._row[mine])
            part = Batch(_pick(batch.inputs, index, batch.size), len(mine))
            found.update(zip(mine, self._reader.tokens(part, direction), strict=False))
        empty = np.zeros(0, np.float32)
        return [found.get(item, empty) for item in items]


def _pick(inputs: Any, index: torch.Tensor, size: int) -> Any:
    if isinstance(inputs, torch.Tensor):
        return inputs[index] if inputs.ndim and len(inputs) == size else inputs
    if isinstance(inputs, Mapping):
        return {key: _pick(value, index, size) for key, value in inputs.items()}
    if isinstance(inputs, tuple | list):
        return tuple(_pick(value, index, size) for value in inputs)
    return inputs


def _bar(total: int | None, layer: str, show: bool) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=total, desc=f"reading {layer}", unit=" samples", disable=not show)
