"""Probes with an L1 penalty on all neurons: H-Neurons (arXiv 2512.01797)."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.checks import number, one_of
from neuronwidgets.core.layer_place import At, titled
from neuronwidgets.core.modes import own_modes
from neuronwidgets.display.html import table
from neuronwidgets.effects.probing.cett import cett
from neuronwidgets.effects.probing.control import Control, controlled
from neuronwidgets.effects.probing.display import l1_charts
from neuronwidgets.effects.probing.lasso import Lasso
from neuronwidgets.effects.probing.logistic import balanced
from neuronwidgets.effects.probing.metrics import METRICS, measured
from neuronwidgets.effects.probing.null import Measured
from neuronwidgets.effects.probing.target import Target, divided
from neuronwidgets.interventions.masks import NeuronEdit, mask_neurons

STRENGTHS = 30
"""Values of C on the path."""
SPAN = 30.0
"""The largest C of the path, in units of the one at which the first neuron enters."""
VALIDATION = 0.25
"""The share of the training part that chooses C."""
TOLERANCE = 1e-3
"""Largest violation of the optimality conditions on the path, where the penalty is 1."""
NEAREST = 10
"""A random neuron is drawn from so many with the nearest mean contribution."""
WEIGHTS = ("contribution", "activation")


@dataclass(frozen=True, repr=False, eq=False)
class L1Probe:
    """A path of probes with an L1 penalty.

    Attributes:
        layer, at: the layer, and whether its "output" or "input" was read.
        call: which of the layer's calls in a pass was read; `None` if unknown.
        label: the label's name; "" for a mask.
        weight: what was probed: "contribution" (CETT) or "activation".
        Cs: float64 30, ascending, of the objective `|w|_1 + C sum_i weight_i loss_i` with balanced
            weights (scikit-learn's).
        weights: float64 `30 x D`. A neuron is *chosen* if its weight is above 0.
        intercepts: float64 30.
        best: the index of the C with the largest balanced accuracy on a part of the training
            samples that the path for this choice was not fitted on; the smallest of equal ones.
        test: each metric on the test part at each C, with intervals and the permutation null.
        mean: float64 `D`, each neuron's mean absolute value over the training part.
        train, held_out: int64, rows of the activations.
    """

    layer: str
    at: At
    call: int | None
    label: str
    weight: str
    Cs: np.ndarray
    weights: np.ndarray
    intercepts: np.ndarray
    best: int
    test: Measured
    mean: np.ndarray
    train: np.ndarray
    held_out: np.ndarray

    def index(self, C: float | None = None) -> int:
        """The step of the path nearest to `C`; not given: `best`."""
        if C is None:
            return self.best
        return int(np.abs(np.log(self.Cs) - np.log(number("C", C, above=0))).argmin())

    def neurons(self, C: float | None = None) -> np.ndarray:
        """int64: the chosen neurons at `C` (weights above 0), the largest weight first."""
        weights = self.weights[self.index(C)]
        order = np.argsort(-weights, kind="stable")
        return order[weights[order] > 0]

    def random_neurons(self, C: float | None = None, seed: int = 0) -> np.ndarray:
        """int64: as many neurons that are not chosen, each drawn from the ten whose `mean` is
        nearest to that of a chosen one.

        Raises:
            ValueError: more than half of the neurons are chosen.
        """
        chosen = self.neurons(C)
        if 2 * len(chosen) > len(self.mean):
            raise ValueError(
                f"{len(chosen):,} of {len(self.mean):,} neurons are chosen: there are not as many "
                "others for a control. Choose a smaller C."
            )
        rng = np.random.default_rng([seed, 3])
        free = np.ones(len(self.mean), bool)
        free[chosen] = False
        drawn = []
        for neuron in chosen:
            others = np.flatnonzero(free)
            near = others[np.argsort(np.abs(self.mean[others] - self.mean[neuron]), kind="stable")]
            drawn.append(int(rng.choice(near[:NEAREST])))
            free[drawn[-1]] = False
        return np.array(drawn, np.int64)

    @contextmanager
    def scaled(
        self, model: torch.nn.Module, alpha: float, C: float | None = None, *, positions: Any = None
    ) -> Iterator[NeuronEdit]:
        """Multiply the chosen neurons by `alpha` while the `with` lasts, at every token or at
        `positions`: 0 suppresses them, 1 changes nothing.

        Yields the `NeuronEdit`, for `nw.price` and `nw.save_intervention`.
        """
        with mask_neurons(
            model, self.layer, self.neurons(C), replacement="factor",
            factor=number("alpha", alpha), positions=positions, call=self.call, at=self.at,
        ) as edit:  # fmt: skip
            yield edit

    def control(
        self,
        model: torch.nn.Module,
        data: Any,
        *,
        behaviour: Callable[[Any], Any] | None = None,
        labels: Any = None,
        alphas: Sequence[float] = (0.0, 0.5, 1.5, 2.0, 3.0),
        C: float | None = None,
        draws: int = 3,
        texts: Any = None,
        tokenizer: Any = None,
        transform: Callable[[Any], Any] | None = None,
        batch_size: int = 64,
        max_length: int | None = None,
        resamples: int = 1000,
        seed: int = 0,
        progress: bool = True,
    ) -> Control:
        """Measure what the chosen neurons do to the model, beside as many random ones.

        A probe that reads a label out may use neurons that do not control it (an independent
        repeat of the paper found such features), so the report shows both.

        Args:
            model: the model.
            data: what `capture` takes; better not the samples of the probe.
            behaviour: the model's output -> one number for each sample of the batch (`B`), the
                behaviour that the neurons should control. Not given: a classifier's probability of
                the probed label.
            labels: each sample's class, for the accuracy: names, or numbers of the outputs.
            alphas: factors of the neurons; 1 is the plain model.
            C: the step of the path; not given: `best`.
            draws: sets of random neurons.
            texts: also measure the perplexity of these texts under each edit, as a price.
            tokenizer, transform, batch_size, max_length: see `capture`.
            resamples, seed: of the bootstrap over samples; `seed` also draws the random neurons.
            progress: show a line with the progress.

        Raises:
            ValueError: no neuron is chosen, or no behaviour is known.
        """
        return controlled(
            self, model, data, behaviour, labels, alphas, C, draws, texts, tokenizer, transform,
            batch_size, max_length, resamples, seed, progress,
        )  # fmt: skip

    def to_frame(self) -> Any:
        """A `pandas.DataFrame` with a row for each C: `C`, `neurons` (how many are chosen),
        `nonzero` (weights that are not 0), and each metric with its 95% interval (`_low`,
        `_high`), its mean under permuted labels (`_null`) and its `_p`."""
        import pandas as pd

        columns = {"C": self.Cs, "neurons": (self.weights > 0).sum(axis=1),
                   "nonzero": (self.weights != 0).sum(axis=1)}  # fmt: skip
        return pd.DataFrame(columns | self.test.columns())

    def to_altair(self) -> Any:
        """Altair charts: ROC AUC against C, beside permuted labels, and how many neurons are
        chosen. A slider moves C along the path and shows the largest weights there."""
        return l1_charts(self)

    def __repr__(self) -> str:
        label = f" for {self.label!r}" if self.label else ""
        roc, null = self.test.value["roc_auc"][self.best], self.test.null["roc_auc"][:, self.best]
        chance = f", {null.mean():.3f} with permuted labels" if len(null) else ""
        return (
            f"L1Probe({titled(self.layer, self.at)}{label} by {self.weight}: "
            f"{len(self.neurons()):,} of {len(self.mean):,} neurons at C = {self.Cs[self.best]:.3g}"
            f", ROC AUC {roc:.3f} on {len(self.held_out):,} test samples{chance})"
        )

    def _repr_html_(self) -> str:
        neurons = self.neurons()
        rows = [
            (str(j), f"{self.weights[self.best, j]:.3g}", f"{self.mean[j]:.3g}")
            for j in neurons[:10]
        ]
        shown = table(("neuron", "weight", f"mean {self.weight}"), rows)
        return f"<p>{html.escape(repr(self))}</p>{shown}"


@own_modes()
def l1_probe(
    acts: Activations, target: Target, weight: str | None, model: Any, into: Any, draws: int,
    resamples: int, seed: int, device: torch.device,
) -> L1Probe:  # fmt: skip
    """The probe of `neuronwidgets.probe(method="l1")`."""
    weight = ("activation" if model is None else "contribution") if weight is None else weight
    one_of("weight", weight, WEIGHTS)
    if weight == "contribution":
        if model is None:
            raise ValueError("weight='contribution' needs model=, whose next module is linear.")
        values = cett(acts, model, into=into).values[target.rows]
    else:
        values = np.asarray(acts.values[target.rows], np.float64)
    train = ~target.test
    mean = values[train].mean(axis=0, dtype=np.float64)
    centred = values.astype(np.float64) - mean
    # One scale for all neurons leaves the objective as it is, and the intercept on the same scale.
    scale = float(np.sqrt((centred[train] ** 2).mean(axis=0).max())) or 1.0
    columns = torch.as_tensor(centred / scale, device=device)
    validation = np.zeros(len(train), bool)
    group = np.unique(target.group[train], return_inverse=True)[1].ravel()
    validation[train] = divided(target.positive[train], group, VALIDATION, seed)
    own = torch.as_tensor(target.positive[None], device=device)
    fitting = torch.as_tensor(train, device=device)
    first = Lasso(columns[fitting], own[:, fitting], balanced(own[:, fitting])).smallest
    Cs = np.geomspace(first, SPAN * first, STRENGTHS)
    once = np.ones((1, int(validation.sum())))
    inner = torch.as_tensor(train & ~validation, device=device)
    accuracy = []
    for _, scores in _path(columns, own, inner, Cs):
        parts = measured(scores[0][validation], target.positive[validation], once)
        accuracy.append(parts["balanced_accuracy"][0])
    best = int(np.argmax(np.round(accuracy, 12)))
    permuted = target.permuted(draws, seed)
    sound = [0 < p[target.test].mean() < 1 and 0 < p[train].mean() < 1 for p in permuted]
    labels = np.concatenate([target.positive[None], permuted[np.array(sound, bool)]])
    given = torch.as_tensor(labels, device=device)
    weight_of_draw = target.resampled(resamples, seed)
    weights, intercepts = [], []
    steps: list[dict[str, np.ndarray]] = []
    null: list[list[dict[str, np.ndarray]]] = []
    for (fitted, intercept), scores in _path(columns, given, fitting, Cs):
        weights.append(fitted / scale)
        intercepts.append(intercept - float(fitted @ mean) / scale)
        on_test = scores[:, target.test]
        steps.append(measured(on_test[0], labels[0, target.test], weight_of_draw))
        null.append([
            measured(score, label[target.test], weight_of_draw[:1])
            for score, label in zip(on_test[1:], labels[1:], strict=True)
        ])  # fmt: skip
    test = {name: np.stack([step[name] for step in steps], axis=1) for name in METRICS}
    chance = [
        {name: np.stack([step[draw][name] for step in null], axis=1) for name in METRICS}
        for draw in range(len(labels) - 1)
    ]
    size = np.abs(values[train]).mean(axis=0, dtype=np.float64)
    return L1Probe(
        acts.layer, acts.at, acts.call, target.name, weight, Cs / scale, np.array(weights),
        np.array(intercepts), best, Measured.of(test, chance), size, target.rows[train],
        target.rows[target.test],
    )  # fmt: skip


def _path(
    columns: torch.Tensor, labels: torch.Tensor, fitting: torch.Tensor, Cs: np.ndarray
) -> Iterator[tuple[tuple[np.ndarray, float], np.ndarray]]:
    """For each C: the first label's weights (float64 `D`) and intercept, and the scores of all
    samples under each label, float64 `B x n`."""
    label = labels[:, fitting]
    lasso = Lasso(columns[fitting], label, balanced(label), TOLERANCE)
    for C in Cs:
        weights, intercepts = lasso.fit(float(C))
        scores = weights @ columns.T + intercepts[:, None]
        yield (weights[0].cpu().numpy(), float(intercepts[0])), scores.cpu().numpy()
