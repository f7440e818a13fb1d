"""`match_features`: the features of an autoencoder beside the concepts of a neuron."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.retrieval import normalized
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.scores import majority
from neuronwidgets.concepts.split import Split
from neuronwidgets.core.checks import integer
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.steps import drained
from neuronwidgets.display.html import table
from neuronwidgets.effects.sae.aurocs import aurocs, best_of_permuted
from neuronwidgets.effects.sae.chart import chart
from neuronwidgets.effects.sae.cover import ENOUGH
from neuronwidgets.effects.sae.measure import LIKELY, measuring, reached, telling
from neuronwidgets.effects.sae.sae import SAE, largest_cosines

DOUBTFUL = 0.3
"""Explained variance below which the autoencoder may be of another layer."""


@dataclass(frozen=True, repr=False, eq=False)
class Divided:
    """The two branches of each concept in the tree, and the feature that tells them apart best.

    Attributes:
        feature: int64 `K`, -1 for a concept without branches.
        auroc: float64 `K`, of the feature or its negative between the branches.
        p: float64 `K`, the share of permutations of the concept's samples in which some feature
            reaches it, itself counted.
        held_out, random: float64 `K`, as those of `FeatureMatch`, for the branches; NaN where no
            division into halves has samples of both.
    """

    feature: np.ndarray
    auroc: np.ndarray
    p: np.ndarray
    held_out: np.ndarray
    random: np.ndarray


@dataclass(frozen=True, repr=False, eq=False)
class FeatureMatch:
    """The features that are active on a neuron's `n` top samples, beside its `K` concepts.

    Attributes:
        concepts: the concepts.
        sae: the autoencoder.
        features: int64 `F`, the features that are active on at least two of the samples.
        strengths: float32 `n x F`, these features on the top samples.
        auroc: float64 `K x F`: the chance that a sample of the concept has more of the feature than
            another top sample, ties counting half.
        best: int64 `K`, the feature with the largest AUROC.
        matched: int64 `K`, one feature for each concept and no feature twice, with the largest sum
            of AUROCs (Hungarian method); -1 if there are too few.
        held_out: float64 `K`, the AUROC of the best feature of one half of the samples on the other
            half: what is left of `auroc` without the choice among `F` features.
        random: float64 `K`, the same with `F` random directions, each active on as many of the top
            samples as one of the features: what any `F` directions of the layer tell. A mean over
            five draws.
        random_high: float64 `K`, what 95% of such draws have at most (Student's t).
        same: float64 `K`, the share of divisions in which both halves have the same best feature.
        null: float64 `draws x K`, the largest AUROC of all features with the samples permuted.
        p: float64 `K`, the share of permutations that reach the best AUROC, itself counted.
            Clusters of samples without groups have a small p, too, with features that mean nothing:
            compare `held_out` with `random`.
        cover: `K` of int64: features that together make the concept, chosen one by one, each the
            one with most of the samples that are left, until they cover 90%. A feature counts if
            its AUROC is above 95% of `null` and at least half of the samples on which it is active
            are of the concept.
        covered: float64 `K`, the share of the concept's samples on which one of these is active.
        random_covered: float64 `K`, the share that as many random directions (at least one) cover
            in the same way. A mean over five draws.
        cosine: float64 `K`, of the concept's difference from the layer's mean with the best
            feature's row of `W_dec`; NaN if the autoencoder reads another layer.
        divided: features that tell the two branches of a concept apart.
        agreement, agreement_chance, agreement_high: float64 `K`, of the concept over halves of the
            top samples; with permuted clusters the mean, and what 95% have at most
            (`Concepts.half_agreement`).
        feature_agreement, feature_agreement_chance: float64 `K`, the largest cosine of the best
            feature with those of the other autoencoder, and with each neuron's weights permuted
            over its features; NaN without one.
        explained: the share of the samples' variance that the autoencoder reconstructs.
        note: why the comparison may be void; "" if nothing is known against it.
    """

    concepts: Concepts
    sae: SAE
    features: np.ndarray
    strengths: np.ndarray
    auroc: np.ndarray
    best: np.ndarray
    matched: np.ndarray
    held_out: np.ndarray
    random: np.ndarray
    random_high: np.ndarray
    same: np.ndarray
    null: np.ndarray
    p: np.ndarray
    cover: tuple[np.ndarray, ...]
    covered: np.ndarray
    random_covered: np.ndarray
    cosine: np.ndarray
    divided: Divided
    agreement: np.ndarray
    agreement_chance: np.ndarray
    agreement_high: np.ndarray
    feature_agreement: np.ndarray
    feature_agreement_chance: np.ndarray
    explained: float
    note: str

    def __len__(self) -> int:
        return len(self.concepts)

    @property
    def needed(self) -> np.ndarray:
        """float64 `K`: how many features cover 90% of the concept; NaN if all do not."""
        counts = np.array([len(features) for features in self.cover], np.float64)
        return np.where(self.covered >= ENOUGH, counts, np.nan)

    def strength(self, feature: int) -> np.ndarray:
        """float32 `n`: a feature of the autoencoder on the top samples; zeros if it is active on
        fewer than two."""
        column = np.flatnonzero(self.features == integer("feature", feature, 0))
        return self.strengths[:, column[0]] if len(column) else np.zeros(len(self.strengths), "f4")

    def to_frame(self) -> Any:
        """A `pandas.DataFrame` with a row for each concept.

        Columns: `concept`, `name`, `samples`; `feature`, the best one, its `auroc`, `held_out`,
        `random`, `random_high`, `null` (95% quantile) and `p`; `same`; `matched` and
        `matched_auroc`; `cosine`; `needed`, `covered`, `random_covered`; `branch_feature`,
        `branch_auroc`, `branch_held_out`, `branch_random`, `branch_p`; `agreement`,
        `agreement_chance`, `agreement_high`, `feature_agreement`, `feature_agreement_chance`. With
        labels also `purity` of the concept's samples and `feature_purity` of the top samples on
        which the best feature is active.
        """
        import pandas as pd

        columns: dict[str, Any] = {
            "concept": np.arange(len(self)), "name": list(self.concepts.names),
            "samples": self.concepts.sizes, "feature": self.best,
            "auroc": self._auroc_of(self.best), "held_out": self.held_out,
            "random": self.random, "random_high": self.random_high,
            "null": np.quantile(self.null, LIKELY, axis=0), "p": self.p, "same": self.same,
            "matched": self.matched, "matched_auroc": self._auroc_of(self.matched),
            "cosine": self.cosine, "needed": self.needed, "covered": self.covered,
            "random_covered": self.random_covered,
            "branch_feature": self.divided.feature, "branch_auroc": self.divided.auroc,
            "branch_held_out": self.divided.held_out, "branch_random": self.divided.random,
            "branch_p": self.divided.p, "agreement": self.agreement,
            "agreement_chance": self.agreement_chance, "agreement_high": self.agreement_high,
            "feature_agreement": self.feature_agreement,
            "feature_agreement_chance": self.feature_agreement_chance,
        }  # fmt: skip
        split = self.concepts.split
        if split is not None and split.labels is not None:
            columns["purity"] = self.concepts.purity
            columns["feature_purity"] = [
                majority(split.labels[self.strength(int(f)) > 0])[1] for f in self.best
            ]
        return pd.DataFrame(columns)

    def _auroc_of(self, features: np.ndarray) -> np.ndarray:
        out = np.full(len(self), np.nan)
        for concept, feature in enumerate(features):
            if feature >= 0:
                out[concept] = self.auroc[concept, np.flatnonzero(self.features == feature)[0]]
        return out

    def to_altair(self) -> Any:
        """An Altair chart: the top samples as dots in the order of the tree, coloured by concept,
        and beneath them the features, the best of each concept and a random one."""
        return chart(self)

    def __repr__(self) -> str:
        return (
            f"FeatureMatch({len(self)} concepts of {self._neuron} beside {len(self.features):,} of "
            f"{len(self.sae):,} features: "
            f"mean AUROC held out {_mean(self.held_out):.3f}, of random directions "
            f"{_mean(self.random):.3f})"
        )

    @property
    def _neuron(self) -> str:
        neuron = self.concepts.neuron
        return "a direction" if neuron is None else f"neuron {neuron}"

    def _repr_html_(self) -> str:
        head = ("concept", "samples", "best feature", "AUROC", "held out (random)",
                "p, permuted samples", "features needed",
                "its branches: held out (random)", "agreement (chance)")  # fmt: skip
        rows = []
        for row in self.to_frame().to_dict("records"):
            dot = f"<span style='color:{self.concepts.colors[row['concept']]}'>●</span>"
            needed, branch = row["needed"], "–"
            if row["branch_feature"] >= 0:
                held_out, random = (row[f"branch_{name}"] for name in ("held_out", "random"))
                branch = str(row["branch_feature"])
                branch += "" if np.isnan(held_out) else f": {held_out:.2f} ({random:.2f})"
            rows.append((
                f"{dot} <bdi>{html.escape(row['name'])}</bdi>", str(row["samples"]),
                str(row["feature"]), f"{row['auroc']:.2f}",
                f"{row['held_out']:.2f} ({row['random']:.2f})",
                f"{row['p']:.2g}",
                f"{needed:.0f}" if needed == needed else f"cover {row['covered']:.0%}", branch,
                f"{row['agreement']:.2f} ({row['agreement_chance']:.2f})",
            ))  # fmt: skip
        note = f"<p>Note: {html.escape(self.note)}</p>" if self.note else ""
        return f"<p>{html.escape(repr(self))}</p>{note}{table(head, rows, {0})}"


@own_modes()
def match_features(
    concepts: Concepts | Split, sae: SAE, *, acts: Any = None, other: SAE | None = None,
    draws: int = 500, seed: int = 0,
) -> FeatureMatch:  # fmt: skip
    """Which features of a sparse autoencoder are a neuron's concepts?

    On the neuron's top samples, the AUROC of a feature's activation for membership of a concept
    (arXiv 2411.01220 and SAELens compare features by cosine, which needs one space).

    Args:
        concepts: of a neuron, or a split, which is cut at its suggested threshold.
        sae: the autoencoder.
        acts: activations of the autoencoder's layer on the same samples. Not given: those that were
            split.
        other: the same autoencoder with another seed or from other data: how far the features come
            back.
        draws: permutations of the null.
        seed: of permutations and halves.

    Returns:
        a `FeatureMatch`: `to_frame()`, `to_altair()`.

    Raises:
        TypeError: something else than concepts and autoencoders.
        ValueError: no concept, concepts from disk, activations of other samples or of another
            width, no feature that is active on two samples.
    """
    if isinstance(concepts, Split):
        concepts = concepts.cut()
    if not isinstance(concepts, Concepts):
        kind = type(concepts).__name__
        raise TypeError(f"concepts must be Concepts or a Split, got a {kind}.")
    if not isinstance(sae, SAE):
        raise TypeError(f"sae must be an SAE, got a {type(sae).__name__}: use nw.SAE.load(path).")
    draws, seed = integer("draws", draws, 1), integer("seed", seed, 0)
    split = concepts.require_split("match_features")
    if not len(concepts):
        raise ValueError("concepts holds no concept: lower the threshold of its cut.")
    layer = split.acts if acts is None else _same_samples(split, Activations.of(acts))
    every = sae.encode(layer, concepts.index)
    features = np.flatnonzero((every > 0).sum(axis=0) >= 2)
    if not len(features):
        raise ValueError(
            f"no feature of {sae!r} is active on two of the {len(concepts.index)} top samples: is "
            f"it of layer {layer.layer!r}?"
        )
    strengths = every[:, features]
    groups = concepts.assignment[:, None] == np.arange(len(concepts))
    values = layer.rows(concepts.index)
    measured = drained(measuring(values, strengths, groups, draws, seed))
    best, top = features[measured.column], measured.auroc.max(axis=1)
    cosine = np.full(len(concepts), np.nan)
    if acts is None:
        rows = normalized(sae.W_dec[best])
        cosine = np.einsum("kd,kd->k", concepts.differences, rows, dtype=np.float64)
    agreement = concepts.half_agreement(seed)
    of_features = _seed_agreement(sae, other, best, seed)
    explained = sae.explained(layer, concepts.index)
    return FeatureMatch(
        concepts, sae, features, strengths, measured.auroc, best,
        _matched(measured.auroc, features), measured.held_out, np.mean(measured.random, axis=0),
        reached(measured.random), measured.same, measured.null,
        (1 + (measured.null >= top - 1e-9).sum(axis=0)) / (1 + draws),
        tuple(features[columns] for columns in measured.cover), measured.covered,
        measured.random_covered, cosine,
        _divided(split, concepts, values, strengths, features, draws, seed), *agreement,
        *of_features, explained, doubt_of(layer, explained),
    )  # fmt: skip


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _same_samples(split: Split, acts: Activations) -> Activations:
    rows = split.index
    same = len(acts) == len(split.acts) and np.array_equal(
        acts.samples.dataset_indices(rows), split.places
    )
    if not same:
        raise ValueError(
            f"acts must have the samples that were split ({len(split.acts):,} of layer "
            f"{split.layer!r}), got {len(acts):,} others: capture both layers in one pass, with "
            "layer=[...]."
        )
    return acts


def _matched(auroc: np.ndarray, features: np.ndarray) -> np.ndarray:
    from scipy.optimize import linear_sum_assignment

    matched = np.full(len(auroc), -1, np.int64)
    concept, column = linear_sum_assignment(-auroc)
    matched[concept] = features[column]
    return matched


def _divided(
    split: Split, concepts: Concepts, values: np.ndarray, strengths: np.ndarray,
    features: np.ndarray, draws: int, seed: int,
) -> Divided:  # fmt: skip
    feature = np.full(len(concepts), -1)
    auroc, p, held_out, random = np.full((4, len(concepts)), np.nan)
    tree = split.tree
    for concept, node in enumerate(concepts.nodes):
        # A refined concept is no node of the tree.
        if node < tree.n or concepts.refined:
            continue
        samples = tree.samples_of(int(node))
        first = np.isin(samples, tree.samples_of(int(tree.children[node - tree.n][0])))[:, None]
        own = strengths[samples]
        null = best_of_permuted(own, first, draws, seed, either=True)[:, 0]
        column, held_out[concept], random[concept] = telling(
            values[samples], own, first[:, 0], seed
        )
        found = float(aurocs(own, first)[0, column])
        feature[concept], auroc[concept] = features[column], max(found, 1 - found)
        p[concept] = (1 + (null >= auroc[concept] - 1e-9).sum()) / (1 + draws)
    return Divided(feature, auroc, p, held_out, random)


def _seed_agreement(
    sae: SAE, other: SAE | None, best: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    if other is None:
        return np.full(len(best), np.nan), np.full(len(best), np.nan)
    agreement = sae.agreement(other)[best]
    permuted = np.random.default_rng(seed).permuted(normalized(other.W_dec), axis=0)
    return agreement, largest_cosines(sae.W_dec[best], permuted)


def doubt_of(acts: Activations, explained: float) -> str:
    """Why a comparison with an autoencoder may be void, a sentence; "" if nothing is known."""
    if acts.pooling in ("max", "mean"):
        return (
            f"samples are the {acts.pooling} over tokens, which is no state of the layer: capture "
            "with pooling='token' or 'last'."
        )
    if explained < DOUBTFUL:
        return (
            f"the autoencoder reconstructs {max(0, explained):.0%} of the samples' variance. Is it "
            f"of layer {acts.layer!r}?"
        )
    return ""
