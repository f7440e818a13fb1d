"""IntruderTest: can people tell the concepts of a neuron apart?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import traitlets as t

from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.name_scores.answer_sheet import counted
from neuronwidgets.concepts.name_scores.answer_sheet import pool as pool_sheets
from neuronwidgets.concepts.name_scores.questions import OTHERS
from neuronwidgets.concepts.name_scores.scores import NameScores
from neuronwidgets.core.text import well_formed
from neuronwidgets.widgets.base.given import given
from neuronwidgets.widgets.base.widget import Widget, as_trait_error
from neuronwidgets.widgets.intruder_test.question_sheet import QuestionSheet


class IntruderTest(Widget):
    """Five cards, four of one concept and one of another: which one does not belong?

    The test is blind: neither names nor the threshold are shown before the last answer. It scores a
    cut, names or not: what people cannot tell apart is one concept to them. Some of the questions
    are a control, with five samples at random, in which only luck finds the odd one.

    The accuracy stands beside chance, one in five, with an exact 95% interval (Clopper & Pearson
    1934). Chang et al. 2009, *Reading Tea Leaves: How Humans Interpret Topic Models*, tested topics
    in this way.
    """

    _KIND = "intruder-test"

    student = t.Unicode("").tag(sync=True, echo_update=False)
    """The name of who answers, for the answer sheet."""
    answers = t.List(t.Int()).tag(sync=True, echo_update=False)
    """The card chosen in each question so far, from 1. Set it to `[]` to begin again."""

    _questions = t.Bytes().tag(sync=True)

    def __init__(
        self,
        concepts: Any,
        questions: int = 20,
        controls: int = 5,
        *,
        others: str = OTHERS[0],
        seed: int = 0,
        student: str = "",
    ) -> None:
        """Open a test.

        Args:
            concepts: `Concepts` of texts or images, or an open `SplitExplorer`, whose concepts on
                the screen are taken.
            questions: questions about concepts.
            controls: further questions with five samples at random.
            others: "siblings": the odd one is of another concept of the neuron; "dataset": it is
                none of the top samples.
            seed: of the draws. Students with different seeds see different samples.
            student: the name of who answers.

        Raises:
            TypeError: something else than concepts and explorers.
            ValueError: samples that are neither texts nor images; concepts with fewer than four
                distinct samples; a single concept without `others="dataset"`.
        """
        shown = getattr(concepts, "concepts", concepts)
        if not isinstance(shown, Concepts):
            raise TypeError(
                "concepts must be Concepts, such as split.cut(), or an open SplitExplorer, got a "
                f"{type(concepts).__name__}."
            )
        self._sheet = QuestionSheet.of(shown, questions, controls, others, seed)
        options = {
            "questions": questions, "controls": controls, "others": others, "seed": seed,
        }  # fmt: skip
        super().__init__(_given=given("concepts", **options))
        with self._opening():
            self._put({"student": student, "_questions": self._sheet.pack()})

    # What the user reads

    @property
    def concepts(self) -> Concepts:
        """The concepts that are tested."""
        return self._sheet.concepts

    @property
    def result(self) -> NameScores:
        """The right answers so far, by concept, and those of the control."""
        return counted(self.export())

    def export(self, path: str | Path | None = None) -> dict[str, Any]:
        """The answer sheet: the questions that were answered, and the answers.

        Args:
            path: a JSON file to write it to.
        """
        sheet = self._sheet.answered(self.student, self.answers)
        if path is not None:
            Path(path).write_text(json.dumps(sheet, ensure_ascii=False, indent=1) + "\n", "utf-8")
        return sheet

    pool = staticmethod(pool_sheets)

    def __repr__(self) -> str:
        sheet = getattr(self, "_sheet", None)
        if sheet is None:
            return "IntruderTest()"
        about, done = sheet.about, f"{len(self.answers)} of {len(sheet.questions)} answered"
        return f"IntruderTest({about['target']} of layer {about['layer']!r}, {done})"

    # Traits: checked, then passed on

    @t.validate("answers")
    def _check_answers(self, proposal: Any) -> Any:
        with as_trait_error(ValueError):
            self._sheet.check_answers(proposal["value"])
        return proposal["value"]

    @t.validate("student")
    def _check_student(self, proposal: Any) -> Any:
        return well_formed(proposal["value"])
