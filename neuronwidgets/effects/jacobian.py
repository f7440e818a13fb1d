"""The Jacobian lens of a few vectors, by forward-mode products instead of a `d x d` fit.

`lens(h) = unembed(J h)` with `J = E[d h_final / d h]` over texts, source positions, and all current
and later target positions (Anthropic 2026, github.com/anthropics/jacobian-lens). `J w` of one
vector `w` needs one forward-mode product for each text: `w` is the tangent at every source
position, and the tangents at all target positions are added up and divided by the number of
positions.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel

from neuronwidgets.core.layer_place import At
from neuronwidgets.data.batch import Batch
from neuronwidgets.models.axes import Layout
from neuronwidgets.models.classes import logits_of
from neuronwidgets.models.forward import call, move
from neuronwidgets.models.hooks import evaluating, hooked
from neuronwidgets.models.layers import find_layer
from neuronwidgets.models.outputs import replaced, tensor_of, unclear
from neuronwidgets.models.survey import surveyed

SINKS = 16
"""Positions at the beginning of a text that are left out, since they may be attention sinks. Of a
text shorter than 64 tokens, a quarter."""


class _Unfused:
    """How many threads are in `unfused_attention`, and how to leave it."""

    lock = threading.Lock()
    threads = 0
    leave = ExitStack()


@contextmanager
def unfused_attention() -> Iterator[None]:
    """Attention without fused kernels, which have no forward mode.

    torch's switch is one for all threads, and a widget may work while a cell runs: the first that
    needs it sets it, and the last sets it back.
    """
    with _Unfused.lock:
        if not _Unfused.threads:
            _Unfused.leave.enter_context(sdpa_kernel(SDPBackend.MATH))
        _Unfused.threads += 1
    try:
        yield
    finally:
        with _Unfused.lock:
            _Unfused.threads -= 1
            if not _Unfused.threads:
                _Unfused.leave.close()


@dataclass(frozen=True, eq=False)
class Jacobian:
    """The mean forward-mode products of `K` vectors over samples.

    Attributes:
        halves: two tensors `K x d`, of every other sample and of the rest.
        samples: the number of samples of each half.
        mean: `K x d`, of all samples.
    """

    halves: tuple[torch.Tensor, torch.Tensor]
    samples: tuple[int, int]

    @property
    def mean(self) -> torch.Tensor:
        first, second = self.halves
        total = max(1, sum(self.samples))
        return (first * self.samples[0] + second * self.samples[1]) / total

    def mirrored(self, count: int) -> Jacobian:
        """Each of the first `count` vectors followed by its mirror image, then the rest."""
        first, second = (
            torch.cat([torch.stack([h[:count], -h[:count]], 1).flatten(0, 1), h[count:]])
            for h in self.halves
        )
        return Jacobian((first, second), self.samples)


@dataclass(frozen=True, eq=False)
class Products:
    """Forward-mode products from a layer to the input of a module, or to the logits.

    Attributes:
        model, layer, at: where the tangents start.
        target: the name of the module at whose input they are read; `None`: the logits.
        per_position: whether the result has positions, which are added up.
        sinks: positions at the beginning of a text that are left out, see `SINKS`.
        neuron_axis, predict: see `capture` and `evaluate_masks`.
    """

    model: nn.Module
    layer: str
    at: At
    target: str | None
    per_position: bool
    sinks: int = SINKS
    neuron_axis: int | None = None
    predict: Callable[[Any], Any] | None = None

    def over(self, given: Sequence[Batch], vectors: torch.Tensor) -> Jacobian:
        """The products of `vectors` (`K x D`) over the samples of some batches."""
        sums = [torch.zeros(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)]
        counts, seen = [0, 0], 0
        for batch in given:
            products = self._batch(batch, vectors)
            for half in (0, 1):
                # Alternate samples, whatever the size of batches.
                rows = products[:, (half + seen) % 2 :: 2]
                sums[half] = sums[half] + rows.sum(1)
                counts[half] += rows.shape[1]
            seen += batch.size
        first, second = (total / max(1, n) for total, n in zip(sums, counts, strict=True))
        return Jacobian((first, second), (counts[0], counts[1]))

    def _batch(self, batch: Batch, vectors: torch.Tensor) -> torch.Tensor:
        """The products of each vector on each sample: `K x B x d`."""
        module = find_layer(self.model, self.layer)
        inputs = move(self.model, batch.inputs)
        with (
            evaluating(self.model),
            surveyed({self.layer: module}, inputs, batch.size, self.neuron_axis, at=self.at) as s,
        ):
            shapes: list[torch.Size] = []
            with hooked(module, lambda o: _noted(shapes, o, self.layer, self.at), at=self.at):
                call(self.model, inputs)
        layout = s[self.layer].layout(0)
        if layout is None or not shapes:
            shape = tuple(shapes[0]) if shapes else ()
            raise ValueError(unclear(self.layer, shape, batch.size, self.at))
        valid = self._valid(batch, layout, shapes[0])
        found = []
        for vector in vectors:
            rows = vector * valid[..., None] if valid.ndim == 2 else vector.expand(batch.size, -1)
            tangent = layout.output(rows, shapes[0], batch.size)
            product = self._product(module, inputs, tangent)
            if self.per_position and product.ndim == 3:
                weight = valid.to(product) if valid.shape == product.shape[:2] else (
                    torch.ones_like(product[..., 0]))  # fmt: skip
                product = torch.where(weight[..., None] > 0, product, 0).sum(1)
                product = product / weight.sum(1, keepdim=True).clamp(min=1)
            found.append(product.double().flatten(1).cpu())
        return torch.stack(found)

    def _valid(self, batch: Batch, layout: Layout, shape: torch.Size) -> torch.Tensor:
        """The source positions: `B x P`, 1 or 0; `B` ones for a layer without positions."""
        whole = layout.rows(torch.ones(shape), batch.size)
        if whole.ndim == 2:
            return whole[:, 0]
        valid = whole[..., 0]
        if batch.mask is not None and batch.mask.shape == valid.shape:
            valid = batch.mask.to(valid)
        if not self.per_position:
            return valid
        length = valid.sum(1, keepdim=True)
        place = valid.cumsum(1) - 1
        begin = torch.minimum(torch.full_like(length, self.sinks), (length / 4).floor())
        end = torch.where(length > 2, length - 1, length)
        return valid * (place >= begin) * (place < end)

    def _product(self, module: nn.Module, inputs: Any, tangent: torch.Tensor) -> torch.Tensor:
        try:
            return self._forward_mode(module, inputs, tangent)
        except (NotImplementedError, RuntimeError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            return self._twice_backward(module, inputs, tangent)

    def _forward_mode(self, module: nn.Module, inputs: Any, tangent: torch.Tensor) -> torch.Tensor:
        _loaded()
        with forward_ad.dual_level():

            def begin(value: torch.Tensor) -> torch.Tensor:
                made: torch.Tensor = forward_ad.make_dual(  # type: ignore[no-untyped-call]
                    value.detach().clone(), tangent.to(value)
                )
                return made

            result = self._run(module, inputs, begin)
            product = forward_ad.unpack_dual(result).tangent  # type: ignore[no-untyped-call]
            return torch.zeros_like(result) if product is None else product.detach().clone()

    def _twice_backward(
        self, module: nn.Module, inputs: Any, tangent: torch.Tensor
    ) -> torch.Tensor:
        """The same by two backward passes, for operations without forward mode."""
        with torch.enable_grad():
            amount = torch.zeros((), device=next(iter(self.model.parameters())).device)
            amount.requires_grad_()

            def begin(value: torch.Tensor) -> torch.Tensor:
                return value.detach() + amount.to(value.dtype) * tangent.to(value)

            result = self._run(module, inputs, begin)
            if not result.requires_grad:
                return torch.zeros_like(result)
            cotangent = torch.zeros_like(result).requires_grad_()
            (slope,) = torch.autograd.grad(
                result, amount, cotangent, create_graph=True, allow_unused=True
            )
            if slope is None:
                return torch.zeros_like(result)
            (product,) = torch.autograd.grad(slope, cotangent)
        return product.detach()

    def _run(
        self, module: nn.Module, inputs: Any, begin: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        """One pass with `begin(value)` as the layer's values at its first call; the result."""
        reached: list[torch.Tensor] = []
        started: list[bool] = []

        def edit(output: Any) -> Any:
            if started:
                return None
            started.append(True)
            changed = begin(tensor_of(output, self.layer, self.at))
            return changed if self.at == "input" else replaced(output, changed)

        gradient = torch.is_grad_enabled()
        with ExitStack() as stack:
            stack.enter_context(evaluating(self.model))
            stack.enter_context(torch.set_grad_enabled(gradient))
            stack.enter_context(unfused_attention())
            stack.enter_context(hooked(module, edit, at=self.at))
            if self.target is not None:
                head = find_layer(self.model, self.target)
                stack.enter_context(hooked(head, reached.append, at="input"))
            output = call(self.model, inputs)
            return reached[-1] if reached else logits_of(output, self.predict)


def _noted(shapes: list[torch.Size], output: Any, layer: str, at: At) -> None:
    shapes.append(tensor_of(output, layer, at).shape)


@cache
def _loaded() -> None:
    """Let torch load its rules of forward mode, which warns of a function that torch uses."""
    with warnings.catch_warnings(), forward_ad.dual_level():
        warnings.simplefilter("ignore", DeprecationWarning)
        one = torch.ones(1)
        forward_ad.make_dual(one, one.clone())  # type: ignore[no-untyped-call]
