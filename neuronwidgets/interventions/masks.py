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
from neuronwidgets.core.layer_place import At, at_of, checked_at, chosen_at
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.renamed import renamed, renamed_keyword
from neuronwidgets.interventions.intervention import applied
from neuronwidgets.interventions.positions import Positions, token_positions
from neuronwidgets.models.layers import layer_name

Replacement = Literal["zero", "mean", "soft", "factor"]
REPLACEMENTS: tuple[str, ...] = ("zero", "mean", "soft", "factor")
SOFT = 0.125
"""Factor of the soft mask at the ends of the range, from the authors' code."""
DENSE = 8
"""Neurons in the layer per masked neuron: with this many or fewer, comparing the whole layer is
cheaper than gathering the masked neurons."""


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
    def random_bands(self, neurons: Any, low: Any, high: Any, seed: int = ...) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class NeuronEdit:
    """Replace chosen neurons where their activation lies in an interval.

    Attributes:
        layer: the name of the edited layer.
        neurons: int64 `k`.
        low, high: float64 `k x P`, each neuron's interval in one or several pieces, ends included;
            infinite for all values, NaN where a neuron has fewer pieces. `k` for one piece each.
        replacement: what a masked value `h` becomes: "zero"; "mean" (`value`); "soft",
            `h * 0.125 |h - centre| / half-width`; "factor", `h * factor`.
        value: float64 `k`, each neuron's mean, for "mean".
        factor: the factor, for "factor".
        neurons_in_layer: `D`, so that another layer is refused; `None` if unknown.
        positions: the tokens that are edited, negative from the end; `None`: all.
        call: which of the layer's calls in a pass is edited, from 0; `None`: every one.
        at: whether the layer's "output" is edited or its "input".
    """

    layer: str
    neurons: np.ndarray
    low: np.ndarray
    high: np.ndarray
    replacement: Replacement = "zero"
    value: np.ndarray | None = None
    factor: float = 0.0
    neurons_in_layer: int | None = None
    positions: Positions = None
    call: int | None = None
    at: At = "output"

    def __post_init__(self) -> None:
        checked_at(self.at)
        one_of("replacement", self.replacement, REPLACEMENTS)
        if self.replacement == "mean" and self.value is None:
            raise ValueError("replacement='mean' has no means: pass value, one for each neuron.")
        if self.factor != 0 and self.replacement != "factor":
            raise ValueError(
                f"factor={self.factor} has no effect with replacement={self.replacement!r}: pass "
                "replacement='factor'."
            )
        object.__setattr__(self, "factor", number("factor", self.factor))
        object.__setattr__(self, "positions", token_positions(self.positions))
        index = np.asarray(self.neurons)
        for name in ("low", "high"):
            ends = np.asarray(getattr(self, name), np.float64)
            if ends.ndim not in (1, 2) or len(ends) != len(index):
                raise ValueError(f"{name} must be {len(index)} neurons x pieces, got shape "
                                 f"{ends.shape}.")  # fmt: skip
            object.__setattr__(self, name, ends if ends.ndim == 2 else ends[:, None])
        if self.low.shape != self.high.shape:
            raise ValueError(f"low and high must have one shape, got {self.low.shape} and "
                             f"{self.high.shape}.")  # fmt: skip
        for piece in np.argwhere(self.low > self.high)[:1]:
            raise ValueError(
                f"the interval of neuron {index[piece[0]]} has its ends swapped: it runs from "
                f"{self.low[tuple(piece)]:.4g} to {self.high[tuple(piece)]:.4g}."
            )
        if self.replacement == "soft" and (np.isinf(self.low) | np.isinf(self.high)).any():
            raise ValueError(
                "replacement='soft' scales by the range's width: it needs finite ranges."
            )
        wide = self.neurons_in_layer
        if index.ndim != 1 or (len(index) and (index.dtype.kind not in "iu" or index.min() < 0)):
            raise ValueError("neurons must be whole numbers of at least 0.")
        if wide is not None and len(index) and index.max() >= wide:
            raise IndexError(f"neuron {index.max()} is not in layer {self.layer!r}, which has "
                             f"{wide:,} neurons: 0 to {wide - 1:,}.")  # fmt: skip
        if len(np.unique(index)) != len(index):
            raise ValueError("neurons must be distinct, but one is given twice.")

    @property
    def to(self) -> Replacement:
        """The former name of `replacement`."""
        renamed("NeuronEdit.to", "NeuronEdit.replacement")
        return self.replacement

    def width(self) -> int | None:
        """`D`, the number of neurons in the layer; `None` if unknown."""
        return self.neurons_in_layer

    @own_modes()
    def prepared(self, like: torch.Tensor) -> Callable[..., torch.Tensor]:
        """The edit, with its constants on the device and in the dtype of `like`."""

        def on_device(array: np.ndarray) -> torch.Tensor:
            return torch.as_tensor(np.ascontiguousarray(array), device=like.device)

        index = on_device(np.asarray(self.neurons, np.int64))
        width = like.shape[-1]
        if len(self.neurons) and self.neurons.max() >= width:
            raise IndexError(
                f"neuron {self.neurons.max()} is not in layer {self.layer!r}, which has {width:,} "
                f"neurons: 0 to {width - 1:,}."
            )
        whole = self.replacement != "soft" and len(self.neurons) * DENSE >= width

        def whole_layer(values: np.ndarray, elsewhere: float) -> np.ndarray:
            if not whole:
                return values
            spread = np.full(width, elsewhere, values.dtype)
            spread[self.neurons] = values
            return spread

        # Compared in float32, since half precision would move the ends.
        pieces = [
            (
                on_device(whole_layer(outward(low, -np.inf), np.nan)),
                on_device(whole_layer(outward(high, np.inf), np.nan)),
            )
            for low, high in zip(self.low.T, self.high.T, strict=True)
        ]
        mean = None
        if self.value is not None:
            mean = on_device(whole_layer(np.asarray(self.value, "f8"), 0.0)).to(like.dtype)
        always = None
        if len(pieces) == 1 and np.isneginf(self.low).all() and np.isposinf(self.high).all():
            always = on_device(whole_layer(np.ones(len(self.neurons), bool), False))

        def inside(exact: torch.Tensor) -> torch.Tensor:
            if always is not None:
                return always
            masked = (exact >= pieces[0][0]).logical_and_(exact <= pieces[0][1])
            for low, high in pieces[1:]:
                masked.logical_or_((exact >= low).logical_and_(exact <= high))
            return masked

        def soft(old: torch.Tensor) -> torch.Tensor:
            exact, new = old.float(), old
            for low, high in pieces:
                half = ((high - low) / 2).clamp(min=torch.finfo(torch.float32).tiny)
                share = (exact - (low + high) / 2).abs() / half
                near = (exact >= low) & (exact <= high)
                new = torch.where(near, (exact * SOFT * share).to(old.dtype), new)
            return new

        def replaced(old: torch.Tensor, in_place: bool) -> torch.Tensor:
            if self.replacement == "soft":
                return soft(old)
            masked = inside(old.float())
            if self.replacement == "zero":
                return old.masked_fill_(masked, 0) if in_place else old.masked_fill(masked, 0)
            new = mean if self.replacement == "mean" and mean is not None else old * self.factor
            return torch.where(masked, new, old)

        def change(values: torch.Tensor, in_place: bool = False) -> torch.Tensor:
            if index.numel() == 0:
                return values
            if whole:
                return replaced(values, in_place)
            last = values.ndim - 1
            new = replaced(values.index_select(last, index), True)
            if in_place:
                return values.index_copy_(last, index, new)
            return values.index_copy(last, index, new)

        return change


