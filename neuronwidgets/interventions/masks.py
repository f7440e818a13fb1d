"""Range masks and neuron masks: arXiv 2502.06809, step 3."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import nn

from neuronwidgets.activations.how_many import how_many
from neuronwidgets.core.checks import number, one_of
from neuronwidgets.core.modes import own_modes
from neuronwidgets.interventions.intervention import applied
from neuronwidgets.interventions.positions import Positions, token_positions
from neuronwidgets.models.layers import layer_name

To = Literal["zero", "mean", "soft", "factor"]
TO: tuple[str, ...] = ("zero", "mean", "soft", "factor")
SOFT = 0.125
"""The authors' slope of the soft mask."""
DENSE = 8
"""From an eighth of the layer's neurons on, a mask works on the whole layer."""


class HasRanges(Protocol):
    """What a range mask needs of `Ranges`."""

    @property
    def layer(self) -> str: ...
    @property
    def label_names(self) -> tuple[str, ...]: ...
    @property
    def count(self) -> np.ndarray: ...
    @property
    def mean(self) -> np.ndarray: ...
    @property
    def std(self) -> np.ndarray: ...
    @property
    def magnitude(self) -> np.ndarray: ...
    def label(self, label: Any) -> int: ...
    def intervals(self, label: Any, tau: float = ..., rule: str = ...) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class NeuronEdit:
    """Replace chosen neurons where their activation lies in an interval.

    Attributes:
        layer: which layer's output.
        neurons: int64 `k`.
        low, high: float64 `k x P`, each neuron's interval, in one or several pieces, ends included;
            infinite for all values, NaN where a neuron has fewer pieces. `k` for one piece each.
        to: "zero"; "mean" (`value`); "soft": `h * 0.125 |h - centre| / half-width`; "factor":
            `h * factor`.
        value: float64 `k`, each neuron's mean, for "mean".
        factor: for "factor".
        neurons_in_layer: `D`, to refuse another layer; `None` if unknown.
        positions: which tokens are edited, negative from the end; `None`: all.
        call: which of the layer's answers in a pass is edited, from 0; `None`: every one.
    """

    layer: str
    neurons: np.ndarray
    low: np.ndarray
    high: np.ndarray
    to: To = "zero"
    value: np.ndarray | None = None
    factor: float = 0.0
    neurons_in_layer: int | None = None
    positions: Positions = None
    call: int | None = None

    def __post_init__(self) -> None:
        one_of("to", self.to, TO)
        if self.to == "mean" and self.value is None:
            raise ValueError("to='mean' needs value, the neurons' means.")
        if self.factor != 0 and self.to != "factor":
            raise ValueError(f"factor={self.factor} is of to='factor', and to={self.to!r}.")
        object.__setattr__(self, "factor", number("factor", self.factor))
        object.__setattr__(self, "positions", token_positions(self.positions))
        index = np.asarray(self.neurons)
        for name in ("low", "high"):
            ends = np.asarray(getattr(self, name), np.float64)
            if ends.ndim not in (1, 2) or len(ends) != len(index):
                raise ValueError(f"{name} has shape {ends.shape}; {len(index)} neurons x pieces is "
                                 "needed.")  # fmt: skip
            object.__setattr__(self, name, ends if ends.ndim == 2 else ends[:, None])
        if self.low.shape != self.high.shape:
            raise ValueError(f"low has shape {self.low.shape} and high {self.high.shape}.")
        for at in np.argwhere(self.low > self.high)[:1]:
            raise ValueError(
                f"the interval of neuron {index[at[0]]} runs from {self.low[tuple(at)]:.4g} to "
                f"{self.high[tuple(at)]:.4g}: its ends are swapped."
            )
        if self.to == "soft" and (np.isinf(self.low) | np.isinf(self.high)).any():
            raise ValueError("to='soft' needs finite ranges: it fades towards their ends.")
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

    @own_modes()
    def prepared(self, like: torch.Tensor) -> Callable[..., torch.Tensor]:
        """The edit, with its constants on the device and in the dtype of `like`."""

        def there(array: np.ndarray) -> torch.Tensor:
            return torch.as_tensor(np.ascontiguousarray(array), device=like.device)

        index = there(np.asarray(self.neurons, np.int64))
        width = like.shape[-1]
        if len(self.neurons) and self.neurons.max() >= width:
            raise IndexError(
                f"neuron {self.neurons.max()} is not in layer {self.layer!r}, which has {width:,} "
                f"neurons: 0 to {width - 1:,}."
            )
        # Many neurons: the whole layer is compared, which is cheaper than taking them out.
        whole = self.to != "soft" and len(self.neurons) * DENSE >= width

        def placed(values: np.ndarray, elsewhere: float) -> np.ndarray:
            if not whole:
                return values
            spread = np.full(width, elsewhere, values.dtype)
            spread[self.neurons] = values
            return spread

        # Compared in float32: half precision would move the ends.
        pieces = [
            (
                there(placed(outward(low, -np.inf), np.nan)),
                there(placed(outward(high, np.inf), np.nan)),
            )
            for low, high in zip(self.low.T, self.high.T, strict=True)
        ]
        mean = None
        if self.value is not None:
            mean = there(placed(np.asarray(self.value, "f8"), 0.0)).to(like.dtype)
        always = None
        if len(pieces) == 1 and np.isneginf(self.low).all() and np.isposinf(self.high).all():
            always = there(placed(np.ones(len(self.neurons), bool), False))

        def inside(exact: torch.Tensor) -> torch.Tensor:
            if always is not None:
                return always
            found = (exact >= pieces[0][0]).logical_and_(exact <= pieces[0][1])
            for low, high in pieces[1:]:
                found.logical_or_((exact >= low).logical_and_(exact <= high))
            return found

        def soft(old: torch.Tensor) -> torch.Tensor:
            exact, new = old.float(), old
            for low, high in pieces:
                half = ((high - low) / 2).clamp(min=torch.finfo(torch.float32).tiny)
                share = (exact - (low + high) / 2).abs() / half
                near = (exact >= low) & (exact <= high)
                new = torch.where(near, (exact * SOFT * share).to(old.dtype), new)
            return new

        def made(old: torch.Tensor, in_place: bool) -> torch.Tensor:
            if self.to == "soft":
                return soft(old)
            where = inside(old.float())
            if self.to == "zero":
                return old.masked_fill_(where, 0) if in_place else old.masked_fill(where, 0)
            new = mean if self.to == "mean" and mean is not None else old * self.factor
            return torch.where(where, new, old)

        def change(values: torch.Tensor, in_place: bool = False) -> torch.Tensor:
            if index.numel() == 0:
                return values
            if whole:
                return made(values, in_place)
            last = values.ndim - 1
            new = made(values.index_select(last, index), True)
            if in_place:
                return values.index_copy_(last, index, new)
            return values.index_copy(last, index, new)

        return change


