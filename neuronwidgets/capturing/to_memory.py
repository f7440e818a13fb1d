"""Every row, in the CPU's memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.io import gaps
from neuronwidgets.activations.samples import Samples
from neuronwidgets.capturing.collecting import Codes
from neuronwidgets.capturing.rows import HostRows, LayerRows
from neuronwidgets.capturing.tokens import TokenReader, token_ids
from neuronwidgets.core.labels import encode_labels, in_order
from neuronwidgets.data.batch import Batch

Tokens = Callable[[str, Sequence[np.ndarray], Sequence[int], Samples], TokenReader | None]
"""Of a layer, its texts' token ids and padding: what reads the tokens of some samples again."""


class Memory:
    """Keeps all rows of some layers, and what the samples were, which the layers share."""

    def __init__(
        self, layers: list[str], unit: str, labels: Any, names: Sequence[str] | None,
        codes: Codes, tokens: Tokens,
    ) -> None:  # fmt: skip
        self._unit, self._given, self._names, self._tokens = unit, labels, names, tokens
        self._codes, self._of_words = codes, False
        self._rows: dict[str, list[HostRows]] = {name: [] for name in layers}
        self._place: list[np.ndarray] = []
        self._faces: dict[str, list[Any]] = {
            name: [] for name in ("labels", "images", "texts", "spans", "ids", "padding", "origin")
        }
        self.count = 0

    def add(self, batch: Batch, place: np.ndarray, rows: list[HostRows]) -> None:
        """A batch, where its samples stand in the data, and its rows of all layers."""
        for part in rows:
            self._rows[part.rows.layer].append(part)
        self._place.append(place)
        self._of_words = self._of_words or bool(batch.words)
        found = {
            "labels": batch.labels or [None] * batch.size,
            "images": batch.images,
            "texts": batch.texts,
            "spans": batch.spans,
            "origin": () if batch.origin is None else batch.origin.tolist(),
        } | token_ids(batch)
        for name, values in found.items():
            self._faces[name].extend(values)
        self.count += batch.size

    def result(self, last: bool = True) -> dict[str, Activations]:
        """What there is so far, in the data's order; with `last`, nothing more may come."""
        if not self.count:
            raise ValueError("data is empty: at least one sample is needed.")
        # Where reading was stopped, samples are missing: those that are there move up.
        there, place = np.unique(np.concatenate(self._place), return_inverse=True)
        order = np.argsort(place, kind="stable")
        faces: dict[str, Any] = {
            name: [rows[i] for i in order.tolist()] if len(rows) == self.count else []
            for name, rows in self._faces.items()
        }
        faces["origin"] = np.array(faces["origin"], np.int64) if faces["origin"] else None
        labels = None
        if self._given is not None:
            item = there if faces["origin"] is None else faces["origin"]
            labels = [self._given[i] for i in item.tolist()]
        elif any(label is not None for label in faces["labels"]):
            labels = faces["labels"]
        named = self._names if labels is not None else None
        coded = (None, ()) if self._of_words else encode_labels(labels, self.count, named)
        return {
            name: self._activations(name, rows, there, faces, *coded, last)
            for name, rows in self._rows.items()
        }

    def _activations(
        self,
        layer: str,
        rows: list[HostRows],
        there: np.ndarray,
        faces: dict[str, Any],
        codes: np.ndarray | None,
        names: tuple[str, ...],
        last: bool,
    ) -> Activations:
        sample = np.concatenate([part.rows.sample for part in rows])
        excluded = np.concatenate([part.rows.excluded for part in rows])
        if not len(sample):
            why = "every row holds NaN" if len(excluded) else "no token is left in the data"
            raise ValueError(f"layer {layer!r}: {why}.")
        item = np.searchsorted(there, sample)
        token = None
        if rows[0].rows.position is not None:
            positions = [p.rows.position for p in rows if p.rows.position is not None]
            token = np.concatenate(positions)
            order = np.lexsort((token, item))
            token = token[order]
        else:
            order = np.argsort(item, kind="stable")
        item = item[order]
        if codes is not None:
            codes = codes[item]
        elif self._of_words:
            found = np.concatenate([_codes(part.rows) for part in rows])
            about = self._codes.about()
            codes, names = in_order(found[order], about["names"], about["order"])
        values = _laid([part.values for part in rows], order)
        if last:
            rows.clear()
        samples = Samples(
            len(values),
            images=faces["images"],
            texts=faces["texts"],
            spans=faces["spans"],
            item=None if token is None and len(item) == self.count else item,
            token=token,
            origin=faces["origin"],
            place=gaps(there),
        )
        tokens = self._tokens(layer, faces["ids"], faces["padding"], samples)
        return Activations(layer, values, samples, codes, names, self._unit, tokens, excluded)


def _codes(rows: LayerRows) -> np.ndarray:
    return np.full(len(rows.sample), -1) if rows.code is None else rows.code


def _laid(parts: list[np.ndarray], order: np.ndarray) -> np.ndarray:
    """The rows of all parts in an order, `out[i] = all[order[i]]`."""
    out = np.empty((len(order), parts[0].shape[1]), parts[0].dtype)
    to = np.empty(len(order), np.intp)
    to[order] = np.arange(len(order))
    first = 0
    for part in parts:
        out[to[first : first + len(part)]] = part
        first += len(part)
    return out
