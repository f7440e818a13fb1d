"""`score_names`: names, or groups of samples, tested by a callable that answers questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.concepts.name_scores.answers import odd_one, those_that_fit
from neuronwidgets.concepts.name_scores.questions import (
    CHANCE,
    OTHERS,
    Question,
    detection_questions,
    intruder_questions,
)
from neuronwidgets.concepts.name_scores.scores import NameScores
from neuronwidgets.concepts.naming.calls import CHARACTERS, Cost, make_calls, sent_sample
from neuronwidgets.core.checks import integer, one_of
from neuronwidgets.core.warning import warn

if TYPE_CHECKING:
    from neuronwidgets.concepts.concepts import Concepts

BY = "detection", "intruder"
"""The kinds of questions."""
EACH = 4
"""Intruder questions for each concept, by default."""


@dataclass(frozen=True, repr=False, eq=False)
class ScorePlan:
    """Questions about concepts, and their cost. `run()` asks them.

    Attributes:
        by: "detection" or "intruder".
        names: the names of the concepts.
        call: the user's callable.
        questions: the questions.
        inputs: the samples that `call` gets for each question.
        notes: what is not as asked for.
        answers: the answers so far, bool: whether each judgement is right. A second `run` asks only
            what has no answer.
    """

    by: str
    names: tuple[str, ...]
    call: Callable[..., Any]
    questions: Sequence[Question]
    inputs: Sequence[list[Any]]
    notes: tuple[str, ...] = ()
    answers: dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def open(self) -> list[int]:
        """The questions without an answer."""
        return [i for i in range(len(self.questions)) if i not in self.answers]

    @property
    def cost(self) -> Cost:
        """What the calls to make will send, without the names."""
        return Cost.of(self.inputs[i] for i in self.open)

    def run(self, progress: bool = True) -> NameScores:
        """Ask the questions, one after another, and count the right answers.

        If a call fails or its answer cannot be read, only this question is not counted; a warning
        and the notes give the reason. Another `run()` asks only those. An interrupted call (Ctrl-C)
        counts the answers so far.
        """
        errors = make_calls(
            self.open, self.answers, self._ask, "testing names", "questions", progress
        )
        failed = [
            f"question {i + 1}, about concept {self.questions[i].concept + 1}, has no answer: "
            f"{error}"
            for i, error in errors.items()
        ]
        if failed:
            more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
            warn("; ".join(failed[:3]) + more)
        # Of the questions and of their control.
        right, count = np.zeros((2, 2, len(self.names)), np.int64)
        for i, is_right in self.answers.items():
            question = self.questions[i]
            right[int(question.control), question.concept] += is_right.sum()
            count[int(question.control), question.concept] += len(is_right)
        chance = CHANCE if self.by == "intruder" else 0.5
        return NameScores(
            self.by, self.names, right[0], count[0], right[1], count[1], chance,
            (*self.notes, *failed),
        )  # fmt: skip

    def _ask(self, i: int) -> np.ndarray:
        question, samples = self.questions[i], list(self.inputs[i])
        count = len(samples)
        if self.by == "intruder":
            return np.array([odd_one(self.call(samples), count) == question.odd])
        return those_that_fit(self.call(question.name, samples), count) == question.fits

    def __repr__(self) -> str:
        cost = self.cost.in_words(len(self.answers))
        return f"ScorePlan(to ask by {self.by}: {cost}; run() starts it)"

    def _repr_html_(self) -> str:
        return self.cost.as_html(len(self.answers))


def score_names(
    concepts: Concepts,
    ask: Callable[..., Any],
    by: str = "detection",
    *,
    questions: int | None = None,
    samples: int = 10,
    control: bool = True,
    others: str = OTHERS[0],
    seed: int = 0,
    characters: int = CHARACTERS,
) -> ScorePlan:
    """Plan to test the names of concepts, or the concepts themselves, by a callable.

    The plan shows its cost; nothing is sent before `plan.run()`. Detection and intruder scoring are
    those of *delphi* (EleutherAI), after Bills et al. 2023 and Chang et al. 2009 (*Reading Tea
    Leaves*), but about the concepts of one neuron.

    Args:
        concepts: the concepts of one neuron, at one cut.
        ask: answers a question.

            - By detection, `ask(name, samples)` returns the samples that fit the name: their
              numbers from 1 as a list or as a text ("1, 3" or "none"), or as many bools as samples.
            - By intruder, `ask(samples)` returns the number, from 1 to 5, of the sample that does
              not belong to the four others. It gets no name.

            Samples are as in `Concepts.ask`. Any other answer is refused and not counted.
        by: "detection": half of the samples are of the concept, so that a guess is right in half
            of them. "intruder": four samples are of the concept and one is not; a guess is right in
            a fifth.
        questions: intruder questions in all; not given: four for each concept. (By detection there
            is one for each concept that has a name.)
        samples: samples of a detection question, at most.
        control: ask as many questions again of which no better than chance is expected. By
            detection: the same samples with the name of another concept. By intruder: five of the
            same samples at random.
        others: where samples that are not of the concept come from. "siblings": the neuron's other
            concepts; "dataset": all samples that are not top samples.
        seed: of all draws.
        characters: characters of a text, at most.

    Raises:
        TypeError, ValueError: `ask` is not callable; an unknown `by` or `others`; samples that are
            neither texts nor images; concepts without names, or with too few distinct samples.
    """
    one_of("by", by, BY)
    if not callable(ask):
        raise TypeError(f"ask must be a callable that answers questions, got {ask!r:.60}.")
    characters = integer("characters", characters, 1)
    notes: list[str] = []
    if by == "detection":
        if questions is not None:
            raise TypeError("questions= goes with by='intruder'; detection asks about each name.")
        asked, notes = detection_questions(concepts, samples, control, others, seed, characters)
    else:
        count = EACH * len(concepts) if questions is None else integer("questions", questions, 1)
        asked = intruder_questions(
            concepts, max(1, count), count if control else 0, others, seed, characters
        )
    acts = concepts.require_split("score_names").acts
    inputs = [[sent_sample(acts, row, characters)[0] for row in q.rows.tolist()] for q in asked]
    return ScorePlan(by, concepts.names, ask, asked, inputs, tuple(notes))
