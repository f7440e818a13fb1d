"""k-sparse probes: Gurnee et al., *Finding Neurons in a Haystack* (arXiv 2305.01610)."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.layer_place import At, titled
from neuronwidgets.core.modes import own_modes
from neuronwidgets.display.html import table
from neuronwidgets.effects.probing.display import sparse_charts
from neuronwidgets.effects.probing.logistic import balanced, logistic
from neuronwidgets.effects.probing.metrics import METRICS, measured
from neuronwidgets.effects.probing.null import Measured
from neuronwidgets.effects.probing.rankings import candidates
from neuronwidgets.effects.probing.support import CANDIDATES, Correlations, best_supports, forward
from neuronwidgets.effects.probing.target import Target

SINGLES = 30
"""Neurons in the one-neuron table, as in the paper's code."""
REMOVED_FROM = 5
"""Neurons of the probe from which the best is removed, as in the paper's code."""
LARGEST = 64
"""The largest k, unless it is given. Probes on more neurons are hardly sparse, and slow."""
REMOVALS = 10
"""Removals, as in the paper's code."""


@dataclass(frozen=True, eq=False)
class Singles:
    """Probes on one neuron each, the best candidates by rank.

    Attributes:
        neurons: int64 `m`.
        sign: int64 `m`, +1 where the neuron is larger with the label, else -1.
        test: each metric on the test part, see `Measured`. Its null is the *best* of the `m`
            neurons under permuted labels, so that `p` allows for the choice among them.
    """

    neurons: np.ndarray
    sign: np.ndarray
    test: Measured


@dataclass(frozen=True, eq=False)
class Removal:
    """Probes on five neurons, each after the best one of the last was removed.

    Attributes:
        removed: int64 `R`, the neuron that was removed after each round.
        alone: float64 `R`, its F1 alone on the test part.
        test: each metric on the test part, `R` rounds, see `Measured`.
    """

    removed: np.ndarray
    alone: np.ndarray
    test: Measured

    @property
    def kept(self) -> float:
        """The share of F1 above that of permuted labels that the last round keeps: near 1 if many
        neurons carry the label, near 0 if few do; NaN if the first round is not above chance."""
        f1, null = self.test.value["f1"], self.test.null["f1"].mean(axis=0)
        above = f1 - null
        return float(above[-1] / above[0]) if above[0] > 0 else float("nan")


@dataclass(frozen=True, repr=False, eq=False)
class SparseProbe:
    """Probes on k neurons of a layer, for several k.

    Attributes:
        layer, at: the layer, and whether its "output" or "input" was read.
        label: the label's name; "" for a mask.
        rank: how candidates were ranked.
        ks: int64 `K`, ascending.
        supports: `K` arrays of int64 `k`, the neurons of each probe.
        found: `K` phrases, how each support was found.
        weights: `K` arrays of float64 `k`, for activations in standard deviations of the training
            part.
        intercepts: float64 `K`.
        test: each metric on the test part at each k, with intervals and the permutation null.
        singles: probes on one neuron each.
        removal: the superposition-or-ensemble test.
        train, held_out: int64, rows of the activations.
        positives: int64, how many of the training and of the test samples have the label.
    """

    layer: str
    at: At
    label: str
    rank: str
    ks: np.ndarray
    supports: tuple[np.ndarray, ...]
    found: tuple[str, ...]
    weights: tuple[np.ndarray, ...]
    intercepts: np.ndarray
    test: Measured
    singles: Singles
    removal: Removal
    train: np.ndarray
    held_out: np.ndarray
    positives: np.ndarray

    def neurons(self, k: int | None = None) -> np.ndarray:
        """int64 `k`: the neurons of the probe on `k`; not given: of the largest.

        Raises:
            ValueError: `k` was not fitted.
        """
        if k is None:
            return self.supports[-1]
        if k not in self.ks:
            raise ValueError(f"k must be one of {', '.join(map(str, self.ks))}, got {k!r}.")
        return self.supports[int(np.flatnonzero(self.ks == k)[0])]

    def to_frame(self) -> Any:
        """A `pandas.DataFrame` with a row for each k: `k`, `neurons`, `found`, and each metric with
        its 95% interval (`_low`, `_high`), its mean under permuted labels (`_null`) and its `_p`.
        """
        import pandas as pd

        columns = {"k": self.ks, "neurons": [s.tolist() for s in self.supports],
                   "found": list(self.found)}  # fmt: skip
        return pd.DataFrame(columns | self.test.columns())

    def singles_frame(self) -> Any:
        """A `pandas.DataFrame` with a row for each of the best neurons alone, the largest F1 first:
        `neuron`, `sign`, and each metric as in `to_frame`."""
        import pandas as pd

        columns = {"neuron": self.singles.neurons, "sign": self.singles.sign}
        frame = pd.DataFrame(columns | self.singles.test.columns())
        return frame.sort_values("f1", ascending=False, kind="stable").reset_index(drop=True)

    def removal_frame(self) -> Any:
        """A `pandas.DataFrame` with a row for each round of the superposition-or-ensemble test:
        `round`, `removed`, `alone` (its F1), and each metric of the five as in `to_frame`."""
        import pandas as pd

        rounds = np.arange(len(self.removal.removed))
        columns = {"round": rounds, "removed": self.removal.removed, "alone": self.removal.alone}
        return pd.DataFrame(columns | self.removal.test.columns())

    def to_altair(self) -> Any:
        """Altair charts: F1 against k, and F1 as the best neurons are removed, each with its
        interval and with what permuted labels give."""
        return sparse_charts(self)

    def __repr__(self) -> str:
        best = self.ks[-1]
        f1, null = self.test.value["f1"][-1], self.test.null["f1"][:, -1].mean()
        label = f" for {self.label!r}" if self.label else ""
        return (
            f"SparseProbe({titled(self.layer, self.at)}{label}, k = {self.ks[0]} to {best}: F1 "
            f"{f1:.3f} on {len(self.held_out):,} test samples, {null:.3f} with permuted labels)"
        )

    def _repr_html_(self) -> str:
        head = ("k", "F1", "with permuted labels", "p", "neurons", "found")
        test, rows = self.test, []
        for i, k in enumerate(self.ks):
            value, (low, high) = test.value["f1"][i], (e["f1"][i] for e in (test.low, test.high))
            neurons = ", ".join(map(str, self.supports[i][:8])) + (", ..." if k > 8 else "")
            rows.append((str(k), f"{value:.3f} ({low:.3f} to {high:.3f})",
                         f"{test.null['f1'][:, i].mean():.3f}", f"{test.p['f1'][i]:.2g}", neurons,
                         self.found[i]))  # fmt: skip
        kept = self.removal.kept
        many = "" if np.isnan(kept) else (
            f"<p>Without the {len(self.removal.removed) - 1} best neurons, one after the other, "
            f"five others keep {kept:.0%} of the F1 above chance.</p>"
        )  # fmt: skip
        return f"<p>{html.escape(repr(self))}</p>{table(head, rows, {4, 5})}{many}"


