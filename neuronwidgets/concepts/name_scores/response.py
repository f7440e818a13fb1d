"""`name_response`: do new texts that a name describes point along its concept?"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.retrieval import DEFAULT
from neuronwidgets.concepts.name_scores.questions import OTHERS
from neuronwidgets.concepts.naming.auc import auc, p_value, ranked
from neuronwidgets.core.checks import integer, one_of
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.subsample import evenly_spaced
from neuronwidgets.display.html import table

if TYPE_CHECKING:
    from neuronwidgets.concepts.concepts import Concepts

MOST = 1_000
"""Control samples of the data set, at most: as in PRISM."""
FEWEST = 2
"""Samples on each side, at least."""


@dataclass(frozen=True, repr=False, eq=False)
class NameResponse:
    """How `K` concepts and their neuron respond to new samples that one name describes.

    The other concepts are a second control: a name that is true of its concept alone raises only
    this one.

    Attributes:
        concept: the concept whose name describes the samples, from 0.
        names: `K` names.
        auroc: float64 `K`, the chance that one of these samples scores above a control sample on
            each concept, ties counting half; 0.5 is chance.
        mad: float64 `K`, the mean of these samples minus that of the control, in standard
            deviations of the control; NaN where the control does not vary.
        p: float64 `K`, Mann and Whitney's, one-sided.
        neuron_auroc, neuron_mad, neuron_p: the same of the neuron's activation.
        these, those: the numbers of samples and of control samples.
    """

    concept: int
    names: tuple[str, ...]
    auroc: np.ndarray
    mad: np.ndarray
    p: np.ndarray
    neuron_auroc: float
    neuron_mad: float
    neuron_p: float
    these: int
    those: int

    def to_frame(self) -> Any:
        """A `pandas.DataFrame`, a row for each concept and one for the neuron (`concept` -1):
        `concept`, `name`, `auroc`, `mad`, `p`."""
        import pandas as pd

        return pd.DataFrame({
            "concept": [*range(len(self.names)), -1], "name": [*self.names, "the neuron"],
            "auroc": [*self.auroc, self.neuron_auroc], "mad": [*self.mad, self.neuron_mad],
            "p": [*self.p, self.neuron_p],
        })  # fmt: skip

    def __repr__(self) -> str:
        k = self.concept
        siblings = np.delete(self.auroc, k)
        beside = f"; other concepts at most {siblings.max():.2f}" if len(siblings) else ""
        return (
            f"NameResponse({self.names[k]!r}: AUROC {self.auroc[k]:.2f}, MAD {self.mad[k]:.2f}, p "
            f"{self.p[k]:.2g}{beside}; the neuron {self.neuron_auroc:.2f}; {self.these} samples "
            f"against {self.those:,})"
        )

    def _repr_html_(self) -> str:
        frame = self.to_frame()
        rows = [
            [
                f"<b>{html.escape(name)}</b>" if k == self.concept else html.escape(name),
                f"{area:.2f}", f"{mad:.2f}", f"{p:.2g}",
            ]
            for k, name, area, mad, p in frame.itertuples(index=False)
        ]  # fmt: skip
        about = (
            f"<p>{self.these} samples of “{html.escape(self.names[self.concept])}” against "
            f"{self.those:,} others; chance: AUROC 0.5</p>"
        )
        return about + table(["concept", "AUROC", "MAD", "p"], rows, (0,))


@own_modes()
def name_response(
    concepts: Concepts,
    concept: int,
    these: Any,
    those: Any = None,
    others: str = OTHERS[0],
    by: str = DEFAULT,
) -> NameResponse:
    """Test a name on new samples that it describes: do they point along its concept?

    AUROC and MAD as in PRISM (Kopf et al. 2025, arXiv 2506.15538) and CoSy (Kopf et al. 2024,
    arXiv 2405.20331), for each concept of the neuron and for the neuron itself.

    Args:
        concepts: the concepts of one neuron, at one cut.
        concept: the concept whose name is tested, from 0.
        these: `Activations` (or an `N x D` array) of the same layer on samples that the name
            describes: `nw.capture(model, my_texts, layer, ...)`, pooled as the concepts' were.
        those: the same of control samples that it does not describe. Not given: what `others` says.
        others: "siblings": the samples of the neuron's other concepts, so that a text which excites
            the neuron for another reason does not count; "dataset": at most 1,000 evenly spaced
            samples that are not top samples.
        by: how a concept scores a sample, see `Concepts.retrieve`.

    Raises:
        ValueError: no such concept, another width or pooling, fewer than two samples on a side.
    """
    count = len(concepts)
    if not 0 <= integer("concept", concept, 0) < count:
        raise ValueError(f"concept must be below {count}, the number of concepts, got {concept}.")
    these = _of_layer(concepts, "these", these)
    if those is None:
        acts = concepts.require_split("name_response without those=").acts
        rows = _control_rows(concepts, concept, others)
        pair = these, acts
        index: tuple[Any, Any] = np.arange(len(these)), rows
    else:
        pair = these, _of_layer(concepts, "those", those)
        index = np.arange(len(these)), np.arange(len(pair[1]))
    for name, rows in zip(("these", "those"), index, strict=True):
        if len(rows) < FEWEST:
            raise ValueError(f"{name} must have at least {FEWEST} samples, got {len(rows)}.")
    target = concepts.direction if concepts.neuron is None else concepts.neuron
    scores = [
        np.column_stack([concepts.scores_of(acts, by, rows), acts.along(target)[rows]])
        for acts, rows in zip(pair, index, strict=True)
    ]
    inside, outside = (part.astype(np.float64) for part in scores)
    ranks = ranked(np.concatenate([inside, outside]))
    n, total = len(inside), len(ranks)
    areas = auc(ranks[:n].sum(axis=0), np.array(n), total)
    spread = outside.std(axis=0)
    mad = np.divide(
        inside.mean(axis=0) - outside.mean(axis=0), spread,
        out=np.full(count + 1, np.nan), where=spread > 0,
    )  # fmt: skip
    source = _sources(*(acts.samples.source[rows] for acts, rows in zip(pair, index, strict=True)))
    p = np.array([p_value(column, np.arange(total) < n, source) for column in ranks.T])
    return NameResponse(
        concept, concepts.names, areas[:-1], mad[:-1], p[:-1], float(areas[-1]), float(mad[-1]),
        float(p[-1]), n, len(outside),
    )  # fmt: skip


def _sources(these: np.ndarray, those: np.ndarray) -> np.ndarray:
    """int64: what each sample of both is of; those of two captures are of different texts."""
    return np.concatenate([these, those + these.max(initial=-1) + 1])


def _control_rows(concepts: Concepts, concept: int, others: str) -> np.ndarray:
    if one_of("others", others, OTHERS) == "dataset":
        every = np.arange(len(concepts.require_split("others='dataset'").acts))
        rows: np.ndarray = evenly_spaced(np.setdiff1d(every, concepts.index), MOST)
        return rows
    is_sibling = (concepts.assignment >= 0) & (concepts.assignment != concept)
    if not is_sibling.any():
        raise ValueError(
            "others='siblings' needs several concepts, got one: pass others='dataset', or those=."
        )
    return np.sort(concepts.index[is_sibling])


def _of_layer(concepts: Concepts, name: str, given: Any) -> Activations:
    acts = Activations.of(given)
    split = concepts.split
    if split is not None and acts.pooling and split.acts.pooling not in ("", acts.pooling):
        raise ValueError(
            f"{name} must be pooled as the concepts' samples, pooling={split.acts.pooling!r}, got "
            f"{acts.pooling!r}."
        )
    width = concepts.vectors.shape[1]
    if acts.shape[1] != width:
        raise ValueError(
            f"{name} must be of the concepts' layer, with {width:,} neurons, got {acts.shape[1]:,}."
        )
    return acts
