"""`importance`: what each neuron of a layer adds to one prediction, in one text or two."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.core.checks import integer
from neuronwidgets.core.compiled import plain
from neuronwidgets.core.labels import plain_names
from neuronwidgets.core.layer_place import At, checked_at, titled
from neuronwidgets.core.modes import own_modes
from neuronwidgets.data.batches import batches
from neuronwidgets.effects.lenses import CHUNK, output_name
from neuronwidgets.effects.readout import Traced, probe_inputs, taken, traced
from neuronwidgets.effects.route import Path, at_position
from neuronwidgets.models.layers import layer_name
from neuronwidgets.models.neurons import neuron_layers
from neuronwidgets.models.outputs import HALF

SHOWN = 10
"""Rows of the HTML table."""
CLOSE = 1e-3
"""Largest difference of the followed logits from the model's own, as a share of their range."""
CLOSE_IN_HALF = 5e-2
"""The same for models in float16 and bfloat16, which round the residual stream at each layer: the
largest is 1.2% in bfloat16 and 0.12% in float16, with 2 to 24 layers."""


@dataclass(frozen=True, repr=False, eq=False)
class Importance:
    """What each of `D` neurons adds to the log-probability of one output, in nats.

    Attributes:
        layer, at: the layer.
        target: the output's name.
        target_id: its number.
        log_probability: the model's own.
        base: the log-probability read from the residual stream without the layer's neurons.
        activation: float64 `D`, each neuron's activation at the position.
        imp: float64 `D`, the importance of each neuron.
        chance: float64 `D`, the same if the activations are dealt to the neurons at random.
        other: the importance for the same output in the other text; `None` without one.
    """

    layer: str
    at: At
    target: str
    target_id: int
    log_probability: float
    base: float
    activation: np.ndarray
    imp: np.ndarray
    chance: np.ndarray
    other: Importance | None = None

    def __len__(self) -> int:
        return len(self.imp)

    @property
    def change(self) -> np.ndarray:
        """float64 `D`: the importance in this text less that in the other one.

        Raises:
            ValueError: there is no other text.
        """
        if self.other is None:
            raise ValueError("change is between two texts: pass other=, a second text.")
        return self.imp - self.other.imp

    @cached_property
    def ranked(self) -> np.ndarray:
        """int64 `D`: the neurons with the largest change first; with one text, the importance."""
        return np.argsort(-(self.imp if self.other is None else self.change), kind="stable")

    def to_frame(self) -> Any:
        """A `pandas.DataFrame` in the order of `ranked`: `neuron`, `activation`, `imp`; with two
        texts also `other` and `change`."""
        import pandas as pd

        columns = {"neuron": np.arange(len(self)), "activation": self.activation, "imp": self.imp}
        if self.other is not None:
            columns |= {"other": self.other.imp, "change": self.change}
        return pd.DataFrame(columns).iloc[self.ranked].reset_index(drop=True)

    def __repr__(self) -> str:
        first = int(self.ranked[0])
        values = self.imp if self.other is None else self.change
        what = "importance" if self.other is None else "change"
        return (
            f"Importance({len(self):,} neurons of {titled(self.layer, self.at)} for "
            f"{self.target!r}; neuron {first}: {what} {values[first]:+.3f}; activations dealt at "
            f"random: at most {self.chance.max():+.3f})"
        )

    def _repr_html_(self) -> str:
        rows = self.to_frame().head(SHOWN)
        text = rows.to_html(index=False, border=0, float_format="{:.3g}".format, justify="left")
        note = f"the first {min(SHOWN, len(self))} of {len(self):,}; all: <code>to_frame()</code>"
        return f"<p>{html.escape(repr(self))}</p>{text}<p>{note}</p>"


