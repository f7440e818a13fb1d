"""Questions about concepts: which sample is the odd one, and which samples fit a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.concepts.naming.calls import CHARACTERS, check_sent, sent_sample
from neuronwidgets.core.checks import integer, one_of

if TYPE_CHECKING:
    from neuronwidgets.concepts.concepts import Concepts

OTHERS = "siblings", "dataset"
"""Where samples that are not of the concept come from."""
CARDS = 5
"""Samples of an intruder question: four of a concept and one that is not."""
CHANCE = 1 / CARDS
"""The share of intruders that a guess finds."""


@dataclass(frozen=True, eq=False)
class Question:
    """Samples to tell apart.

    Attributes:
        concept: the concept that is tested, from 0.
        rows: int64 `n`, rows of the activations, in the order in which they are shown.
        fits: bool `n`, the samples of the concept.
        name: the name that is shown; `None` in an intruder question.
        control: whether it is one of the control: five samples at random, or the name of another
            concept.
    """

    concept: int
    rows: np.ndarray
    fits: np.ndarray
    name: str | None = None
    control: bool = False

    @property
    def odd(self) -> int:
        """The place of the first sample that is not of the concept."""
        return int((~self.fits).argmax())


class Pools:
    """The distinct samples that questions draw from.

    Args:
        concepts: the concepts.
        others: "siblings": what is not of a concept is drawn from the neuron's other concepts;
            "dataset": from all samples that are not among the top samples.
        rng: draws them.
        characters: characters of a text by which samples are compared.

    Raises:
        ValueError: samples that are neither texts nor images, no concepts, a single concept without
            siblings, an unknown `others`.
    """

    def __init__(
        self, concepts: Concepts, others: str, rng: np.random.Generator, characters: int
    ) -> None:
        self._acts = concepts.require_split("a test of its samples").acts
        check_sent(self._acts)
        one_of("others", others, OTHERS)
        if not len(concepts):
            raise ValueError("there must be concepts to test, got none: cut elsewhere.")
        if others == "siblings" and len(concepts) == 1:
            raise ValueError(
                "others='siblings' needs several concepts, got one: pass others='dataset', or cut "
                "lower."
            )
        self._others, self._rng, self._characters = others, rng, characters
        self.groups = [self._distinct(concepts.index[group]) for group in concepts.groups]
        self._rest = np.setdiff1d(np.arange(len(self._acts)), concepts.index)

    def key(self, row: int) -> Any:
        """What equal samples share."""
        return sent_sample(self._acts, int(row), self._characters)[1]

    def anything(self, count: int) -> np.ndarray:
        """At most `count` distinct samples at random, from what the concepts or, with
        others="dataset", the other samples are."""
        source = self._rest if self._others == "dataset" else np.concatenate(self.groups)
        return self._first(self._rng.permutation(source), count, set())

    def own(self, rows: np.ndarray, count: int) -> np.ndarray:
        """`count` of some distinct samples, at random."""
        return self._rng.choice(rows, count, replace=False)

    def foreign(self, k: int, count: int) -> np.ndarray:
        """At most `count` distinct samples that are not of concept `k`, at random.

        Each sibling gives about as many, whatever its size.
        """
        if self._others == "dataset":
            order = self._rng.permutation(self._rest)
        else:
            siblings = [self._rng.permutation(g) for j, g in enumerate(self.groups) if j != k]
            turn = [(i, self._rng.random(), row) for g in siblings for i, row in enumerate(g)]
            order = np.array([row for _, _, row in sorted(turn)], np.int64)
        return self._first(order, count, {self.key(row) for row in self.groups[k]})

    def _first(self, order: np.ndarray, count: int, seen: set[Any]) -> np.ndarray:
        """The first `count` distinct samples that are not like those seen."""
        rows: list[int] = []
        for row in order.tolist():
            key = self.key(row)
            if key not in seen:
                seen.add(key)
                rows.append(row)
            if len(rows) == count:
                break
        return np.array(rows, np.int64)

    def _distinct(self, rows: np.ndarray) -> np.ndarray:
        first: dict[Any, int] = {}
        for row in rows.tolist():
            first.setdefault(self.key(row), row)
        return np.array(list(first.values()), np.int64)


def intruder_questions(
    concepts: Concepts,
    count: int,
    controls: int,
    others: str = OTHERS[0],
    seed: int = 0,
    characters: int = CHARACTERS,
) -> list[Question]:
    """Five samples each, four of one concept and one that is not of it, in random order.

    Concepts take turns; those with fewer than four distinct samples are left out.

    Args:
        concepts: the concepts of one neuron, at one cut.
        count: the number of questions.
        controls: the number of further questions whose five samples are drawn at random from the
            same ones. Nothing tells their odd one apart, so that it is found in one of five.
        others: "siblings": the odd one is of another concept; "dataset": it is none of the top
            samples.
        seed: of all draws.
        characters: texts are compared by so many characters.

    Raises:
        ValueError: see `Pools`; or no concept has enough distinct samples.
    """
    count, controls = integer("count", count, 1), integer("controls", controls, 0)
    rng = np.random.default_rng(integer("seed", seed, 0))
    pools = Pools(concepts, others, rng, characters)
    questions = [
        *_intruders(pools, count, False, rng), *_intruders(pools, controls, True, rng)
    ]  # fmt: skip
    return [questions[i] for i in rng.permutation(len(questions))]


def _intruders(pools: Pools, count: int, control: bool, rng: np.random.Generator) -> list[Question]:
    groups = pools.groups
    hosts = [
        k for k, group in enumerate(groups) if len(group) >= CARDS - 1 and len(pools.foreign(k, 1))
    ]
    if not hosts or (control and len(pools.anything(CARDS)) < CARDS):
        raise ValueError(
            f"a concept must have {CARDS - 1} different samples, and there must be one that is not "
            "of it; none has: cut higher, or split more top samples."
        )
    turns = range(-(-count // len(hosts)))
    order = [k for _ in turns for k in rng.permutation(hosts).tolist()]
    questions = []
    for k in order[:count]:
        if control:
            rows = pools.anything(CARDS)
        else:
            rows = np.append(pools.own(groups[k], CARDS - 1), pools.foreign(k, 1))
        place = rng.permutation(CARDS)
        questions.append(Question(k, rows[place], place < CARDS - 1, control=control))
    return questions


def detection_questions(
    concepts: Concepts,
    samples: int,
    control: bool,
    others: str = OTHERS[0],
    seed: int = 0,
    characters: int = CHARACTERS,
) -> tuple[list[Question], list[str]]:
    """A name and samples, of which half are of its concept, in random order.

    Samples that a callable saw when it gave the name are not asked about, if enough others are
    left. Concepts without a name ("Concept 1") are left out.

    Args:
        concepts: the concepts of one neuron, at one cut.
        samples: samples of a question, at most.
        control: ask each question again with the name of another concept.
        others, seed, characters: see `intruder_questions`.

    Returns:
        The questions, and notes on what is not as asked for.

    Raises:
        ValueError: see `Pools`; or no concept has a name, or one has no other samples.
    """
    half = integer("samples", samples, 2) // 2
    rng = np.random.default_rng(integer("seed", seed, 0))
    pools = Pools(concepts, others, rng, characters)
    named = [k for k, name in enumerate(concepts.names) if name != f"Concept {k + 1}"]
    if not named:
        raise ValueError("no concept has a name: name them first, by concepts.ask(callable).")
    shown = _shown_for_names(concepts)
    questions: list[Question] = []
    seen, left_out, alone = [], [], []
    for k in named:
        rows = pools.groups[k]
        unseen = rows[shown.get(k, 0) :]
        if len(unseen) < min(half, len(rows)):
            seen.append(k)
            unseen = rows
        foreign = pools.foreign(k, min(half, len(unseen)))
        own = pools.own(unseen, min(half, len(unseen), len(foreign)))
        if not len(own):
            left_out.append(k)
            continue
        place = rng.permutation(2 * len(own))
        rows, fits = np.concatenate([own, foreign])[place], place < len(own)
        questions.append(Question(k, rows, fits, concepts.names[k]))
        names = [concepts.names[j] for j in named if concepts.names[j] != concepts.names[k]]
        if control and names:
            name = names[rng.integers(len(names))]
            questions.append(Question(k, rows, fits, name, control=True))
        elif control:
            alone.append(k)
    if not questions:
        raise ValueError("no concept has samples to compare: cut elsewhere.")
    about = (
        (seen, "asked about samples that their names were found from"),
        (left_out, "not asked about, without samples to compare"),
        (alone, "without a control, because no other concept has another name"),
    )
    numbers = ((", ".join(str(k + 1) for k in which), words) for which, words in about if which)
    return questions, [f"concepts {which}: {words}" for which, words in numbers]


def _shown_for_names(concepts: Concepts) -> dict[int, int]:
    """For each concept how many of its strongest distinct samples its name was found from."""
    naming = concepts.naming
    if naming is None:
        return {}
    if naming.how != "ask":
        return {k: len(concepts.index) for k, name in enumerate(naming.names) if name is not None}
    evidence = naming.evidence
    return dict(zip(evidence["concept"], evidence["samples"], strict=True))
