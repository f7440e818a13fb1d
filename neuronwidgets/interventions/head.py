"""Whether a label that a mask hides from the model can still be read from the masked layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from neuronwidgets.core.modes import own_modes
from neuronwidgets.interventions.edited_forward import Batched
from neuronwidgets.interventions.intervention import Intervention
from neuronwidgets.interventions.positions import Positions

MOST = 1 << 31
"""Bytes of representations: 2 GiB."""
PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0)


class Representations:
    """Each sample's layer output, its mean over positions, in the base pass and under each edit."""

    def __init__(self, layer: str, passes: int, expected: int | None) -> None:
        self._layer, self._expected = layer, expected
        self._parts: list[list[np.ndarray]] = [[] for _ in range(passes)]

    def outputs(
        self, batched: Batched, edits: Sequence[Intervention], inputs: Any, size: int
    ) -> Iterator[Any]:
        """`batched.all(edits)`, remembering the layer on the way."""
        mask = inputs["attention_mask"] if _has(inputs, "attention_mask") else None
        yield batched.base
        for v, edit in enumerate([None, *edits]):
            watched = _Watched(self._layer, edit)
            output = batched.under(watched)
            self._parts[v].append(self._means(watched.seen, mask, size))
            if edit is not None:
                yield output

    def _means(
        self, seen: Sequence[torch.Tensor], mask: torch.Tensor | None, size: int
    ) -> np.ndarray:
        values = seen[-1] if seen else torch.zeros(0)
        if values.shape[:1] != (size,):
            raise ValueError(
                f"head=True needs the samples on the first axis of layer {self._layer!r}; for "
                f"{size} samples its output has shape {tuple(values.shape)}: leave head out."
            )
        values = values.float().flatten(1, -2) if values.ndim > 2 else values.float()[:, None]
        if mask is not None and mask.shape == values.shape[:2]:
            share = mask.to(values).clamp(0, 1)
            share = share / share.sum(1, keepdim=True).clamp(min=1)
            found = torch.einsum("bt,btd->bd", share, torch.nan_to_num(values))
        else:
            found = values.mean(1)
        need = len(self._parts) * (self._expected or size) * found.shape[1] * 4
        if need > MOST:
            raise ValueError(
                f"head=True keeps {len(self._parts)} x {self._expected or size:,} representations "
                f"of {found.shape[1]:,} neurons, {need / 2**30:.1f} GiB of at most "
                f"{MOST >> 30}: pass fewer samples, widths or labels."
            )
        return found.cpu().numpy()

    @own_modes()
    def right(self, truth: np.ndarray) -> np.ndarray:
        """Whether a linear head that was trained on the other half of the samples predicts each
        sample's class: bool `V x S`."""
        return np.stack([_right(np.concatenate(parts), truth) for parts in self._parts])


def _right(values: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """By a ridge classifier (scikit-learn) whose penalty leave-one-out errors choose."""
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.preprocessing import StandardScaler

    half = _halves(truth)
    found = np.zeros(len(truth), bool)
    for fold in (0, 1):
        train, test = half != fold, half == fold
        kinds = np.unique(truth[train])
        if len(kinds) < 2:
            found[test] = np.isin(truth[test], kinds)
            continue
        scaler = StandardScaler().fit(values[train])
        head = RidgeClassifierCV(PENALTIES).fit(scaler.transform(values[train]), truth[train])
        found[test] = head.predict(scaler.transform(values[test])) == truth[test]
    return found


def _halves(truth: np.ndarray) -> np.ndarray:
    """0 or 1 for each sample, as many of each in every class."""
    order = np.argsort(truth, kind="stable")
    half = np.empty(len(truth), np.int64)
    half[order] = np.arange(len(truth)) % 2
    return half


def _has(inputs: Any, name: str) -> bool:
    return hasattr(inputs, "keys") and inputs.get(name) is not None


@dataclass(frozen=True, eq=False)
class _Watched:
    """An edit (or none) that remembers what it leaves in the layer."""

    layer: str
    edit: Intervention | None
    seen: list[torch.Tensor] = field(default_factory=list)

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
        made = None if self.edit is None else self.edit.prepared(like)

        def change(values: torch.Tensor, in_place: bool = False) -> torch.Tensor:
            values = values if made is None else made(values, in_place)
            self.seen.append(values)
            return values

        return change