def importance(
    model: nn.Module,
    text: Any,
    layer: str | nn.Module,
    *,
    other: Any = None,
    target: int | str | None = None,
    position: int = -1,
    at: Any = None,
    tokenizer: Any = None,
    classes: Sequence[str] | Mapping[Any, str] | None = None,
    predict: Callable[[Any], Any] | None = None,
    neuron_axis: int | None = None,
    seed: int = 0,
) -> Importance:
    """What each neuron of a layer adds to one prediction (Yu and Ananiadou, EMNLP 2024).

    `Imp_j = log p(r + v_j) - log p(r)`. Here `r` is what the layer's block adds to its neurons'
    writes, the residual stream before the MLP; `v_j = a_j W_out[j]` is what neuron `j` writes at
    the position; and `log p(x) = log_softmax(W_U norm(x))[target]`, the norm's scale being that of
    the full pass. With `other`, the change of the importance between two texts is comparative
    neuron analysis.

    Args:
        model: a model with a head.
        text: a text, or its token ids.
        layer, at: the layer, and where its neurons are; not given: as `nw.layers` says.
        other: a second text, for the same target.
        target: the output's number, its token, or the name of its class. Not given: what the
            model predicts from `text`.
        position: the token whose prediction it is, from the end if negative. A classifier reads one
            token, which is found.
        tokenizer, neuron_axis: see `capture`.
        classes, predict: see `effects_of`.
        seed: of the control.

    Raises:
        ValueError: no linear way from the layer to the prediction, or several; no such target.
        IndexError: no such position.
    """
    name = layer_name(model, layer)
    place = neuron_layers(plain(model)).get(name, "output") if at is None else checked_at(at)
    seed = integer("seed", seed, 0)
    seen = []
    for given in (text,) if other is None else (text, other):
        source = batches(_alone(given), model=model, processor=tokenizer, batch_size=1)
        inputs, size = probe_inputs(model, taken(source, 1))
        trace = traced(model, name, place, inputs, size, neuron_axis, predict)
        seen.append(_Prediction(trace, position))
    number = _target(seen[0], target, model, tokenizer, classes)
    kind = "token" if seen[0].trace.per_position else "class"
    label = output_name(model, kind, number, seen[0].logits.shape[-1], tokenizer, classes)
    second = seen[1].importance(label, number, seed) if other is not None else None
    return seen[0].importance(label, number, seed, second)


def _alone(given: Any) -> Any:
    """One sample as data: a text, token ids, or an array."""
    if not hasattr(given, "ndim"):
        return [given]
    ids = given.ndim == 1 and np.asarray(given).dtype.kind in "iu"
    return [given.tolist()] if ids else given[None]


