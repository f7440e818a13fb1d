"""A person's answers to an intruder test, as a JSON file has them, and those of a class pooled."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neuronwidgets.concepts.name_scores.questions import CARDS, CHANCE, Question
from neuronwidgets.concepts.name_scores.scores import NameScores, Share
from neuronwidgets.core.checks import is_integer
from neuronwidgets.core.warning import warn
from neuronwidgets.display.html import table

FORMAT = "neuronwidgets intruder test"
VERSION = 1
CUT = "layer", "target", "threshold", "others", "names"
"""What the tests whose answers are pooled have in common. Their questions may differ."""
_KINDS: dict[str, tuple[type, ...]] = {
    "student": (str,), "layer": (str,), "target": (str,), "threshold": (int, float),
    "others": (str,),
}  # fmt: skip


@dataclass(frozen=True, repr=False, eq=False)
class PooledAnswers:
    """The answers of `P` students to intruder tests of one cut.

    Attributes:
        scores: all answers, by concept. Its intervals count each answer as independent; those of
            one student are not quite.
        students: `P` names.
        right, count: int64 `P`, right answers and all answers of each student.
        control_right, control_count: int64 `P`, the same of the control.
        notes: what was left out.
    """

    scores: NameScores
    students: tuple[str, ...]
    right: np.ndarray
    count: np.ndarray
    control_right: np.ndarray
    control_count: np.ndarray
    notes: tuple[str, ...] = ()

    def to_frame(self) -> Any:
        """A `pandas.DataFrame`, a row for each student: `student`, `accuracy`, `low`, `high`,
        `right`, `count`, `control_right`, `control_count`. `scores.to_frame()` has the concepts."""
        import pandas as pd

        shares = self._shares()
        return pd.DataFrame({
            "student": list(self.students), "accuracy": [share.value for share in shares],
            "low": [share.interval[0] for share in shares],
            "high": [share.interval[1] for share in shares], "right": self.right,
            "count": self.count, "control_right": self.control_right,
            "control_count": self.control_count,
        })  # fmt: skip

    def _shares(self) -> list[Share]:
        pairs = zip(self.right.tolist(), self.count.tolist(), strict=True)
        return [Share(*pair) for pair in pairs]

    def __repr__(self) -> str:
        scores, notes = self.scores, "".join(f"; {note}" for note in self.notes)
        return (
            f"PooledAnswers({len(self.students)} students: {scores.total}; chance "
            f"{scores.chance:.0%}, control {scores.control}{notes})"
        )

    def _repr_html_(self) -> str:
        rows = [
            [html.escape(name) or "(no name)", str(share)]
            for name, share in zip(self.students, self._shares(), strict=True)
        ]
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        students = table(["student", "right (95% interval)"], rows, (0,))
        return notes + self.scores._repr_html_() + students


def answer_sheet(
    about: Mapping[str, Any], student: str, questions: Sequence[Question], answers: Sequence[int]
) -> dict[str, Any]:
    """What a JSON file has: the questions that were answered, with cards counted from 1.

    Args:
        about: `CUT` and the seed.
        student: the name of who answered.
        questions, answers: all questions, and the card chosen in each of the first ones.
    """
    asked = [
        {
            "concept": question.concept, "control": question.control,
            "rows": question.rows.tolist(), "odd": question.odd + 1, "answer": int(answer),
        }
        for question, answer in zip(questions, answers, strict=False)
    ]  # fmt: skip
    return {"format": FORMAT, "version": VERSION, **about, "student": student, "questions": asked}


def counted(sheet: Mapping[str, Any]) -> NameScores:
    """The right answers of one sheet."""
    names = tuple(sheet["names"])
    right, count = np.zeros((2, 2, len(names)), np.int64)
    for question in sheet["questions"]:
        part, k = int(question["control"]), question["concept"]
        right[part, k] += question["answer"] == question["odd"]
        count[part, k] += 1
    return NameScores("intruder", names, right[0], count[0], right[1], count[1], CHANCE)


def pool(sheets: Iterable[Any]) -> PooledAnswers:
    """Pool the answers of a class.

    Args:
        sheets: what `IntruderTest.export` gave: paths of JSON files, or dictionaries. All must be
            of one cut of one neuron; questions (seeds) may differ. What cannot be read is left out
            with a warning, and a sheet that is there twice counts once.

    Raises:
        ValueError: there are none, none can be read, or they are of different cuts.
        TypeError: `sheets` is a single one.
    """
    if isinstance(sheets, str | Path | Mapping):
        raise TypeError(f"pool takes a list of answer sheets, got one: pool([{sheets!r:.40}]).")
    read: list[dict[str, Any]] = []
    notes: list[str] = []
    for number, sheet in enumerate(sheets, 1):
        name = f"sheet {number}" if isinstance(sheet, Mapping) else str(sheet)
        try:
            checked = _checked(sheet)
        except (OSError, ValueError) as error:
            notes.append(f"{name} is left out: {error}")
            continue
        if checked in read:
            notes.append(f"{name} is there twice and counts once")
        else:
            read.append(checked)
    if notes:
        warn("; ".join(notes))
    if not read:
        raise ValueError("there must be answer sheets to pool, got none that can be read.")
    cuts = {json.dumps([sheet[key] for key in CUT]): sheet for sheet in read}
    if len(cuts) > 1:
        described = " and ".join(
            f"{sheet['target']} of {sheet['layer']!r} at {sheet['threshold']:g}"
            for sheet in cuts.values()
        )
        raise ValueError(f"the sheets must be of one cut, got {described}: pool each alone.")
    each = [counted(sheet) for sheet in read]
    parts = ("right", "count", "control_right", "control_count")
    table_of = {part: np.array([getattr(scores, part) for scores in each]) for part in parts}
    first = each[0]
    summed = NameScores(
        first.by, first.names, **{part: table_of[part].sum(axis=0) for part in parts},
        chance=first.chance,
    )  # fmt: skip
    students = tuple(sheet["student"] for sheet in read)
    by_student = {part: table_of[part].sum(axis=1) for part in parts}
    return PooledAnswers(summed, students, **by_student, notes=tuple(notes))


def _checked(sheet: Any) -> dict[str, Any]:
    """A sheet, read.

    Raises:
        OSError: no such file.
        ValueError: it is no answer sheet.
    """
    if not isinstance(sheet, Mapping):
        try:
            sheet = json.loads(Path(sheet).read_text("utf-8"))
        except (TypeError, ValueError):
            raise ValueError("it is no JSON file") from None
    if not isinstance(sheet, Mapping) or sheet.get("format") != FORMAT:
        raise ValueError("it is no answer sheet of an intruder test")
    if sheet.get("version") != VERSION:
        raise ValueError(f"its version must be {VERSION}, got {sheet.get('version')!r:.20}")
    for key, kind in _KINDS.items():
        if not isinstance(sheet.get(key), kind):
            raise ValueError(f"its {key} is missing or wrong")
    names, questions = sheet.get("names"), sheet.get("questions")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("its names are missing or wrong")
    if not isinstance(questions, list) or not all(_is_answer(q, len(names)) for q in questions):
        raise ValueError("its questions are missing or wrong")
    # JSON written by a browser has 1 for 1.0.
    return {**sheet, "threshold": float(sheet["threshold"])}


def _is_answer(question: Any, concepts: int) -> bool:
    if not isinstance(question, Mapping) or not isinstance(question.get("control"), bool):
        return False
    ranges = {"odd": range(1, CARDS + 1), "answer": range(1, CARDS + 1), "concept": range(concepts)}
    return all(is_integer(question.get(key)) and question[key] in ranges[key] for key in ranges)