def outward(ends: np.ndarray, away: float) -> np.ndarray:
    """Ends in float32, rounded away from the interval: what belonged to it still does."""
    with np.errstate(over="ignore"):
        near = ends.astype(np.float32)
    beyond = near > ends if away < 0 else near < ends
    return np.where(beyond, np.nextafter(near, np.float32(away)), near)


def _chosen(ranges: HasRanges, c: int, neurons: Any, top: float) -> np.ndarray:
    if neurons is None:
        magnitude = ranges.magnitude[c]
        return np.argsort(-magnitude, kind="stable")[: how_many(top, len(magnitude))]
    return neuron_numbers(neurons, ranges.mean.shape[1])


def neuron_numbers(neurons: Any, width: int | None = None) -> np.ndarray:
    """Neurons as a user gives them: one, several, what `salient` gives, or a mask of `width`
    booleans. Returns int64 `k`.

    Raises:
        ValueError: numbers that are not whole, or a mask of another length.
    """
    neurons = getattr(neurons, "neurons", neurons)  # a Salient
    if hasattr(neurons, "detach"):
        neurons = neurons.detach().cpu().numpy()
    given = np.atleast_1d(np.asarray(list(neurons) if np.iterable(neurons) else neurons))
    if given.dtype == bool and given.shape == (width,):
        return np.flatnonzero(given)
    if not given.size:
        return np.zeros(0, np.int64)
    if given.ndim != 1 or given.dtype.kind not in "iu":
        of = "" if width is None else f" (or a mask of {width:,} booleans)"
        raise ValueError(
            f"neurons must be whole numbers{of}, got {given.dtype} of shape {given.shape}."
        )
    return given.astype(np.int64)


