"""What all neurons of a layer promote: by the logit lens, for which one pass finds the way to the
output for all, or else by the mean gradients of a classifier's outputs."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.checks import nearest
from neuronwidgets.core.compiled import plain
from neuronwidgets.core.layer_place import titled
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.steps import drained
from neuronwidgets.data.batch import BatchSource
from neuronwidgets.data.batches import batches
from neuronwidgets.effects.class_gradients import class_gradients, obstacle, spread
from neuronwidgets.effects.lens import Lens, centred, lens_of
from neuronwidgets.effects.lenses import CHUNK, data_of, default_length, is_vocabulary, output_name
from neuronwidgets.effects.readout import PROBE, probe_inputs, taken, traced
from neuronwidgets.effects.route import Route, Step
from neuronwidgets.models.neurons import is_gated

DRAWS = 100
"""Random directions as a control: one matrix product together."""


@dataclass(frozen=True, eq=False)
class LayerLens:
    """What the neurons of a layer promote and demote, by a lens of `effects_of`.

    Attributes:
        model, tokenizer, classes: the model, and what names its outputs.
        lens: "logit", along a linear way; or, without one, "jacobian": for each neuron the mean
            gradient over the samples in which it is active.
        samples: of that mean; 0 for the logit lens.
        route: the linear way from the neurons to the logits, or the mean gradient as one.
        width, outputs: the number of neurons and of outputs.
        kind: what the outputs are, "token" or "class".
        poles: whether the neurons are of a gated MLP, whose activations take both signs. An
            activation below zero promotes what the neuron demotes.
        device, dtype: where effects are computed, and in what.
        high: the strongest effect, up or down, that 95% of random directions do not exceed.
    """

    model: nn.Module
    tokenizer: Any
    classes: Any
    lens: Literal["logit", "jacobian"]
    samples: int
    route: Route
    width: int
    outputs: int
    kind: str
    poles: bool
    device: torch.device
    dtype: torch.dtype
    high: float

    @classmethod
    def of(
        cls,
        acts: Activations,
        model: nn.Module,
        *,
        tokenizer: Any = None,
        data: Any = None,
        transform: Any = None,
        classes: Any = None,
        neuron_axis: int | None = None,
    ) -> LayerLens:
        """The lens of the layer that activations are from; see `effects_of`.

        Raises:
            ValueError: no linear way leads from the layer to the output and it has no classes, or
                too many; or the model is another one.
        """
        return drained(
            cls.steps(
                acts, model, tokenizer=tokenizer, data=data, transform=transform, classes=classes,
                neuron_axis=neuron_axis,
            )
        )  # fmt: skip

    @classmethod
    def steps(
        cls,
        acts: Activations,
        model: nn.Module,
        *,
        tokenizer: Any = None,
        data: Any = None,
        transform: Any = None,
        classes: Any = None,
        neuron_axis: int | None = None,
    ) -> Generator[float, None, LayerLens]:
        """`of` in steps, each of which yields the share that is done."""

        def read(samples: Any, size: int) -> BatchSource:
            return batches(samples, model=model, processor=tokenizer, transform=transform,
                           batch_size=size, max_length=default_length(model))  # fmt: skip

        few = data_of(acts, tokenizer, PROBE[0]) if data is None else data
        probe = [] if few is None else taken(read(few, PROBE[0]), PROBE[0])
        inputs, size = probe_inputs(model, probe)
        trace = traced(model, acts.layer, acts.at, inputs, size, neuron_axis)
        if trace.width != acts.shape[1]:
            raise ValueError(
                f"layer {acts.layer!r} of this model has {trace.width:,} neurons and the "
                f"activations have {acts.shape[1]:,}: pass the model that they were captured from."
            )
        route, samples = trace.route, 0
        if route is None:
            why = obstacle(trace)
            if few is None and not why:
                why = "they need samples: pass data="
            if why:
                raise ValueError(
                    f"every way from {titled(acts.layer, acts.at)} to the output leads through an "
                    "activation function or another map that is not linear: the logit lens cannot "
                    f"say what its neurons promote. Nor can mean gradients: {why}."
                )
            found = yield from class_gradients(model, trace, spread(acts, data, read))
            route, samples = Route(-1, ((Step(matrix=found.effects),),)), found.samples
        count = trace.logits.shape[-1]
        token = trace.per_position and is_vocabulary(model, count, tokenizer)
        dtype = torch.promote_types(trace.values.dtype, torch.float32)
        poles = is_gated(plain(model), acts.layer, acts.at)
        device = trace.values.device
        high = _reached(route, trace.width, device, dtype)
        return cls(model, tokenizer, classes, "jacobian" if samples else "logit", samples, route,
                   trace.width, count, "token" if token else "class", poles, device, dtype, high,
                   )  # fmt: skip

    @property
    def together(self) -> int:
        """Neurons whose effects are computed at once, in bounded memory."""
        return max(1, CHUNK // max(self.outputs, self.width))

    @own_modes()
    @torch.no_grad()
    def read(self, neurons: Sequence[int], top: int) -> Lens:
        """The `top` outputs on each side of some neurons, without random vectors."""
        rows = torch.zeros((len(neurons), self.width), dtype=self.dtype, device=self.device)
        rows[range(len(neurons)), list(neurons)] = 1
        none, missing = np.full(0, np.nan), np.full(len(neurons), np.nan)
        effects = centred(self.route.linear(rows))
        return lens_of([effects], top, missing, effects[:0], none)

    @own_modes()
    def towards(self, output: int) -> np.ndarray:
        """The effect of each neuron on one output: float64 `D`. It costs one backward pass."""
        with torch.enable_grad():
            row = torch.zeros((1, self.width), dtype=self.dtype, device=self.device,
                              requires_grad=True)  # fmt: skip
            effect = centred(self.route.linear(row))[0, output]
            (gradient,) = torch.autograd.grad(effect, row)
        found: np.ndarray = gradient[0].double().cpu().numpy()
        return found

    def names(self, outputs: Iterable[int]) -> list[str]:
        """The names of outputs."""
        return [
            output_name(self.model, self.kind, n, self.outputs, self.tokenizer, self.classes)
            for n in outputs
        ]

    def output(self, name: str) -> int:
        """The output of a name: a class, or a token, with a space before it if there is such a one.

        Raises:
            ValueError: there is none.
        """
        if self.kind == "class":
            return self._class(name.strip())
        if self.tokenizer is None:
            raise ValueError("tokens have no names without a tokenizer: pass tokenizer=.")
        words = [" " + name.strip(), name.strip()] if name == name.strip() else [name]
        pieces = [self.tokenizer(w, add_special_tokens=False)["input_ids"] for w in words]
        for word, ids in zip(words, pieces, strict=True):
            # A tokenizer may add the space itself, or an unknown word's token.
            if len(ids) == 1 and self.tokenizer.decode(ids).strip() == word.strip():
                return int(ids[0])
        parts = " | ".join(self.names(pieces[-1]))
        raise ValueError(
            f"{name!r:.40} is no token of this model, but {len(pieces[-1])}: {parts:.80}. "
            "Search for one of them."
        )

    def _class(self, name: str) -> int:
        names = self.names(range(self.outputs))
        for spelled in (str, str.casefold):
            spellings = [spelled(known) for known in names]
            if spelled(name) in spellings:
                return spellings.index(spelled(name))
        raise ValueError(f"{name!r:.40} is no class of this model.{nearest(name, names, count=3)}")


@own_modes()
@torch.no_grad()
def _reached(route: Route, width: int, device: torch.device, dtype: torch.dtype) -> float:
    rows = np.random.default_rng(0).normal(size=(DRAWS, width))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    effects = centred(route.linear(torch.as_tensor(rows, dtype=dtype, device=device)))
    none = np.full(0, np.nan)
    return lens_of([effects], 1, np.full(DRAWS, np.nan), effects[:0], none).bound
