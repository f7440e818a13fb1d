"""What capture keeps of the batches it read, for `Activations`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from neuronwidgets.activations import Activations, Samples
from neuronwidgets.activations.activations import encode_labels
from neuronwidgets.capture.reader import LayerReader
from neuronwidgets.models import Batch


class Seen:
    """What the samples were; all layers that are read together share it."""

    def __init__(self) -> None:
        self.place: list[np.ndarray] = []
        self.labels: list[Any] = []
        self.images: list[np.ndarray] = []
        self.texts: list[str] = []
        self.spans: list[np.ndarray] = []
        self.inputs: list[Batch] = []
        self.count = 0

    def add(self, batch: Batch, place: np.ndarray) -> None:
        self.place.append(place)
        self.labels.extend(batch.labels if batch.labels is not None else [None] * batch.size)
        self.images.extend(batch.images)
        self.texts.extend(batch.texts)
        self.spans.extend(batch.spans)
        if batch.spans:
            # Token ids are small beside activations; with them a text's tokens can be read again.
            self.inputs.append(batch)
        self.count += batch.size

    def settle(self, labels: Any, names: Sequence[str] | None) -> None:
        """Bring everything into the data's order, and the labels to codes; no more comes."""
        place = np.concatenate(self.place)
        # Where reading was stopped, samples are missing: those that are there move up.
        self.there, place = np.unique(place, return_inverse=True)
        if labels is not None and len(labels) > self.count:
            labels = [labels[i] for i in self.there.tolist()]
        self.order = np.argsort(place, kind="stable")
        if (self.order != np.arange(len(place))).any():
            for name in ("labels", "images", "texts", "spans"):
                setattr(self, name, _ordered(getattr(self, name), self.order))
        sizes = [len(part) for part in self.place]
        self.home, self.row = np.empty((2, len(place)), np.intp)
        self.home[place] = np.repeat(np.arange(len(sizes)), sizes)
        self.row[place] = np.concatenate([np.arange(size) for size in sizes])
        if labels is None and any(row is not None for row in self.labels):
            labels = self.labels
        self.codes, self.label_names = encode_labels(
            labels, self.count, names if labels is not None else None
        )

    def samples(self, count: int, item: np.ndarray | None, token: np.ndarray | None) -> Samples:
        """What each of `count` rows was."""
        if self.texts and len(self.texts) == self.count:
            return Samples(count, texts=self.texts, spans=self.spans, item=item, token=token)
        if self.images and len(self.images) == self.count:
            return Samples(count, images=self.images, item=item, token=token)
        return Samples(count, item=item, token=token)


class Kept:
    """The rows of one layer."""

    def __init__(self) -> None:
        self._rows: list[np.ndarray] = []
        self._item: list[np.ndarray] = []
        self._token: list[np.ndarray] = []

    def add(self, rows: torch.Tensor, where: torch.Tensor | None, place: np.ndarray) -> None:
        """Rows of a batch, their samples and positions in it, and its samples' places."""
        self._rows.append(rows.cpu().numpy())
        if where is not None:
            at = where.cpu().numpy()
            self._item.append(place[at[:, 0]])
            self._token.append(at[:, 1].astype(np.int32))

    def activations(self, layer: str, unit: str, seen: Seen, reader: LayerReader) -> Activations:
        item = token = None
        order = seen.order
        if self._item:
            item, token = np.concatenate(self._item), np.concatenate(self._token)
            item = np.searchsorted(seen.there, item)
            order = np.lexsort((token, item))
            item, token = item[order], token[order]
        values = _laid(self._rows, order)
        if len(values) == 0:
            raise ValueError(f"layer {layer!r}: no token is left in the data.")
        codes = seen.codes
        if codes is not None and item is not None:
            codes = codes[item]
        samples = seen.samples(len(values), item, token)
        read_again = None
        if len(seen.spans) == seen.count and seen.inputs:
            read_again = _TokenReader(reader, seen, samples)
        return Activations(layer, values, samples, codes, seen.label_names, unit, read_again)


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

    def __init__(self, reader: LayerReader, seen: Seen, samples: Samples) -> None:
        self._reader, self._seen, self._samples = reader, seen, samples

    def __call__(self, rows: Sequence[int], direction: np.ndarray) -> list[np.ndarray]:
        seen = self._seen
        items = [self._samples.item_of(int(row)) for row in rows]
        distinct = sorted(set(items))
        found: dict[int, np.ndarray] = {}
        home = seen.home[distinct]
        for b in np.unique(home):
            mine = [item for item, h in zip(distinct, home, strict=True) if h == b]
            batch = seen.inputs[int(b)]
            part = Batch(batch.part(seen.row[mine].tolist()).inputs, len(mine))
            found.update(zip(mine, self._reader.tokens(part, direction), strict=False))
        empty = np.zeros(0, np.float32)
        return [found.get(item, empty) for item in items]
