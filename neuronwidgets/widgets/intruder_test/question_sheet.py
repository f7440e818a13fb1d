"""The questions of one test, and what a view and an answer sheet have of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.name_scores.answer_sheet import FORMAT, VERSION, answer_sheet
from neuronwidgets.concepts.name_scores.questions import (
    CARDS,
    CHANCE,
    Question,
    intruder_questions,
)
from neuronwidgets.widgets.base.previews import CHARACTERS, pack_previews
from neuronwidgets.widgets.protocol.buffers import pack


@dataclass(frozen=True, eq=False)
class QuestionSheet:
    """The questions of an intruder test.

    Attributes:
        concepts: the concepts that are tested.
        questions: the questions, those of the control among them.
        others, seed: see `intruder_questions`.
    """

    concepts: Concepts
    questions: Sequence[Question]
    others: str
    seed: int

    @classmethod
    def of(
        cls, concepts: Concepts, count: int, controls: int, others: str, seed: int
    ) -> QuestionSheet:
        """Draw the questions. Texts that look equal on a card are one sample."""
        drawn = intruder_questions(concepts, count, controls, others, seed, CHARACTERS)
        return cls(concepts, drawn, others, seed)

    @property
    def about(self) -> dict[str, Any]:
        """What an answer sheet says of the test."""
        split = self.concepts.require_split("an intruder test")
        return {
            "layer": split.layer, "target": split.name,
            "threshold": float(self.concepts.threshold), "others": self.others, "seed": self.seed,
            "names": list(self.concepts.names),
        }  # fmt: skip

    def answered(self, student: str, answers: Sequence[int]) -> dict[str, Any]:
        """The answer sheet of one person."""
        return answer_sheet(self.about, student, self.questions, answers)

    def check_answers(self, answers: Sequence[int]) -> None:
        """Check the cards that were chosen.

        Raises:
            ValueError: more answers than questions, or another card than 1 to 5.
        """
        if len(answers) > len(self.questions):
            raise ValueError(
                f"answers must be at most {len(self.questions)}, one for each question, got "
                f"{len(answers)}."
            )
        for answer in answers:
            if not 1 <= answer <= CARDS:
                raise ValueError(f"answers must be cards from 1 to {CARDS}, got {answer}.")

    def pack(self) -> bytes:
        """The message `questions`."""
        acts = self.concepts.require_split("an intruder test").acts
        rows = np.array([question.rows for question in self.questions], np.int32)
        tensors, meta = pack_previews(acts.samples, np.unique(rows).tolist(), {})
        tensors |= {
            "row": rows,
            "odd": np.array([question.odd for question in self.questions], np.uint8),
            "concept": np.array([question.concept for question in self.questions], np.int32),
            "control": np.array([question.control for question in self.questions], np.uint8),
        }
        about = {"format": FORMAT, "version": VERSION, **self.about, "chance": CHANCE}
        return pack(tensors, meta | about)
