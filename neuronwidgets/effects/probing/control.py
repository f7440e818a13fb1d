"""Readout and control side by side: what a probe's neurons do to the model when scaled."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.core.checks import integer, number
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.progress import progress_line
from neuronwidgets.data.batches import batches
from neuronwidgets.display.html import table
from neuronwidgets.effects.probing.display import control_charts
from neuronwidgets.interventions.bootstrap import beyond_draws, ends, resampled
from neuronwidgets.interventions.edited_forward import EditedForward
from neuronwidgets.interventions.masks import NeuronEdit
from neuronwidgets.interventions.price import price
from neuronwidgets.models.classes import class_codes, class_names, logits_of
from neuronwidgets.models.forward import move
from neuronwidgets.models.hooks import evaluating
from neuronwidgets.models.layers import find_layer
from neuronwidgets.models.left_padding import LeftPadding

if TYPE_CHECKING:
    from neuronwidgets.effects.probing.l1 import L1Probe
    from neuronwidgets.effects.probing.null import Measured

LEVEL = 0.05
"""The largest p at which the neurons are said to read the label out."""


@dataclass(frozen=True, repr=False, eq=False)
class Control:
    """What scaling the chosen neurons does to the model, beside as many random ones.

    Attributes:
        probe: the probe.
        C: its strength.
        neurons: int64 `k`, the chosen neurons.
        random: int64 `R x k`, the random ones.
        alphas: float64 `A`, ascending, 1 (the plain model) included.
        chosen: float64 `A x S`, the behaviour of each sample with the chosen neurons scaled.
        control: float64 `R x A x S`, the same with random neurons scaled.
        right: bool `(1 + R) x A x S`, whether the class was right, the chosen neurons first; `None`
            without labels.
        perplexity: float64 `(1 + R) x A`, of the texts; `None` without.
        resamples, seed: of the bootstrap over samples.
    """

    probe: L1Probe
    C: float
    neurons: np.ndarray
    random: np.ndarray
    alphas: np.ndarray
    chosen: np.ndarray
    control: np.ndarray
    right: np.ndarray | None = None
    perplexity: np.ndarray | None = None
    resamples: int = 1000
    seed: int = 0

    @property
    def readout(self) -> Measured:
        """The probe's metrics on its test part, at each C of the path."""
        return self.probe.test

    @own_modes()
    def to_frame(self) -> Any:
        """A `pandas.DataFrame` with a row for each factor.

        Columns: `alpha`; `change` of the mean behaviour against the plain model; `change_random`,
        its mean over sets of random neurons; `beyond`, the difference of both. Each has a 95%
        bootstrap interval over samples (`_low`, `_high`). That of `beyond` also allows for how much
        the sets differ: if the chosen neurons were one more random set, it would hold 0 in 95% of
        cases; NaN for a single set. With labels `accuracy` and `accuracy_random`; with texts
        `perplexity` and `perplexity_random`.
        """
        import pandas as pd

        plain = int(np.flatnonzero(self.alphas == 1)[0])
        own = self.chosen - self.chosen[plain]
        other = (self.control - self.control[:, plain : plain + 1]).mean(axis=0)
        samples = own.shape[1]
        draws = resampled(samples, self.resamples, self.seed) / samples
        columns: dict[str, Any] = {"alpha": self.alphas}
        parts = {"change": own, "change_random": other, "beyond": own - other}
        for name, values in parts.items():
            low, high = ends(draws @ values.T)
            mean = values.mean(axis=1)
            if name == "beyond":
                sets = self.control.mean(axis=2)
                low, high = beyond_draws(mean, low, high, sets - sets[:, plain : plain + 1])
            columns |= {name: mean, f"{name}_low": low, f"{name}_high": high}
        for name, values in (("accuracy", self.right), ("perplexity", self.perplexity)):
            if values is not None:
                by_alpha = values.mean(axis=-1) if values.ndim == 3 else values
                columns |= {name: by_alpha[0], f"{name}_random": by_alpha[1:].mean(axis=0)}
        return pd.DataFrame(columns)

    @property
    def findings(self) -> tuple[str, ...]:
        """Two sentences: whether the neurons read the label out (with fewer than 19 permutations
        that cannot be told), and whether they control the behaviour (with a single set of random
        neurons that cannot be told)."""
        first = self._readout_sentence()
        frame = self.to_frame()
        moved = frame[frame["alpha"] != 1]
        if len(self.control) < 2:
            return first, (
                "One set of random neurons does not tell whether they control the behaviour: pass "
                "draws=3 or more."
            )
        clear = moved[(moved["beyond_low"] > 0) | (moved["beyond_high"] < 0)]
        if not len(clear):
            return first, (
                f"They control the behaviour no more than {len(self.neurons):,} random neurons "
                "at any of these factors: this is readout without control."
            )
        row = clear.loc[clear["beyond"].abs().idxmax()]
        return first, (
            f"They change the behaviour by {row['change']:+.3g} at factor {row['alpha']:g}, random "
            f"neurons by {row['change_random']:+.3g} (difference {row['beyond_low']:.3g} to "
            f"{row['beyond_high']:.3g})."
        )

    def _readout_sentence(self) -> str:
        i, test = self.probe.index(self.C), self.probe.test
        p, null = float(test.p["roc_auc"][i]), test.null["roc_auc"][:, i]
        least = 1 / (1 + len(null))
        many = f"{len(self.neurons):,} neurons"
        if p <= LEVEL:
            said = f"The {many} read the label out"
        elif least > LEVEL:
            said = f"Too few permutations to tell whether the {many} read the label out"
        else:
            said = f"The {many} do not read the label out better than chance"
        chance = f", {null.mean():.3f} with permuted labels" if len(null) else ""
        why = f"; with draws={len(null)} it cannot be below {least:.2g}"
        return (
            f"{said}: ROC AUC {test.value['roc_auc'][i]:.3f}{chance}, p {p:.2g}"
            f"{why if least > LEVEL else ''}."
        )

    def to_altair(self) -> Any:
        """Altair charts: readout (ROC AUC against C) beside control (the change of behaviour
        against the factor), each with its control in grey. A slider moves the factor and shows
        what was measured there, the perplexity too."""
        return control_charts(self)

    def __repr__(self) -> str:
        return (
            f"Control({len(self.neurons):,} neurons of layer {self.probe.layer!r} and "
            f"{len(self.random)} x as many random ones, {len(self.alphas)} factors, "
            f"{self.chosen.shape[1]:,} samples)"
        )

    def _repr_html_(self) -> str:
        frame = self.to_frame()
        more = [n for n in ("accuracy", "perplexity") if n in frame]
        head = ["factor", "change", "of random neurons", "difference"]
        head += [title for n in more for title in (n, "with random neurons")]
        rows = []
        for row in frame.to_dict("records"):
            cells = [f"{row['alpha']:g}"]
            for name in ("change", "change_random", "beyond"):
                low, high = row[f"{name}_low"], row[f"{name}_high"]
                ends_of = "" if np.isnan(low) else f" ({low:.3g} to {high:.3g})"
                cells.append(f"{row[name]:.3g}{ends_of}")
            rows.append(cells + [f"{row[n + e]:.4g}" for n in more for e in ("", "_random")])
        sentences = "".join(f"<li>{html.escape(s)}</li>" for s in self.findings)
        return f"<p>{html.escape(repr(self))}</p>{table(head, rows)}<ul>{sentences}</ul>"