class _Prediction:
    """One prediction: the way from a layer's neurons to it, and the numbers of its pass."""

    @own_modes()
    @torch.no_grad()
    def __init__(self, trace: Traced, position: int) -> None:
        where = titled(trace.layer, trace.at)
        if trace.route is None:
            raise ValueError(
                f"{where} has no linear way to the output: choose a layer whose neurons write to "
                "the residual stream of a model with a linear head."
            )
        if trace.route.pooled or len(trace.route.paths) != 1:
            why = "pools positions" if trace.route.pooled else "reads the layer several times"
            raise ValueError(f"{where} has no importance for one position: the model {why}.")
        self.trace, self.path = trace, trace.route.paths[0]
        rows = trace.layout.rows(trace.values, 1)[0]
        dtype = torch.promote_types(rows.dtype, torch.float32)
        self.rows = (rows if rows.ndim == 2 else rows[None]).to(dtype)
        self.length = len(self.rows)
        if not -self.length <= position < self.length:
            raise IndexError(
                f"position {position} does not exist: the text has {self.length} tokens, "
                f"0 to {self.length - 1}."
            )
        self.position, self.logits = self._read_position(position % self.length)

    def _read_position(self, position: int) -> tuple[int, torch.Tensor]:
        """The position from which the model predicts, and its logits there."""
        narrow = {self.trace.values.dtype, self.trace.logits.dtype} & {*HALF}
        close = CLOSE_IN_HALF if narrow else CLOSE
        logits = self.trace.logits[0].to(self.rows.dtype)
        if self.trace.per_position:
            own = at_position(logits, position, self.length)
            candidates = {position: own}
        else:
            ordered = [position, *(p for p in range(self.length) if p != position)]
            candidates = dict.fromkeys(ordered, logits)
        for place, own in candidates.items():
            followed = self._through(self.rows[place][None], self.path, place, others=True)[0]
            if (followed - own).abs().max() <= close * max(1.0, float(own.abs().max())):
                return place, own
        raise ValueError(
            f"the way from {titled(self.trace.layer, self.trace.at)} to the output does not give "
            "the model's own logits: this model's importance cannot be computed."
        )

    def _through(
        self, rows: torch.Tensor, path: Path, position: int, others: bool, constants: bool = True
    ) -> torch.Tensor:
        """`rows` along a path at one position; with `others`, plus what the pass adds on it."""
        for step in path:
            rows = step.affine(rows, position, self.length, constants)
            if others and step.other is not None:
                added = step.other.reshape(-1, step.other.shape[-1])
                rows = rows + at_position(added, position, self.length).to(rows)
        return rows

    @own_modes()
    @torch.no_grad()
    def importance(
        self, label: str, target: int, seed: int, other: Importance | None = None
    ) -> Importance:
        """The importance of every neuron."""
        end = self.trace.block_end()
        if end is None:
            # Nothing bypasses the layer: the residual stream is zero.
            matrices = [i for i, step in enumerate(self.path) if step.matrix is not None]
            end = matrices[0] + 1 if matrices else 0
        block, tail = self.path[:end], self.path[end:]
        width = self.rows.shape[1]
        zero = self.rows.new_zeros((1, width))
        residual = self._through(zero, block, self.position, others=True, constants=False)

        def log_probability(x: torch.Tensor) -> torch.Tensor:
            logits = self._through(x, tail, self.position, others=False)
            return logits.double().log_softmax(-1)[:, target]

        base = log_probability(residual)
        activation = self.rows[self.position]
        dealt = torch.as_tensor(np.random.default_rng(seed).permutation(width))
        chunk = max(1, CHUNK // len(self.logits))
        found: list[list[torch.Tensor]] = [[], []]
        for first in range(0, width, chunk):
            neurons = torch.arange(first, min(first + chunk, width))
            for parts, values in zip(found, (activation, activation[dealt]), strict=True):
                own = self.rows.new_zeros((len(neurons), width))
                own[torch.arange(len(neurons)), neurons] = values[neurons]
                write = self._through(own, block, self.position, others=False, constants=False)
                parts.append(log_probability(residual + write) - base)
        imp, chance = (torch.cat(parts).cpu().numpy() for parts in found)
        probability = float(self.logits.double().log_softmax(-1)[target])
        return Importance(
            self.trace.layer, self.trace.at, label, target, probability, float(base[0]),
            activation.double().cpu().numpy(), imp, chance, other,
        )  # fmt: skip


def _target(seen: _Prediction, target: Any, model: nn.Module, tokenizer: Any, classes: Any) -> int:
    """The number of the output that is asked for."""
    count = seen.logits.shape[-1]
    if target is None:
        return int(seen.logits.argmax())
    if isinstance(target, str):
        if seen.trace.per_position and tokenizer is not None:
            ids = tokenizer(target, add_special_tokens=False)["input_ids"]
            if len(ids) != 1:
                raise ValueError(
                    f"target must be one token, got {target!r:.40}, which is {len(ids)}: "
                    f"{tokenizer.convert_ids_to_tokens(ids)}."
                )
            return int(ids[0])
        config = getattr(plain(model), "config", None)
        given = plain_names(classes, "classes")
        names = given or plain_names(getattr(config, "id2label", None) or None, "id2label") or []
        if target not in names:
            raise ValueError(f"target must be one of the model's classes "
                             f"({', '.join(names[:14])}), got {target!r:.40}.")  # fmt: skip
        return names.index(target)
    number = integer("target", target, 0)
    if number >= count:
        raise ValueError(
            f"target must be less than {count:,}, the number of outputs, got {number}."
        )
    return number
