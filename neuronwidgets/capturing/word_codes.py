"""Label codes of words, and of the tokens in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np

from neuronwidgets.capturing.collecting import LabelCodes
from neuronwidgets.core.labels import Label, plain_labels
from neuronwidgets.data.batch import Batch, Raw, WordLabels

Coded = np.ndarray | Sequence[np.ndarray] | None
"""Codes of a batch's labels: int64 `B`, or for each sample int64 `W`, one per word."""


def reread(labels: Any) -> Any:
    """`labels`, as a list if it can be read only once (`map(int, column)`, a generator).

    `nested` and what follows each read them from the beginning.
    """
    return list(labels) if isinstance(labels, Iterator) else labels


def nested(labels: Any) -> bool:
    """Whether `labels` holds a list for each sample, as labels of words do."""
    if isinstance(labels, str | bytes | Mapping | Set) or not isinstance(labels, Iterable):
        return False
    if getattr(labels, "ndim", 1) == 0 or hasattr(labels, "columns"):
        return False
    first = next((row for row in labels if row is not None), None)
    return isinstance(first, list | tuple) or getattr(first, "ndim", 0) == 1


def labels_of_samples(labels: Any) -> list[Label] | None:
    """One label per sample, see `plain_labels`.

    Raises:
        ValueError: labels of words.
    """
    if labels is None:
        return None
    if nested(labels) and len({len(row) for row in labels if row is not None}) > 1:
        raise ValueError(
            "labels must have one label per sample, got lists of different lengths. Labels of "
            "words work with pooling='token' only."
        )
    return plain_labels(labels)


def coded(codes: LabelCodes, dataset_index: np.ndarray, batch: Batch | Raw) -> Coded:
    """The codes of a batch's labels, of samples or of words."""
    rows = batch.labels or ()
    if not any(isinstance(row, WordLabels) for row in rows):
        return codes.of(dataset_index, batch)
    parts = [row.labels if isinstance(row, WordLabels) else [] for row in rows]
    flat = [label for row in parts for label in row]
    flat_codes: np.ndarray | None = np.zeros(0, np.int64)
    if flat:  # of the user or of the data
        flat_codes = codes.of(np.arange(len(flat)), Raw(flat, flat), classes=True)
    if flat_codes is None:
        return None
    return np.split(flat_codes, np.cumsum([len(row) for row in parts])[:-1])


def of_tokens(codes: Coded, batch: Batch, row: np.ndarray, position: np.ndarray) -> Any:
    """The codes of a batch's tokens: int64 `N`, or `None`.

    Args:
        codes: the codes of the batch.
        batch: the batch.
        row, position: int64 `N`, the row and the token of each.
    """
    if codes is None or isinstance(codes, np.ndarray):
        return None if codes is None else codes[row]
    token_codes = [
        np.append(code, -1)[np.where(words < len(code), words, -1)]
        for code, words in zip(codes, batch.words, strict=True)
    ]
    return np.stack(token_codes)[row, position]