def controlled(
    probe: L1Probe, model: nn.Module, data: Any, behaviour: Callable[[Any], Any] | None,
    labels: Any, alphas: Sequence[float], C: float | None, draws: int, texts: Any, tokenizer: Any,
    transform: Any, batch_size: int, max_length: int | None, resamples: int, seed: int,
    progress: bool,
) -> Control:  # fmt: skip
    """See `L1Probe.control`."""
    neurons = probe.neurons(C)
    strength = float(probe.Cs[probe.index(C)])
    if not len(neurons):
        raise ValueError(f"no neuron is chosen at C = {strength:.3g}: choose a larger C.")
    factors = np.union1d([1.0], [number("alphas", each) for each in alphas])
    random = [probe.random_neurons(C, seed + d) for d in range(integer("draws", draws, 1))]
    score = behaviour or _probability(probe, model)
    plain = int(np.flatnonzero(factors == 1)[0])
    keys = [(w, a) for w in range(1 + draws) for a in range(len(factors)) if a != plain]
    edits = [_edit(probe, neurons if w == 0 else random[w - 1], factors[a]) for w, a in keys]
    source = batches(
        data, model=model, processor=tokenizer, transform=transform, batch_size=batch_size,
        max_length=max_length,
    )  # fmt: skip
    if labels is not None:
        source.keep_order("labels= are", ", or data that carries its labels")
    forward = EditedForward(model, find_layer(model, probe.layer), None, at=probe.at)
    values: list[np.ndarray] = []
    answers: list[np.ndarray] = []
    with (
        evaluating(model),
        progress_line("scaling", source.expected, "samples", progress) as line,
    ):
        for batch in map(LeftPadding.of_output(model), source.batches):
            part, answer = [], []
            for output in forward.on(move(model, batch.inputs)).all(edits):
                part.append(_numbers(score(output), batch.size))
                if labels is not None:
                    answer.append(logits_of(output).argmax(dim=-1).cpu().numpy())
                line.update(batch.size / (1 + len(edits)))
            values.append(np.stack(part))
            answers += [np.stack(answer)] if answer else []
    grid = _arranged(np.concatenate(values, axis=1), keys, plain, 1 + draws, len(factors))
    right = None
    if labels is not None:
        names = class_names(model, sorted({x for x in labels if isinstance(x, str)}), None)
        truth = class_codes(list(labels), names).numpy()
        predicted = np.concatenate(answers, axis=1)
        if predicted.shape[1] != len(truth):
            raise ValueError(f"labels must have one entry for each of {predicted.shape[1]:,} "
                             f"samples, got {len(truth):,}.")  # fmt: skip
        right = _arranged(predicted == truth, keys, plain, 1 + draws, len(factors))
    perplexity = None
    if texts is not None:
        perplexity = _perplexities(
            model, edits, keys, plain, (1 + draws, len(factors)), texts, tokenizer, batch_size,
            max_length, progress,
        )  # fmt: skip
    return Control(
        probe, strength, neurons, np.array(random), factors, grid[0], grid[1:], right, perplexity,
        integer("resamples", resamples, 1), seed,
    )  # fmt: skip


