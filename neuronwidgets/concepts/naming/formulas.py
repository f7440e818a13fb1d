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
"""Samples multiplied at once."""


@dataclass(frozen=True)
class Formula:
    """Attributes (or their NOT), joined from the left: `((a op b) op c)`.

    Attributes:
        first: the first literal: an attribute's number, and whether it is negated.
        rest: an operation and a literal each.
    """

    first: tuple[int, bool]
    rest: tuple[tuple[Op, int, bool], ...] = ()

    def __len__(self) -> int:
        return 1 + len(self.rest)

    def holds(self, attributes: np.ndarray) -> np.ndarray:
        """bool `S`: for which of `S x L` attributes it is true."""
        out = attributes[:, self.first[0]] ^ self.first[1]
        for op, attribute, negated in self.rest:
            other = attributes[:, attribute] ^ negated
            out = out & other if op == "AND" else out | other
        return out

    def text(self, names: tuple[str, ...]) -> str:
        """Such as `(Village OR NaturalPlace) AND NOT Building`."""
        out, before = _literal(names, *self.first), None
        for op, attribute, negated in self.rest:
            if before not in (None, op):
                out = f"({out})"
            out, before = f"{out} {op} {_literal(names, attribute, negated)}", op
        return out


@dataclass(frozen=True)
class Best:
    """The best formula of its length for one vector of scores.

    Attributes:
        formula, auc: what it is, and how well the scores tell its samples from the others.
        samples: for how many samples it is true.
        tried: how many formulas (different sets of samples) the whole search of this vector tried.
    """

    formula: Formula
    auc: float
    samples: int
    tried: int


def search(
    scores: np.ndarray, attributes: np.ndarray, beam: int, length: int, least: int, most: int
) -> list[list[Best]]:
    """For each column of scores the best formula of each length, shortest first.

    A step joins each formula of the beam with each attribute and its NOT, by AND and by OR. All
    that it needs of a set of samples is a sum over them (their number, ranks, and a hash, by which
    formulas that mean the same samples count once), and sums of AND, OR and NOT follow from those
    of `a AND b`: one matrix product for all candidates.

    Args:
        scores: `S x K`, finite.
        attributes: bool `S x L`.
        beam: formulas that a step goes on with.
        length: literals at most.
        least, most: samples that a formula is true for.

    Returns:
        `K` lists; a list ends where no longer formula means anything new. Ties go to the shorter
        formula, then to the smaller attribute.
    """
    many, wanted = scores.shape
    kinds = attributes.shape[1]
    if not wanted or not kinds:
        return [[] for _ in range(wanted)]
    ranks = ranked(scores)
    # Whole numbers whose sums float64 holds exactly.
    marks = np.random.default_rng(0).integers(1, 2**52 // many, many).astype(np.float64)
    ones = np.ones(many)
    sums = _sums(np.vstack([ones, marks, ranks.T]), attributes)
    out = []
    for k in range(wanted):
        alone = np.stack([sums[0], sums[2 + k], sums[1]])
        total = np.array([many, ranks[:, k].sum(), marks.sum()])
        walk = _Walk(alone, total, beam, least, most)
        each = np.stack([ones, ranks[:, k], marks])
        for _ in range(1, length):
            if not walk.beam:
                break
            holds = np.stack([formula.holds(attributes) for formula in walk.beam])
            weights = (holds[:, None] * each).reshape(-1, many)
            walk.step(_sums(weights, attributes).reshape(-1, 3, kinds))
        tried = len(walk.seen)
        out.append([Best(formula, value, inside, tried) for formula, value, inside in walk.best])
    return out


class _Walk:
    """One vector's beam: sums are `3 x ...`, of samples, ranks and marks."""

    def __init__(
        self, alone: np.ndarray, total: np.ndarray, beam: int, least: int, most: int
    ) -> None:
        self.alone, self.total, self.width, self.least, self.most = alone, total, beam, least, most
        self.seen = np.zeros(0, np.complex128)
        self.beam: list[Formula] = []
        self.best: list[tuple[Formula, float, int]] = []
        kinds = alone.shape[1]
        literals = np.concatenate([alone, total[:, None] - alone], axis=1)
        self._take(literals, lambda i: Formula((i % kinds, i >= kinds)))

    def step(self, both: np.ndarray) -> None:
        """`B x 3 x L`: the sums of each formula of the beam AND each attribute."""
        kinds = self.alone.shape[1]
        one = self.sums.T[:, :, None]
        total = self.total[:, None]
        sets = np.stack(
            [both, one - both, one + self.alone - both, total - self.alone + both], axis=1
        )
        joins: tuple[tuple[Op, bool], ...] = (
            ("AND", False), ("AND", True), ("OR", False), ("OR", True),
        )  # fmt: skip
        before = self.beam

        def formula(i: int) -> Formula:
            at, rest = divmod(i, 4 * kinds)
            join, attribute = divmod(rest, kinds)
            op, negated = joins[join]
            return Formula(before[at].first, (*before[at].rest, (op, attribute, negated)))

        self._take(np.moveaxis(sets, 2, 0).reshape(3, -1), formula)

    def _take(self, sums: np.ndarray, formula: Callable[[int], Formula]) -> None:
        """Go on with the best of `3 x C` candidates that are new."""
        fits = (sums[0] >= self.least) & (sums[0] <= self.most)
        at = np.flatnonzero(fits)
        key = sums[2, at] + 1j * sums[1, at]
        _, first = np.unique(key, return_index=True)
        first.sort()
        new = first[~np.isin(key[first], self.seen)]
        self.seen = np.concatenate([self.seen, key[new]])
        at = at[new]
        value = auc(sums[1, at], sums[0, at], self.total[0])
        order = np.argsort(-value, kind="stable")[: self.width]
        self.beam = [formula(int(i)) for i in at[order]]
        self.sums = sums[:, at[order]]
        if len(order):
            self.best.append((self.beam[0], float(value[order[0]]), int(self.sums[0, 0])))


def _sums(weights: np.ndarray, attributes: np.ndarray) -> np.ndarray:
    """float64 `W x L`: `W x S` weights summed over the samples of each attribute."""
    out = np.zeros((len(weights), attributes.shape[1]))
    for start in range(0, len(attributes), _ROWS):
        rows = slice(start, start + _ROWS)
        out += weights[:, rows] @ attributes[rows].astype(np.float64)
    return out


def _literal(names: tuple[str, ...], attribute: int, negated: bool) -> str:
    name = names[attribute]
    if re.search(r"\b(AND|OR|NOT)\b|[()]", name):
        name = f'"{name}"'
    return f"NOT {name}" if negated else name