@own_modes()
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
    rule: str = "gaussian",
    neurons: Sequence[int] | np.ndarray | None = None,
    to: To = "mean",
    factor: float = 0.0,
    positions: Any = None,
    neuron_axis: int | None = None,
    call: int | None = None,
) -> Iterator[NeuronEdit]:
    """Remove one label's range from the model, while the `with` lasts.

    At every position (or those of `positions`): ranges that were made from means or maxima over
    positions tell where those lie, not single positions.

    A salient neuron `j` is replaced where it lies in the label's range, `[mean - tau * std,
    mean + tau * std]` by the "gaussian" rule, and left alone elsewhere.

    Args:
        model: any `torch.nn.Module` with the layer of `ranges`.
        ranges: `nw.ranges(acts)`.
        label: a label's name or number.
        tau: half-width of the range in standard deviations (the paper: 2.0 to 2.5).
        top: how many salient neurons, a share or a number, by mean absolute activation.
        rule: "gaussian", "quantile" or "discriminative", see `Ranges.intervals`.
        neurons: these neurons instead, or what `nw.salient(acts, label, "probe")` gives.
        to: the neuron's "mean" over all labels' samples; "zero" (arXiv 2502.06809), which where a
            neuron's mean is far from 0 pushes the model towards some label; "soft" or "factor", see
            `NeuronEdit`.
        factor: for to="factor".
        positions: only these tokens, one or several, negative from the end, or a slice; in
            `generate`, of each step's input.
        neuron_axis: which axis of the layer's output holds the neurons, if that cannot be told.
        call: which of the layer's answers in a pass is masked, from 0; not given: the one that the
            ranges are from.

    Yields:
        the `NeuronEdit`, which can be saved.
    """
    edit = range_edit(
        ranges, label, tau, top, rule=rule, neurons=neurons, to=to, factor=factor,
        positions=positions, call=call,
    )  # fmt: skip
    with applied(model, edit, neuron_axis):
        yield edit


@own_modes()
def range_edit(
    ranges: HasRanges, label: Any, tau: float = 2.0, top: float = 0.3, *, rule: str = "gaussian",
    neurons: Sequence[int] | np.ndarray | None = None, to: To = "mean", factor: float = 0.0,
    positions: Any = None, call: int | None = None,
) -> NeuronEdit:  # fmt: skip
    """The edit that `mask_range` applies."""
    if not hasattr(ranges, "intervals"):
        raise TypeError(f"ranges must be what nw.ranges(acts) gives, got a "
                        f"{type(ranges).__name__}.")  # fmt: skip
    c = ranges.label(label)
    index = _chosen(ranges, c, neurons, top)
    wide = ranges.mean.shape[1]
    if len(index) and not (index.min() >= 0 and index.max() < wide):
        raise IndexError(f"neurons must be from 0 to {wide - 1}; {index.min()} to {index.max()} "
                         "were given.")  # fmt: skip
    low, high = np.moveaxis(ranges.intervals(label, tau, rule)[index], -1, 0)
    if len(index) and np.isfinite(tau) and not ranges.std[c, index].any():
        raise ValueError(
            f"none of the {len(index)} neurons varies over the samples of "
            f"{ranges.label_names[c]!r}, so none has a range: choose others, or mask_neurons."
        )
    return NeuronEdit(
        ranges.layer, index, low, high, to, overall_mean(ranges)[index], factor, wide, positions,
        getattr(ranges, "call", None) if call is None else call,
    )  # fmt: skip


@contextmanager
def mask_neurons(
    model: nn.Module,
    ranges: HasRanges | str | nn.Module,
    label: Any,
    top: float = 0.3,
    *,
    neurons: Sequence[int] | np.ndarray | None = None,
    to: To = "zero",
    factor: float = 0.0,
    positions: Any = None,
    neuron_axis: int | None = None,
    call: int | None = None,
) -> Iterator[NeuronEdit]:
    """Mask neurons whole while the `with` lasts.

    `mask_neurons(model, ranges, label)` masks a label's salient neurons: the range mask at
    `tau = inf`, with its arguments. `mask_neurons(model, layer, [3, 5])` masks these neurons of a
    layer; it has no means, so `to` is "zero" or "factor". Both are zero ablation if `to` is not
    given; `to="mean"` leaves the model closer to what it knows.
    """
    if isinstance(ranges, str | nn.Module) or not hasattr(ranges, "intervals"):
        if neurons is not None:
            raise ValueError("neurons are given twice: mask_neurons(model, layer, [3, 5]).")
        layer: Any = ranges
        edit = _whole_neurons(
            layer_name(model, layer), neuron_numbers(label), to, factor, positions, call
        )
    else:
        edit = range_edit(
            ranges, label, float("inf"), top, neurons=neurons, to=to, factor=factor,
            positions=positions, call=call,
        )  # fmt: skip
    with applied(model, edit, neuron_axis):
        yield edit


def _whole_neurons(
    layer: str, neurons: np.ndarray, to: To, factor: float, positions: Any, call: int | None
) -> NeuronEdit:
    if to == "mean":
        raise ValueError(
            f"to='mean' needs the neurons' means: capture layer {layer!r} and pass "
            "nw.ranges(acts) instead of the layer's name."
        )
    ends = np.full(len(neurons), np.inf)
    return NeuronEdit(
        layer, neurons, -ends, ends, to, factor=factor, positions=positions, call=call
    )