def _edit(probe: L1Probe, neurons: np.ndarray, factor: float) -> NeuronEdit:
    ends_of = np.full(len(neurons), np.inf)
    return NeuronEdit(
        probe.layer, neurons, -ends_of, ends_of, "factor", factor=float(factor),
        neurons_in_layer=len(probe.mean), call=probe.call, at=probe.at,
    )  # fmt: skip


def _arranged(
    values: np.ndarray, keys: Sequence[tuple[int, int]], plain: int, sets: int, factors: int
) -> np.ndarray:
    """Passes `V x S`, the plain one first, as `sets x factors x S`."""
    grid = np.empty((sets, factors, values.shape[1]), values.dtype)
    grid[:, plain] = values[0]
    for (who, alpha), row in zip(keys, values[1:], strict=True):
        grid[who, alpha] = row
    return grid


def _probability(probe: L1Probe, model: nn.Module) -> Callable[[Any], torch.Tensor]:
    """A classifier's probability of the probed label."""
    try:
        names = class_names(model, [probe.label] if probe.label else ["?"], None)
    except ValueError:
        names = []
    if probe.label not in names:
        raise ValueError(
            f"{type(model).__name__} has no class that is called {probe.label!r}: pass behaviour=, "
            "the model's output -> one number for each sample."
        )
    place = names.index(probe.label)

    def score(output: Any) -> torch.Tensor:
        return logits_of(output).float().softmax(dim=-1)[:, place]

    return score


def _numbers(given: Any, size: int) -> np.ndarray:
    values = given.detach().cpu().numpy() if hasattr(given, "detach") else np.asarray(given)
    if values.shape != (size,):
        raise ValueError(
            f"behaviour must return one number for each of {size} samples, got shape "
            f"{values.shape}."
        )
    return np.asarray(values, np.float64)


def _perplexities(
    model: nn.Module, edits: Sequence[NeuronEdit], keys: Sequence[tuple[int, int]], plain: int,
    shape: tuple[int, int], texts: Any, tokenizer: Any, batch_size: int, max_length: int | None,
    progress: bool,
) -> np.ndarray:  # fmt: skip
    found = np.empty(shape)
    for (who, alpha), edit in zip(keys, edits, strict=True):
        cost = price(
            model, edit, texts, tokenizer=tokenizer, batch_size=batch_size, max_length=max_length,
            progress=progress,
        )  # fmt: skip
        if cost.perplexity is None or cost.plain is None:
            raise ValueError(f"{type(model).__name__} does not predict the next token: leave texts "
                             "out.")  # fmt: skip
        found[who, alpha] = cost.perplexity
        found[:, plain] = cost.plain
    return found
