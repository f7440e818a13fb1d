"""Range masks and neuron masks: arXiv 2502.06809, step 3."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import torch
from torch import nn

from neuronwidgets.activations import how_many
from neuronwidgets.interventions.intervention import applied

if TYPE_CHECKING:
    from collections.abc import Iterable

To = Literal["zero", "mean", "soft", "factor"]
TO: tuple[str, ...] = ("zero", "mean", "soft", "factor")
SOFT = 0.125
"""The authors' slope of the soft mask."""


class HasRanges(Protocol):
    """What a range mask needs of `Ranges`."""

    layer: str
    label_names: tuple[str, ...]
    count: np.ndarray
    mean: np.ndarray
    magnitude: np.ndarray

    def label(self, label: Any) -> int: ...
    def intervals(self, label: Any, tau: float = ...) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class NeuronEdit:
    """Replace chosen neurons where their activation lies in an interval.

    Attributes:
        layer: which layer's output.
        neurons: int64 `k`.
        low, high: float64 `k`, each neuron's interval, ends included; infinite for all values.
        to: "zero"; "mean" (`value`); "soft": `h * 0.125 |h - centre| / half-width`; "factor":
            `h * factor`.
        value: float64 `k`, each neuron's mean, for "mean".
        factor: for "factor".
        neurons_in_layer: `D`, to refuse another layer; `None` if unknown.
        positions: which tokens are edited, negative from the end; `None`: all.
    """

    layer: str
    neurons: np.ndarray
    low: np.ndarray
    high: np.ndarray
    to: To = "zero"
    value: np.ndarray | None = None
    factor: float = 0.0
    neurons_in_layer: int | None = None
    positions: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.to not in TO:
            raise ValueError(f"to={self.to!r}; one of {', '.join(map(repr, TO))} is needed.")
        if self.to == "mean" and self.value is None:
            raise ValueError("to='mean' needs value, the neurons' means.")
        if self.to == "soft" and not (np.isfinite(self.low) & np.isfinite(self.high)).all():
            raise ValueError("to='soft' needs finite ranges: it fades towards their ends.")
        index = np.asarray(self.neurons)
        wide = self.neurons_in_layer
        if index.ndim != 1 or (len(index) and (index.dtype.kind not in "iu" or index.min() < 0)):
            raise ValueError("neurons must be whole numbers of at least 0.")
        if wide is not None and len(index) and index.max() >= wide:
            raise IndexError(f"neuron {index.max()} is not in layer {self.layer!r}, which has "
                             f"{wide:,} neurons: 0 to {wide - 1:,}.")  # fmt: skip
        if len(np.unique(index)) != len(index):
            raise ValueError("neurons names a neuron twice.")

    def width(self) -> int | None:
        return self.neurons_in_layer

    def prepared(self, like: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
        """The edit, with its constants on the device and in the dtype of `like`."""

        def there(array: np.ndarray) -> torch.Tensor:
            return torch.as_tensor(np.asarray(array, np.float64), device=like.device)

        index = torch.as_tensor(np.asarray(self.neurons, np.int64), device=like.device)
        # Compared in float32: half precision would move the ends.
        low, high = there(self.low).float(), there(self.high).float()
        mean = there(self.value).to(like.dtype) if self.value is not None else None
        everywhere = bool(np.isneginf(self.low).all() and np.isposinf(self.high).all())

        def new(old: torch.Tensor) -> torch.Tensor:
            if self.to == "mean" and mean is not None:
                return mean.expand_as(old)
            if self.to == "factor":
                return old * self.factor
            if self.to == "soft":
                half = ((high - low) / 2).clamp(min=torch.finfo(torch.float32).tiny)
                share = (old.float() - (low + high) / 2).abs() / half
                return (old.float() * SOFT * share).to(old.dtype)
            return torch.zeros_like(old)

        def change(values: torch.Tensor) -> torch.Tensor:
            if index.numel() == 0:
                return values
            old = values.index_select(-1, index)
            made = new(old)
            if not everywhere:
                exact = old.float()
                made = torch.where((exact >= low) & (exact <= high), made, old)
            return values.index_copy(values.ndim - 1, index, made)

        return change


def _chosen(ranges: HasRanges, c: int, neurons: Iterable[int] | None, top: float) -> np.ndarray:
    if neurons is None:
        magnitude = ranges.magnitude[c]
        return np.argsort(-magnitude, kind="stable")[: how_many(top, len(magnitude))]
    return np.asarray(list(neurons), np.int64).reshape(-1)


def overall_mean(ranges: HasRanges) -> np.ndarray:
    """Each neuron's mean over all labels' samples."""
    return (ranges.count[:, None] * ranges.mean).sum(axis=0) / ranges.count.sum()


@contextmanager
def mask_range(
    model: nn.Module,
    ranges: HasRanges,
    label: Any,
    tau: float = 2.0,
    top: float = 0.3,
    *,
    neurons: Sequence[int] | np.ndarray | None = None,
    to: To = "zero",
    factor: float = 0.0,
    positions: Sequence[int] | None = None,
    neuron_axis: int | None = None,
) -> Iterator[NeuronEdit]:
    """Remove one label's range from the model, while the `with` lasts.

    A salient neuron `j` is replaced where it lies in `[mean - tau * std, mean + tau * std]` of the
    label's activations, and left alone elsewhere.

    Args:
        model: any `torch.nn.Module` with the layer of `ranges`.
        ranges: `nw.ranges(acts)`.
        label: a label's name or number.
        tau: half-width of the range in standard deviations (the paper: 2.0 to 2.5).
        top: how many salient neurons, a share or a number, by mean absolute activation.
        neurons: these neurons instead, e.g. `nw.salient(acts, label, "probe").neurons`.
        to: "zero", the neuron's "mean" over all labels, "soft" or "factor", see `NeuronEdit`.
        positions: only these tokens, negative from the end; in `generate`, of each step's input.
        neuron_axis: which axis of the layer's output holds the neurons, if not the usual one.

    Yields:
        the `NeuronEdit`, which can be saved.
    """
    c = ranges.label(label)
    index = _chosen(ranges, c, neurons, top)
    wide = ranges.mean.shape[1]
    if len(index) and not (index.min() >= 0 and index.max() < wide):
        raise IndexError(f"neurons must be from 0 to {wide - 1}; {index.min()} to {index.max()} "
                         "were given.")  # fmt: skip
    low, high = ranges.intervals(label, tau)[index].T
    edit = NeuronEdit(
        ranges.layer, index, low, high, to, overall_mean(ranges)[index], factor, wide,
        None if positions is None else tuple(positions),
    )  # fmt: skip
    with applied(model, edit, neuron_axis):
        yield edit


@contextmanager
def mask_neurons(
    model: nn.Module,
    ranges: HasRanges,
    label: Any,
    top: float = 0.3,
    *,
    neurons: Sequence[int] | np.ndarray | None = None,
    to: To = "zero",
    factor: float = 0.0,
    positions: Sequence[int] | None = None,
    neuron_axis: int | None = None,
) -> Iterator[NeuronEdit]:
    """Mask a label's salient neurons whole: the range mask at `tau = inf`."""
    with mask_range(
        model, ranges, label, float("inf"), top, neurons=neurons, to=to, factor=factor,
        positions=positions, neuron_axis=neuron_axis,
    ) as edit:  # fmt: skip
        yield edit