@dataclass(frozen=True, eq=False)
class _Fitter:
    """One label's training and test part on its candidates."""

    columns: torch.Tensor
    positive: torch.Tensor
    test: np.ndarray
    C: float

    def scores(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """For sets of columns, int64 `B x k`: scores of all samples `B x n`, weights `B x k`,
        intercepts `B`."""
        train = torch.as_tensor(~self.test, device=self.columns.device)
        chosen = self.columns[:, index].movedim(1, 0)
        label = self.positive[train]
        weights, intercepts = logistic(chosen[:, train], label, balanced(label), self.C)
        return (chosen @ weights[..., None])[..., 0] + intercepts[:, None], weights, intercepts


def grid(k: int | Sequence[int] | None, most: int) -> np.ndarray:
    """int64, ascending: the k of the curve. The paper's: 1 to 8, 10, 12, 16, 32, 64 ..."""
    usual = np.array([*range(1, 9), 10, 12, *(1 << power for power in range(4, 30))])
    if k is None:
        return usual[usual <= min(most, LARGEST)]
    given = np.unique(np.atleast_1d(np.asarray(k)))
    if given.dtype.kind not in "iu" or not len(given) or given[0] < 1:
        raise ValueError(f"k must be a positive integer, or several, got {k!r}.")
    if given[-1] > most:
        raise ValueError(f"k must be at most {most:,}, the neurons or half of the training "
                         f"samples, got {given[-1]:,}.")  # fmt: skip
    if np.ndim(k) == 0:
        given = np.union1d(usual[usual < given[0]], given)
    return given.astype(np.int64)


@own_modes()
def sparse_probe(
    acts: Activations, target: Target, k: Any, rank: str, search: bool, C: float, draws: int,
    resamples: int, seed: int, device: torch.device,
) -> SparseProbe:  # fmt: skip
    """The probe of `neuronwidgets.probe(method="sparse")`."""
    width, train = acts.shape[1], ~target.test
    ks = grid(k, min(width, max(1, int(train.sum()) // 2)))
    labels = np.concatenate([target.positive[None], target.permuted(draws, seed)])
    labels = _with_both(labels, target.test)
    rounds = min(REMOVALS, max(0, width - REMOVED_FROM)) + 1
    count = min(width, max(CANDIDATES, 2 * int(ks[-1])) + rounds)
    best = candidates(acts, target.rows[train], labels[:, train], rank, count, seed)
    weight_of_draw = target.resampled(resamples, seed)
    curves, singles, removals = [], [], []
    for number, (label, chosen) in enumerate(zip(labels, best, strict=True)):
        columns = _standard(acts, target, chosen)
        fitter = _Fitter(
            torch.as_tensor(columns, device=device), torch.as_tensor(label, device=device),
            target.test, C,
        )  # fmt: skip
        repeats = weight_of_draw if number == 0 else weight_of_draw[:1]
        curves.append(_curve(fitter, ks, search, repeats))
        singles.append(_alone(fitter, np.arange(min(SINGLES, count)), repeats))
        removals.append(_removed(fitter, rounds, repeats))
    supports, found, weights, intercepts, test = curves[0]
    alone, signs = singles[0]
    null = {
        name: np.repeat(
            np.array([draw[name][0].max() for draw, _ in singles[1:]]).reshape(-1, 1),
            alone[name].shape[1],
            axis=1,
        )
        for name in METRICS
    }
    removed, alone_f1, test_removed = removals[0]
    rows, others = target.rows, removals[1:]
    return SparseProbe(
        acts.layer, acts.at, target.name, rank, ks, tuple(best[0][s] for s in supports),
        tuple(found), tuple(weights), np.array(intercepts),
        Measured.of(test, [curve[-1] for curve in curves[1:]]),
        Singles(best[0][: len(signs)], signs, Measured.against(alone, null)),
        Removal(best[0][removed], alone_f1, Measured.of(test_removed, [r[2] for r in others])),
        rows[train], rows[target.test],
        np.array([target.positive[train].sum(), target.positive[target.test].sum()]),
    )  # fmt: skip


def _with_both(labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Without permutations that leave a part with one set only."""
    parts = [labels[:, part] for part in (test, ~test)]
    good = np.all([part.any(axis=1) & ~part.all(axis=1) for part in parts], axis=0)
    return np.asarray(labels[good])


def _standard(acts: Activations, target: Target, chosen: np.ndarray) -> np.ndarray:
    """The columns in standard deviations of the training part: float64 `n x m`."""
    columns = np.asarray(acts.values[:, chosen][target.rows], np.float64)
    train = columns[~target.test]
    spread = train.std(axis=0)
    return np.asarray((columns - train.mean(axis=0)) / np.where(spread > 0, spread, 1))


def _curve(fitter: _Fitter, ks: np.ndarray, search: bool, draws: np.ndarray) -> tuple[Any, ...]:
    """Supports, phrases, weights, intercepts, and each metric `N x K`."""
    pool = max(CANDIDATES, 2 * int(ks[-1]))
    if search:
        several = best_supports(_correlations(fitter, slice(0, pool)), ks.tolist())
    else:
        several = [(np.arange(k), "the best by rank") for k in ks]
    supports, weights, intercepts, parts = [], [], [], []
    for support, _ in several:
        index = torch.as_tensor(support, device=fitter.columns.device)[None]
        scores, weight, intercept = fitter.scores(index)
        supports.append(support)
        weights.append(weight[0].cpu().numpy())
        intercepts.append(float(intercept[0]))
        parts.append(_test(fitter, scores[0], draws))
    return supports, [phrase for _, phrase in several], weights, intercepts, _stacked(parts)


def _alone(
    fitter: _Fitter, columns: np.ndarray, draws: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Each metric `N x m` of probes on one column each, and their signs."""
    index = torch.as_tensor(columns, device=fitter.columns.device)[:, None]
    scores, weights, _ = fitter.scores(index)
    parts = [_test(fitter, score, draws) for score in scores]
    return _stacked(parts), np.where(weights[:, 0].cpu().numpy() < 0, -1, 1)


def _removed(fitter: _Fitter, rounds: int, draws: np.ndarray) -> tuple[np.ndarray, Any, Any]:
    """The superposition-or-ensemble test: columns removed, their F1 alone, each metric `N x R`."""
    left = list(range(min(fitter.columns.shape[1], CANDIDATES + rounds)))
    removed, alone, parts = [], [], []
    train = ~fitter.test
    label = fitter.positive.cpu().numpy()
    once = np.ones((1, int(train.sum())))
    for _ in range(rounds):
        size = min(REMOVED_FROM, len(left))
        correlations = _correlations(fitter, left)
        five = np.array(left)[forward(correlations, [], size)]
        index = torch.as_tensor(five, device=fitter.columns.device)
        parts.append(_test(fitter, fitter.scores(index[None])[0][0], draws))
        each, _, _ = fitter.scores(index[:, None])
        scores = each.cpu().numpy()
        # The best is chosen by the training part, so that the test part stays unseen.
        f1 = [measured(score[train], label[train], once)["f1"][0] for score in scores]
        best = int(np.argmax(f1))
        alone.append(_test(fitter, each[best], draws[:1])["f1"][0])
        removed.append(int(five[best]))
        left.remove(removed[-1])
    return np.array(removed), np.array(alone), _stacked(parts)


def _correlations(fitter: _Fitter, columns: Any) -> Correlations:
    train = torch.as_tensor(~fitter.test, device=fitter.columns.device)
    label = fitter.positive[train]
    return Correlations(fitter.columns[train][:, columns], label, balanced(label))


def _test(fitter: _Fitter, scores: torch.Tensor, draws: np.ndarray) -> dict[str, np.ndarray]:
    label = fitter.positive.cpu().numpy()[fitter.test]
    return measured(scores.cpu().numpy()[fitter.test], label, draws)


def _stacked(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.stack([part[name] for part in parts], axis=1) for name in METRICS}
