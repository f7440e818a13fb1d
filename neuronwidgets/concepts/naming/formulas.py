"""The AND/OR/NOT formula of attributes whose samples score highest, by beam search.

INVERT: Bykov, Kopf, Nakajima, Kloft, Höhne, *Labeling Neural Representations with Inverse
Recognition* (arXiv 2311.13594).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from neuronwidgets.concepts.naming.auc import auc, ranked

Op = Literal["AND", "OR"]
_ROWS = 4096
"""Samples multiplied at once: their attributes are converted to float64."""


@dataclass(frozen=True)
class Formula:
    """Attributes (or their NOT), joined from the left: `((a op b) op c)`.

    Attributes:
        first: the first literal: an attribute's number, and whether it is negated.
        rest: the further literals, each with the operation that joins it.
    """

    first: tuple[int, bool]
    rest: tuple[tuple[Op, int, bool], ...] = ()

    def __len__(self) -> int:
        return 1 + len(self.rest)

    def holds(self, attributes: np.ndarray) -> np.ndarray:
        """bool `S`: whether it is true for each sample, of `S x L` attributes."""
        holds = attributes[:, self.first[0]] ^ self.first[1]
        for op, attribute, negated in self.rest:
            literal = attributes[:, attribute] ^ negated
            holds = holds & literal if op == "AND" else holds | literal
        return holds

    def text(self, names: tuple[str, ...]) -> str:
        """The formula in words, such as `(Village OR NaturalPlace) AND NOT Building`."""
        text, last_op = _literal(names, *self.first), None
        for op, attribute, negated in self.rest:
            if last_op not in (None, op):
                text = f"({text})"
            text, last_op = f"{text} {op} {_literal(names, attribute, negated)}", op
        return text


@dataclass(frozen=True)
class Best:
    """The best formula of its length for one vector of scores.

    Attributes:
        formula: the formula.
        auc: how well the scores separate the samples for which it is true from the others.
        samples: the number of samples for which it is true.
        tried: the number of formulas (different sets of samples) in the whole search for this
            vector.
    """

    formula: Formula
    auc: float
    samples: int
    tried: int


def search(
    scores: np.ndarray, attributes: np.ndarray, beam: int, length: int, least: int, most: int
) -> list[list[Best]]:
    """For each column of scores the best formula of each length, shortest first.

    A step joins each formula of the beam with each attribute and its NOT, by AND and by OR. It
    needs three sums over the samples of a formula: their number, their ranks, and a hash, so that
    formulas that are true for the same samples count once. The sums for AND, OR and NOT follow from
    those of `a AND b`, which one matrix product gives for all candidates.

    Args:
        scores: `S x K`, finite.
        attributes: bool `S x L`.
        beam: formulas that a step extends.
        length: literals in a formula, at most.
        least, most: limits on the number of samples for which a formula is true.

    Returns:
        `K` lists. A list ends when no longer formula has a new set of samples. Ties go to the
        shorter formula, then to the smaller attribute.
    """
    samples, vectors = scores.shape
    count = attributes.shape[1]
    if not vectors or not count:
        return [[] for _ in range(vectors)]
    ranks = ranked(scores)
    # Integers whose sums float64 holds exactly.
    hashes = np.random.default_rng(0).integers(1, 2**52 // samples, samples).astype(np.float64)
    ones = np.ones(samples)
    sums = _sums(np.vstack([ones, hashes, ranks.T]), attributes)
    out = []
    for k in range(vectors):
        of_attributes = np.stack([sums[0], sums[2 + k], sums[1]])
        total = np.array([samples, ranks[:, k].sum(), hashes.sum()])
        beam_search = _BeamSearch(of_attributes, total, beam, least, most)
        summands = np.stack([ones, ranks[:, k], hashes])
        for _ in range(1, length):
            if not beam_search.beam:
                break
            holds = np.stack([formula.holds(attributes) for formula in beam_search.beam])
            weights = (holds[:, None] * summands).reshape(-1, samples)
            beam_search.step(_sums(weights, attributes).reshape(-1, 3, count))
        tried = len(beam_search.seen)
        out.append(
            [Best(formula, value, inside, tried) for formula, value, inside in beam_search.best]
        )
    return out


class _BeamSearch:
    """The search for one vector. Sums are `3 x ...`: of samples, ranks and hashes.

    Attributes:
        of_attributes, total: the sums over the samples of each attribute, and over all samples.
        seen: complex128, a key for each set of samples that was tried.
        beam, sums: the formulas to extend, best first, and their sums.
        best: the best formula of each length, with its AUC and its number of samples.
    """

    def __init__(
        self, of_attributes: np.ndarray, total: np.ndarray, beam: int, least: int, most: int
    ) -> None:
        self.of_attributes, self.total = of_attributes, total
        self.width, self.least, self.most = beam, least, most
        self.seen = np.zeros(0, np.complex128)
        self.beam: list[Formula] = []
        self.best: list[tuple[Formula, float, int]] = []
        count = of_attributes.shape[1]
        literals = np.concatenate([of_attributes, total[:, None] - of_attributes], axis=1)
        self._select(literals, lambda i: Formula((i % count, i >= count)))

    def step(self, both: np.ndarray) -> None:
        """Extend the beam by a literal.

        Args:
            both: `B x 3 x L`, the sums for each formula of the beam AND each attribute.
        """
        count = self.of_attributes.shape[1]
        formulas = self.sums.T[:, :, None]
        total = self.total[:, None]
        attributes = self.of_attributes
        sets = np.stack(
            [both, formulas - both, formulas + attributes - both, total - attributes + both],
            axis=1,
        )
        joins: tuple[tuple[Op, bool], ...] = (
            ("AND", False), ("AND", True), ("OR", False), ("OR", True),
        )  # fmt: skip
        beam = self.beam

        def formula(i: int) -> Formula:
            extended, rest = divmod(i, 4 * count)
            join, attribute = divmod(rest, count)
            op, negated = joins[join]
            base = beam[extended]
            return Formula(base.first, (*base.rest, (op, attribute, negated)))

        self._select(np.moveaxis(sets, 2, 0).reshape(3, -1), formula)

    def _select(self, sums: np.ndarray, formula: Callable[[int], Formula]) -> None:
        """Make the best new ones of `C` candidates the beam.

        Args:
            sums: `3 x C`, the candidates' sums.
            formula: gives the formula of a candidate's index.
        """
        candidates = np.flatnonzero((sums[0] >= self.least) & (sums[0] <= self.most))
        key = sums[2, candidates] + 1j * sums[1, candidates]
        _, first = np.unique(key, return_index=True)
        first.sort()
        new = first[~np.isin(key[first], self.seen)]
        self.seen = np.concatenate([self.seen, key[new]])
        candidates = candidates[new]
        values = auc(sums[1, candidates], sums[0, candidates], self.total[0])
        order = np.argsort(-values, kind="stable")[: self.width]
        self.beam = [formula(int(i)) for i in candidates[order]]
        self.sums = sums[:, candidates[order]]
        if len(order):
            self.best.append((self.beam[0], float(values[order[0]]), int(self.sums[0, 0])))


def _sums(weights: np.ndarray, attributes: np.ndarray) -> np.ndarray:
    """float64 `W x L`: the sums of `W x S` weights over the samples of each of `L` attributes."""
    sums = np.zeros((len(weights), attributes.shape[1]))
    for start in range(0, len(attributes), _ROWS):
        rows = slice(start, start + _ROWS)
        sums += weights[:, rows] @ attributes[rows].astype(np.float64)
    return sums


def _literal(names: tuple[str, ...], attribute: int, negated: bool) -> str:
    name = names[attribute]
    if re.search(r"\b(AND|OR|NOT)\b|[()]", name):
        name = f'"{name}"'
    return f"NOT {name}" if negated else name
