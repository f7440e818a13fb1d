"""A linear head on the masked layer: does the layer still hold a label that the mask hides?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from neuronwidgets.core.layer_place import At
from neuronwidgets.core.modes import own_modes
from neuronwidgets.interventions.edited_forward import EditedBatch
from neuronwidgets.interventions.intervention import Intervention
from neuronwidgets.interventions.positions import Positions

LIMIT = 1 << 31
"""Bytes: more representations than 2 GiB are refused, since all are kept in memory."""
PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Ridge penalties, on standardised values, from which leave-one-out errors choose."""


class Representations:
    """Each sample's layer output (or input), its mean over positions, in the base pass and under
    each edit."""

    def __init__(self, layer: str, passes: int, expected: int | None, at: At = "output") -> None:
        self._layer, self._expected, self._at = layer, expected, at
        self._parts: list[list[np.ndarray]] = [[] for _ in range(passes)]

    def outputs(
        self, batch: EditedBatch, edits: Sequence[Intervention], inputs: Any, size: int
    ) -> Iterator[Any]:
        """The outputs of `batch.all(edits)`; keeps the layer's output of each pass."""
        mask = inputs["attention_mask"] if _has(inputs, "attention_mask") else None
        yield batch.base
        for v, edit in enumerate([None, *edits]):
            recording = _RecordingEdit(self._layer, edit, self._at)
            output = batch.under(recording)
            self._parts[v].append(self._means(recording.outputs, mask, size))
            if edit is not None:
                yield output

    def _means(
        self, outputs: Sequence[torch.Tensor], mask: torch.Tensor | None, size: int
    ) -> np.ndarray:
        """Each sample's mean over its positions: float32 `B x D`."""
        values = outputs[-1] if outputs else torch.zeros(0)
        if values.shape[:1] != (size,):
            raise ValueError(
                f"layer {self._layer!r} does not have the {size} samples on the first axis of its "
                f"{self._at}, whose shape is {tuple(values.shape)}: leave head out."
            )
        values = values.float().flatten(1, -2) if values.ndim > 2 else values.float()[:, None]
        if mask is not None and mask.shape == values.shape[:2]:
            share = mask.to(values).clamp(0, 1)
            share = share / share.sum(1, keepdim=True).clamp(min=1)
            means = torch.einsum("bt,btd->bd", share, torch.nan_to_num(values))
        else:
            means = values.mean(1)
        need = len(self._parts) * (self._expected or size) * means.shape[1] * 4
        if need > LIMIT:
            raise ValueError(
                f"head=True keeps {len(self._parts)} x {self._expected or size:,} representations "
                f"of {means.shape[1]:,} neurons, {need / 2**30:.1f} GiB of at most "
                f"{LIMIT >> 30}: pass fewer samples, widths or labels."
            )
        return means.cpu().numpy()

    @own_modes()
    def right(self, truth: np.ndarray) -> np.ndarray:
        """Whether a linear head, trained on the other half of the samples, predicts each sample's
        class: bool `V x S`."""
        # Passes over an interrupted batch have more samples than `truth`.
        return np.stack(
            [_right(np.concatenate(parts)[: len(truth)], truth) for parts in self._parts]
        )


def _right(values: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """`Representations.right` for one pass, by scikit-learn's ridge classifier: bool `S`."""
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.preprocessing import StandardScaler

    half = _halves(truth)
    correct = np.zeros(len(truth), bool)
    for fold in (0, 1):
        train, test = half != fold, half == fold
        kinds = np.unique(truth[train])
        if len(kinds) < 2:
            correct[test] = np.isin(truth[test], kinds)
            continue
        scaler = StandardScaler().fit(values[train])
        head = RidgeClassifierCV(PENALTIES).fit(scaler.transform(values[train]), truth[train])
        correct[test] = head.predict(scaler.transform(values[test])) == truth[test]
    return correct


def _halves(truth: np.ndarray) -> np.ndarray:
    """0 or 1 for each sample; each class has as many of both, or one more 0 or 1."""
    order = np.argsort(truth, kind="stable")
    half = np.empty(len(truth), np.int64)
    half[order] = np.arange(len(truth)) % 2
    return half


def _has(inputs: Any, name: str) -> bool:
    return hasattr(inputs, "keys") and inputs.get(name) is not None


@dataclass(frozen=True, eq=False)
class _RecordingEdit:
    """An edit, or none, that records the layer's edited output or input."""

    layer: str
    edit: Intervention | None
    at: At
    outputs: list[torch.Tensor] = field(default_factory=list)

    @property
    def positions(self) -> Positions:
        return None if self.edit is None else self.edit.positions

    @property
    def first(self) -> bool:
        return getattr(self.edit, "first", True)

    @property
    def call(self) -> int | None:
        return None if self.edit is None else self.edit.call

    def width(self) -> int | None:
        return None if self.edit is None else self.edit.width()

    def prepared(self, like: torch.Tensor) -> Callable[..., torch.Tensor]:
        edited = None if self.edit is None else self.edit.prepared(like)

        def change(values: torch.Tensor, in_place: bool = False) -> torch.Tensor:
            values = values if edited is None else edited(values, in_place)
            self.outputs.append(values)
            return values

        return change
