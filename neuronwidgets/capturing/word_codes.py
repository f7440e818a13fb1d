"""Labels of words: codes for each of them, and for the tokens that they become."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np

from neuronwidgets.capturing.collecting import Codes
from neuronwidgets.core.labels import Label, plain_labels
from neuronwidgets.data.batch import Batch, Raw, WordLabels

Coded = np.ndarray | Sequence[np.ndarray] | None
"""Codes of a batch's labels: int64, one for each sample, or of each sample one for each word."""


def nested(labels: Any) -> bool:
    """Whether these are labels of words: a list for each sample."""
    if isinstance(labels, str | bytes | Mapping | Set) or not isinstance(labels, Iterable):
        return False
    if getattr(labels, "ndim", 1) == 0 or hasattr(labels, "columns"):
        return False
    first = next((row for row in labels if row is not None), None)
    return isinstance(first, list | tuple) or getattr(first, "ndim", 0) == 1


def labels_of_samples(labels: Any) -> list[Label] | None:
    """Each sample's label, see `plain_labels`."""
    if labels is None:
        return None
    if nested(labels) and len({len(row) for row in labels if row is not None}) > 1:
        raise ValueError(
            "labels has lists of different lengths, as labels of words are: those go with "
            "unit='token'. One label per sample is needed."
        )
    return plain_labels(labels)


def coded(codes: Codes, place: np.ndarray, batch: Batch | Raw) -> Coded:
    """The codes of a batch's labels, whichever they are."""
    rows = batch.labels or ()
    if not any(isinstance(row, WordLabels) for row in rows):
        return codes.of(place, batch)
    parts = [row.labels if isinstance(row, WordLabels) else [] for row in rows]
    flat = [label for row in parts for label in row]
    found = codes.of(np.arange(len(flat)), Raw(flat, flat)) if flat else np.zeros(0, np.int64)
    if found is None:
        return None
    return np.split(found, np.cumsum([len(row) for row in parts])[:-1])


def of_tokens(codes: Coded, batch: Batch, row: np.ndarray, position: np.ndarray) -> Any:
    """The codes of a batch's tokens, int64 `N`: token `position` of its `row`, `N` each."""
    if codes is None or isinstance(codes, np.ndarray):
        return None if codes is None else codes[row]
    each = [
        np.append(code, -1)[np.where(words < len(code), words, -1)]
        for code, words in zip(codes, batch.words, strict=True)
    ]
    return np.stack(each)[row, position]