def outward(ends: np.ndarray, away: float) -> np.ndarray:
    """Ends in float32, rounded away from the interval, so that it loses no value."""
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
    """The numbers of `neurons`, checked. They are one number, several, a result of `salient`, or a
    mask of `width` booleans.

    Returns:
        int64 `k`.

    Raises:
        ValueError: the numbers are not whole, or the mask has another length.
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


@renamed_keyword("to", "replacement")
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
    replacement: Replacement = "mean",
    factor: float = 0.0,
    positions: Any = None,
    neuron_axis: int | None = None,
    call: int | None = None,
) -> Iterator[NeuronEdit]:
    """Mask one label's range while the `with` lasts.

    A salient neuron is replaced where its activation lies in the label's range, `[mean - tau * std,
    mean + tau * std]` by the "gaussian" rule, and left as it is elsewhere. This happens at every
    position, or at `positions`. Ranges of means or maxima over positions describe those means or
    maxima, not the values at single positions.

    Args:
        model: any `torch.nn.Module` with the layer of `ranges`.
        ranges: `nw.ranges(acts)`.
        label: a label's name or number.
        tau: half-width of the range in standard deviations (the paper: 2.0 to 2.5).
        top: how many salient neurons to mask, a share or a number, by mean absolute activation.
        rule: "gaussian", "quantile" or "discriminative", see `Ranges.intervals`.
        neurons: the neurons themselves, instead of `top`, or the result of
            `nw.salient(acts, label, "probe")`.
        replacement: what a masked value becomes: the neuron's "mean" over all labels' samples;
            "zero" (arXiv 2502.06809), which pushes the model towards some label where a neuron's
            mean is far from 0; "soft" or "factor", see `NeuronEdit`.
        factor: the factor of replacement="factor".
        positions: the tokens to mask, one or several, negative from the end, or a slice; in
            `generate`, of each step's input. Not given: all.
        neuron_axis: the axis of the layer's output that holds the neurons, where it cannot be
            inferred.
        call: which of the layer's calls in a pass is masked, from 0. Not given: the one that the
            ranges are from.

    Yields:
        The `NeuronEdit`, which can be saved.
    """
    edit = range_edit(
        ranges, label, tau, top, rule=rule, neurons=neurons, replacement=replacement, factor=factor,
        positions=positions, call=call,
    )  # fmt: skip
    with applied(model, edit, neuron_axis):
        yield edit


@renamed_keyword("to", "replacement")
@own_modes()
def range_edit(
    ranges: HasRanges, label: Any, tau: float = 2.0, top: float = 0.3, *, rule: str = "gaussian",
    neurons: Sequence[int] | np.ndarray | None = None, replacement: Replacement = "mean",
    factor: float = 0.0, positions: Any = None, call: int | None = None,
) -> NeuronEdit:  # fmt: skip
    """The edit that `mask_range` applies."""
    if not hasattr(ranges, "intervals"):
        raise TypeError(f"ranges must be what nw.ranges(acts) gives, got a "
                        f"{type(ranges).__name__}.")  # fmt: skip
    c = ranges.label(label)
    index = _chosen(ranges, c, neurons, top)
    wide = ranges.mean.shape[1]
    if len(index) and not (index.min() >= 0 and index.max() < wide):
        raise IndexError(f"neurons must be from 0 to {wide - 1}, got {index.min()} to "
                         f"{index.max()}.")  # fmt: skip
    low, high = np.moveaxis(ranges.intervals(label, tau, rule)[index], -1, 0)
    if len(index) and np.isfinite(tau) and not ranges.std[c, index].any():
        raise ValueError(
            f"none of the {len(index)} neurons varies over the samples of "
            f"{ranges.label_names[c]!r}, so none has a range: pass other neurons, or use "
            "mask_neurons."
        )
    return NeuronEdit(
        ranges.layer, index, low, high, replacement, overall_mean(ranges)[index], factor, wide,
        positions, getattr(ranges, "call", None) if call is None else call, at_of(ranges),
    )  # fmt: skip


@renamed_keyword("to", "replacement")
@contextmanager
def mask_neurons(
    model: nn.Module,
    ranges: HasRanges | str | nn.Module,
    label: Any,
    top: float = 0.3,
    *,
    neurons: Sequence[int] | np.ndarray | None = None,
    replacement: Replacement = "zero",
    factor: float = 0.0,
    positions: Any = None,
    neuron_axis: int | None = None,
    call: int | None = None,
    at: At | None = None,
) -> Iterator[NeuronEdit]:
    """Ablate whole neurons while the `with` lasts: zero ablation unless `replacement` is given.

    `mask_neurons(model, ranges, label)` masks a label's salient neurons: the range mask at
    `tau = inf`, with its arguments. `mask_neurons(model, layer, [3, 5])` masks these neurons of a
    layer, with `at="input"` of its input; their means are unknown, so `replacement` is "zero" or
    "factor". Mean ablation, `replacement="mean"`, leaves the model closer to the activations that
    it was trained on.
    """
    if isinstance(ranges, str | nn.Module) or not hasattr(ranges, "intervals"):
        if neurons is not None:
            raise ValueError("neurons are given twice: call mask_neurons(model, layer, [3, 5]).")
        layer: Any = ranges
        edit = _whole_neurons(
            layer_name(model, layer), neuron_numbers(label), replacement, factor, positions, call,
            "output" if at is None else at,
        )  # fmt: skip
    else:
        chosen_at(at, ranges, "ranges")
        edit = range_edit(
            ranges, label, float("inf"), top, neurons=neurons, replacement=replacement,
            factor=factor, positions=positions, call=call,
        )  # fmt: skip
    with applied(model, edit, neuron_axis):
        yield edit


def _whole_neurons(
    layer: str, neurons: np.ndarray, replacement: Replacement, factor: float, positions: Any,
    call: int | None, at: At,
) -> NeuronEdit:  # fmt: skip
    if replacement == "mean":
        raise ValueError(
            f"replacement='mean' needs the neurons' means: capture layer {layer!r} and pass "
            "nw.ranges(acts) instead of the layer's name."
        )
    ends = np.full(len(neurons), np.inf)
    return NeuronEdit(
        layer, neurons, -ends, ends, replacement, factor=factor, positions=positions, call=call,
        at=at,
    )  # fmt: skip
