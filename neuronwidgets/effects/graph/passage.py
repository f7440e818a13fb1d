"""Runs a model from a lower layer to a neuron of an upper one, with the lower layer edited."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.methods.method import TopSamples
from neuronwidgets.concepts.methods.rerun import (
    data_of,
    gradient_of,
    read_layer,
    require_equal,
    sample_rows,
)
from neuronwidgets.core.layer_place import titled
from neuronwidgets.core.modes import own_modes
from neuronwidgets.data.batch import Batch
from neuronwidgets.data.batches import batches
from neuronwidgets.data.select import selected
from neuronwidgets.models.axes import Layout
from neuronwidgets.models.content import content_of
from neuronwidgets.models.forward import move, trainable
from neuronwidgets.models.hooks import TruncatedForward, at_call, evaluating, hooked
from neuronwidgets.models.layers import find_layer
from neuronwidgets.models.left_padding import LeftPadding
from neuronwidgets.models.outputs import replaced, rows_of, tensor_of
from neuronwidgets.models.pooling import pooled_positions
from neuronwidgets.models.resume import Resume
from neuronwidgets.models.survey import surveyed

KEPT = 1 << 29
"""Bytes of outputs below the lower layer that are kept between passes: 512 MiB. Batches beyond it
run from the beginning each time."""

TEXTS = 10
"""Texts of similar length in a batch, at most."""


@dataclass(frozen=True, eq=False)
class Rerun:
    """The model, and how activations were captured from it: arguments of `capture`.

    `neuron_axis` counts for both layers. `data` may be `None` for texts and plain images, which the
    activations hold.
    """

    model: nn.Module
    data: Any = None
    tokenizer: Any = None
    transform: Callable[[Any], Any] | None = None
    batch_size: int = 64
    max_length: int | None = None
    neuron_axis: int | None = None


@dataclass(eq=False)
class _Piece:
    """One batch with what passes from the lower layer on need."""

    batch: Batch
    index: np.ndarray
    position: np.ndarray
    inputs: Any
    lower: torch.Tensor
    resume: Resume | None
    rows: torch.Tensor = field(init=False)
    peaks: torch.Tensor | None = None

    @property
    def size(self) -> int:
        return 0 if self.resume is None else self.resume.size


class Passage:
    """Passes from the layer of `below` to the neuron of `given`, on the samples of `given`.

    Args:
        rerun: the model and the data.
        given: the samples, and the neuron or direction that is read.
        below: activations of the lower layer, from the same model.
        like: passes between the same layers, whose axes are found already.

    Raises:
        TypeError, ValueError: no model; the same layer; a layer that runs later; a model that gives
            other activations than those that were captured.
    """

    def __init__(
        self, rerun: Rerun, given: TopSamples, below: Activations, like: Passage | None = None
    ) -> None:
        self._model = trainable(rerun.model)
        self._given, self._acts, self._below = given, given.acts, below
        self._module = find_layer(self._model, self._acts.layer)
        self._lower = find_layer(self._model, below.layer)
        if self._module is self._lower and self._acts.at == below.at:
            raise ValueError(f"below={below.layer!r} is the neuron's own layer: choose one below.")
        self._axis, self._call = rerun.neuron_axis, self._acts.call or 0
        self._layouts: tuple[Layout | None, Layout | None] | None = None
        self._resumes = Resume.obstacle(self._model, self._lower) is None
        self._copying = self._compared = False
        if like is not None:
            self._layouts, self._resumes = like._layouts, like._resumes
            self._copying, self._compared = like._copying, like._compared
        data, places = data_of(given, rerun.data, "graph")
        size = rerun.batch_size
        if rerun.data is None and given.acts.samples.kind == "text":
            # Texts of similar length in one batch: little padding.
            order = np.argsort([len(text) for text in data], kind="stable")
            data = [data[i] for i in order]
            places = np.stack([np.argsort(order), places[:, 1]], axis=1)
            size = min(size, TEXTS)
        source = batches(
            data, model=self._model, processor=rerun.tokenizer, transform=rerun.transform,
            batch_size=size, max_length=rerun.max_length,
        )  # fmt: skip
        self._kept: dict[int, _Piece] = {}
        self._parts: list[tuple[Batch, np.ndarray, np.ndarray]] = []
        padding = LeftPadding(
            self._model,
            partial(read_layer, self._model, self._module, self._acts, self._axis, self._call),
        )
        with evaluating(self._model):
            for batch, index in selected(source, places[:, 0], size):
                self._parts.append((padding(batch), index, places[index, 1]))
            rows = self._joined([piece.rows.cpu().numpy() for piece in self._pieces()])
        require_equal(rows, given, self._model)

    @property
    def width(self) -> int:
        """The number of neurons of the lower layer."""
        return self._below.shape[1]

    def mean(self) -> np.ndarray:
        """float64 `D_below`: the lower layer's mean over all positions of all samples."""
        total, count = np.zeros(self.width), 0
        with evaluating(self._model):
            for piece in self._pieces():
                rows = self._of_lower(piece.lower, piece.batch)
                if rows.ndim == 3:
                    content = content_of(self._model, piece.batch, rows, self._below.first)
                    read = pooled_positions("mean", piece.batch.mask, content, rows)
                    rows = rows[read.to(rows.device)]
                total += rows.double().sum(0).cpu().numpy()
                count += len(rows)
        return total / count

    def gradients(
        self, start: np.ndarray, nodes: np.ndarray, weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Gradients of the neuron's activation on the way from `start` to the lower layer's values.

        A maximum over positions is read where it is at the end of the way, so that it is smooth.

        Args:
            start: `D_below`, the values at which the way begins, at every position.
            nodes, weights: points of the way (0: `start`, 1: the values), and their weights.

        Returns:
            float64 `n x D_below` twice: the weighted mean gradient times the difference of the
            values from `start`, and the weighted mean gradient; both summed over positions.

        Raises:
            ValueError: the activation does not depend on the lower layer, or without gradients.
        """
        products, slopes = [], []
        with evaluating(self._model), torch.enable_grad():
            for piece in self._pieces():
                whole = torch.zeros_like(piece.lower)
                base = self._spread(start, piece.lower, piece.batch.size)
                for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
                    leaf = (base + node * (piece.lower - base)).requires_grad_()
                    with self._enabled():
                        whole += weight * self._gradient(self._rows(piece, leaf, True), leaf)
                with own_modes():
                    # Padding may hold NaN, and NaN times zero is NaN.
                    product = torch.where(whole == 0, 0, whole * (piece.lower - base))
                    products.append(self._summed(product, piece.batch))
                    slopes.append(self._summed(whole, piece.batch))
        found = self._joined(products), self._joined(slopes)
        if not np.isfinite(found[0]).all():
            sample = int(self._given.index[int(np.argmin(np.isfinite(found[0]).all(axis=1)))])
            raise ValueError(
                f"the attribution of layer {self._below.layer!r} on sample {sample} is NaN or "
                "infinite: the gradient overflows or is not defined there."
            )
        return found

    def activations(self, start: np.ndarray, kept: np.ndarray, peaks: bool = False) -> np.ndarray:
        """The neuron's activation with some neurons of the lower layer replaced.

        Args:
            start: `D_below`, the values that replace others, at every position.
            kept: bool `M x D_below`, for each pass the neurons that keep their values.
            peaks: read maxima where they are without replacements, as `gradients` does.

        Returns:
            float64 `M x n`.
        """
        columns = []
        with evaluating(self._model):
            for piece in self._pieces():
                base = self._spread(start, piece.lower, piece.batch.size)
                parts = []
                for keep in kept:
                    mask = self._spread(keep.astype(float), piece.lower, piece.batch.size) > 0
                    rows = self._rows(piece, torch.where(mask, piece.lower, base), peaks)
                    parts.append(self._along(rows).double().cpu().numpy())
                columns.append(np.stack(parts, axis=1))
        out: np.ndarray = self._joined(columns).T
        return out

    def _pieces(self) -> Iterator[_Piece]:
        """All batches, each recorded up to the lower layer."""
        kept = sum(piece.size for piece in self._kept.values())
        for number, (batch, index, position) in enumerate(self._parts):
            piece = self._kept.get(number)
            if piece is None:
                with torch.no_grad():
                    piece = self._recorded(batch, index, position)
                if piece.resume is not None and kept + piece.size <= KEPT:
                    self._kept[number] = piece
                    kept += piece.size
            yield piece

    def _recorded(self, batch: Batch, index: np.ndarray, position: np.ndarray) -> _Piece:
        inputs = move(self._model, batch.inputs)
        lower: list[torch.Tensor] = []

        def note(output: Any) -> None:
            tensor = tensor_of(output, self._below.layer, self._below.at)
            if not tensor.is_floating_point():
                raise ValueError(f"layer {self._below.layer!r} returns {tensor.dtype}: no floats.")
            lower.append(tensor.detach().clone())

        resume = None
        if self._resumes:
            resume = Resume(self._model, self._lower, self._copying, self._below.at)
        run = partial(self._run, inputs)
        with self._followed(inputs, batch.size):
            with hooked(self._lower, self._at_call(note), at=self._below.at):
                try:
                    outputs = run() if resume is None else resume.record(run)
                except ValueError:
                    if lower:
                        raise
            if not lower:
                raise ValueError(
                    f"below={self._below.layer!r} gave no {self._below.at} before "
                    f"{titled(self._acts.layer, self._acts.at)} did: choose a layer below it."
                )
        piece = _Piece(batch, index, position, inputs, lower[0], resume)
        piece.rows = self._pooled(outputs[0], piece)
        if resume is not None and not self._compared:
            self._compared = True
            same = torch.equal(self._rows(piece, piece.lower), piece.rows)
            self._copying = resume.copying
            if not same:
                self._resumes, piece.resume = False, None
        return piece

    @contextmanager
    def _followed(self, inputs: Any, samples: int) -> Iterator[None]:
        """Find the axes of both layers in the first pass."""
        if self._layouts is not None:
            yield
            return
        with (
            surveyed({"": self._module}, inputs, samples, self._axis, at=self._acts.at) as upper,
            surveyed({"": self._lower}, inputs, samples, self._axis, at=self._below.at) as lower,
        ):
            yield
        self._layouts = upper[""].layout(self._call), lower[""].layout(self._below.call or 0)

    def _run(self, inputs: Any) -> list[Any]:
        """One pass up to the upper layer; its output or input."""
        outputs: list[Any] = []
        read = TruncatedForward(
            self._model, {self._acts.layer: self._module}, self._call, self._acts.at
        )
        read(inputs, lambda _name, output: outputs.append(output))
        return outputs

    def _rows(self, piece: _Piece, values: torch.Tensor, peaks: bool = False) -> torch.Tensor:
        """The samples' rows in the upper layer, `B x D`, with `values` in the lower one; maxima
        read at `piece.peaks`."""

        def edit(output: Any) -> Any:
            # A copy, because the next module may work in place.
            return replaced(output, values.clone())

        outputs: list[Any] = []

        def run() -> None:
            outputs.extend(self._run(piece.inputs))

        if piece.resume is not None:
            piece.resume.replay(run, self._at_call(edit))
        else:
            with hooked(self._lower, self._at_call(edit), at=self._below.at):
                run()
        # A replay runs twice where the model changes kept outputs.
        return self._pooled(outputs[0], piece, peaks)

    def _pooled(self, output: Any, piece: _Piece, peaks: bool = False) -> torch.Tensor:
        layer, at = self._acts.layer, self._acts.at
        assert self._layouts is not None
        with own_modes(), self._enabled():
            tensor = tensor_of(output, layer, at)
            values = rows_of(tensor, layer, self._layouts[0], piece.batch, at)
            if peaks and values.ndim == 3 and self._acts.pooling == "max":
                assert piece.peaks is not None
                rows = values.gather(1, piece.peaks).squeeze(1)
            else:
                rows = sample_rows(self._model, self._acts, values, piece.batch, piece.position)
            if piece.peaks is None and values.ndim == 3 and self._acts.pooling == "max":
                piece.peaks = self._peaks(values.detach(), piece.batch)
        if rows.shape[1] != len(self._given.direction):
            raise ValueError(
                f"layer {layer!r} of this model has {rows.shape[1]:,} neurons, and the "
                f"activations have {len(self._given.direction):,}: they are from another model."
            )
        return rows

    def _peaks(self, values: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The position of each neuron's maximum: int64 `B x 1 x D`."""
        content = content_of(self._model, batch, values, self._acts.first)
        read = pooled_positions("max", batch.mask, content, values).to(values.device)
        return values.masked_fill(~read[..., None], -torch.inf).argmax(1, keepdim=True)

    def _enabled(self) -> Any:
        """Keep gradients as they are: `own_modes` may leave inference mode."""
        return torch.set_grad_enabled(torch.is_grad_enabled())

    def _along(self, rows: torch.Tensor) -> torch.Tensor:
        direction = torch.as_tensor(self._given.direction, dtype=rows.dtype, device=rows.device)
        return rows @ direction

    def _gradient(self, rows: torch.Tensor, leaf: torch.Tensor) -> torch.Tensor:
        return gradient_of(self._along(rows).sum(), leaf, self._acts, self._below.layer)

    def _of_lower(self, tensor: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A tensor of the lower layer's shape as `B x D_below` or `B x P x D_below`."""
        assert self._layouts is not None
        rows = rows_of(tensor, self._below.layer, self._layouts[1], batch, self._below.at)
        if rows.shape[-1] != self.width:
            raise ValueError(
                f"layer {self._below.layer!r} of this model has {rows.shape[-1]:,} neurons, and "
                f"below has {self.width:,}: they are from another model."
            )
        return rows

    def _spread(self, values: np.ndarray, like: torch.Tensor, samples: int) -> torch.Tensor:
        """One number for each neuron, at every position, in the lower layer's own shape."""
        assert self._layouts is not None
        layout = self._layouts[1]
        assert layout is not None
        rows = layout.rows(like, samples)
        given = torch.as_tensor(values, dtype=like.dtype, device=like.device)
        return layout.output(given.expand(rows.shape), like.shape, samples)

    def _summed(self, tensor: torch.Tensor, batch: Batch) -> np.ndarray:
        rows = self._of_lower(tensor.detach(), batch).double()
        summed: np.ndarray = (rows.sum(1) if rows.ndim == 3 else rows).cpu().numpy()
        return summed

    def _joined(self, parts: list[np.ndarray]) -> np.ndarray:
        """Parts of batches, in the order of the samples."""
        order = np.argsort(np.concatenate([index for _, index, _ in self._parts]))
        joined: np.ndarray = np.concatenate(parts)[order]
        return joined

    def _at_call(self, hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The hook at the call of the lower layer that was captured."""
        return at_call(hook, self._below.call or 0)
