"""IntruderTest: blind questions, answers of one person, answer sheets and those of a class."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import traitlets as t

import neuronwidgets as nw
from neuronwidgets.widgets.protocol.buffers import unpack

KINDS = np.repeat(["cat", "dog", "sun", "rest"], [20, 20, 20, 60])


@pytest.fixture(scope="module")
def concepts() -> nw.Concepts:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.1, (120, 6))
    values[:60, 0] += np.linspace(9, 6, 60)
    for i, kind in enumerate(("cat", "dog", "sun")):
        values[kind == KINDS, i + 1] += 5
    texts = [f"{kind} number {i}" for i, kind in enumerate(KINDS)]
    acts = nw.Activations.from_arrays(values, samples=texts, labels=KINDS, layer="h.1")
    return nw.split(acts, 0, top=60, metric="euclidean").cut(10.0)


@pytest.fixture
def test(concepts: nw.Concepts) -> Iterator[Any]:
    made = nw.IntruderTest(concepts, 6, 3, student="Ana")
    yield made
    made.close()


def right_answers(test: Any) -> list[int]:
    return [int(odd) + 1 for odd in unpack(test._questions)[0]["odd"]]


def from_view(test: Any, **traits: Any) -> None:
    test.set_state({"_view_version": test._version, **traits})


def test_a_view_answers_and_python_counts(test: Any) -> None:
    tensors, about = unpack(test._questions)
    assert tensors["row"].shape == (9, 5)
    assert tensors["control"].sum() == 3
    assert about["chance"] == pytest.approx(0.2)
    assert test.result.total.count == 0
    assert repr(test) == "IntruderTest(neuron 0 of layer 'h.1', 0 of 9 answered)"
    right = right_answers(test)
    from_view(test, answers=[right[0], right[1] % 5 + 1])
    result = test.result
    assert (result.total.count + result.control.count) == 2
    assert (result.total.right + result.control.right) == 1
    from_view(test, answers=right)
    assert (test.result.total.right, test.result.total.count) == (6, 6)
    assert (test.result.control.right, test.result.control.count) == (3, 3)
    assert test.result.names == test.concepts.names
    assert np.array_equal(test.result.count, [2, 2, 2])
    test.answers = []
    assert test.result.total.count == 0


def test_cards_show_samples_and_nothing_that_tells_their_kind(test: Any) -> None:
    tensors, about = unpack(test._questions)
    assert set(tensors["face"]) == set(tensors["row"].ravel())
    for row, segments in zip(tensors["face"], about["segments"], strict=True):
        assert "".join(segments) == f"{KINDS[row]} number {row}"
    # Rows are in an order that tells nothing.
    assert (np.diff(tensors["row"], axis=1) < 0).any(axis=1).mean() > 0.8


def test_wrong_answers_are_refused(test: Any) -> None:
    with pytest.raises(t.TraitError, match="answers must be cards from 1 to 5, got 6"):
        test.answers = [1, 6]
    with pytest.raises(t.TraitError, match="at most 9, one for each question, got 10"):
        test.answers = [1] * 10
    assert test.answers == []


def test_an_answer_sheet(test: Any, tmp_path: Path) -> None:
    test.answers = [2, 3]
    path = tmp_path / "ana.json"
    sheet = test.export(path)
    assert json.loads(path.read_text("utf-8")) == sheet
    assert [q["answer"] for q in sheet["questions"]] == [2, 3]
    assert [q["odd"] for q in sheet["questions"]] == right_answers(test)[:2]
    assert (sheet["student"], sheet["layer"], sheet["target"]) == ("Ana", "h.1", "neuron 0")
    assert sheet["threshold"] == 10.0


def class_of(concepts: nw.Concepts, count: int, right: int) -> list[dict[str, Any]]:
    """`count` students; each finds the first `right` of six."""
    sheets = []
    for i in range(count):
        test = nw.IntruderTest(concepts, 6, 2, seed=i, student=f"student {i}")
        found = 0
        for question, odd in zip(test._sheet.questions, right_answers(test), strict=True):
            hit = not question.control and found < right
            found += hit
            test.answers = [*test.answers, odd if hit else odd % 5 + 1]
        sheets.append(test.export())
        test.close()
    return sheets


def test_a_class_is_pooled(concepts: nw.Concepts, tmp_path: Path) -> None:
    sheets = class_of(concepts, 4, 3)
    path = tmp_path / "one.json"
    path.write_text(json.dumps(sheets[0]))
    pooled = nw.IntruderTest.pool([path, *sheets[1:]])
    assert isinstance(pooled, nw.PooledAnswers)
    assert (pooled.scores.total.right, pooled.scores.total.count) == (12, 24)
    assert (pooled.scores.control.right, pooled.scores.control.count) == (0, 8)
    assert pooled.students == tuple(f"student {i}" for i in range(4))
    assert pooled.right.tolist() == [3] * 4
    assert pooled.scores.count.sum() == 24
    frame = pooled.to_frame()
    assert frame["accuracy"].tolist() == [0.5] * 4
    assert frame["low"][0] == pytest.approx(pooled._shares()[0].interval[0])
    assert "4 students: 50% (29% to 71%; 12 of 24); chance 20%" in repr(pooled)
    assert "student 3" in pooled._repr_html_()


def test_a_browsers_sheet_may_have_whole_numbers(concepts: nw.Concepts) -> None:
    first, second = class_of(concepts, 2, 1)
    pooled = nw.IntruderTest.pool([first, {**second, "threshold": 10}])
    assert len(pooled.students) == 2


def test_what_cannot_be_read_is_left_out_by_name(concepts: nw.Concepts, tmp_path: Path) -> None:
    good = class_of(concepts, 1, 2)[0]
    (tmp_path / "prose.json").write_text("I liked it")
    question = good["questions"][0]
    broken = [
        tmp_path / "prose.json", tmp_path / "missing.json", {}, {"format": "x"},
        {**good, "version": 2}, {**good, "threshold": None}, {**good, "names": "cat"},
        *({**good, "questions": [{**question, **wrong}]} for wrong in (
            {"answer": 9}, {"answer": "1"}, {"concept": 3}, {"concept": -1}, {"control": 0},
            {"odd": 0},
        )),
        good,
    ]  # fmt: skip
    with pytest.warns(UserWarning, match="left out") as warned:
        pooled = nw.IntruderTest.pool([good, *broken])
    assert len(warned) == 1
    assert len(pooled.students) == 1
    assert len(pooled.notes) == len(broken)
    assert "prose.json is left out: it is no JSON file" in pooled.notes[0]
    assert "its version must be 1, got 2" in pooled.notes[4]
    assert "is there twice and counts once" in pooled.notes[-1]
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(ValueError, match="must be answer sheets to pool, got none"),
    ):
        nw.IntruderTest.pool([{}])
    with pytest.raises(TypeError, match="pool takes a list of answer sheets, got one"):
        nw.IntruderTest.pool(good)


def test_two_cuts_are_not_pooled(concepts: nw.Concepts) -> None:
    one, other = class_of(concepts, 2, 1)
    with pytest.raises(ValueError, match=r"neuron 0 of 'h.1' at 10 and neuron 0 of 'h.1' at 12"):
        nw.IntruderTest.pool([one, {**other, "threshold": 12.0}])


def test_nobody_who_answers_is_no_error(concepts: nw.Concepts) -> None:
    test = nw.IntruderTest(concepts, 4, 0)
    pooled = nw.IntruderTest.pool([test.export()])
    assert "no answers" in repr(pooled)
    assert np.isnan(pooled.to_frame()["accuracy"][0])
    test.close()


def test_it_opens_on_an_explorer_and_refuses_what_cannot_be_shown(concepts: nw.Concepts) -> None:
    explorer = nw.SplitExplorer(concepts.split)
    explorer.threshold = 10.0
    test = nw.IntruderTest(explorer, 4, 0)
    assert np.array_equal(test.concepts.nodes, explorer.concepts.nodes)
    for widget in (explorer, test):
        widget.close()
    bare = nw.split(nw.Activations.from_arrays(np.random.default_rng(0).normal(size=(60, 4))), 0)
    with pytest.raises(ValueError, match="no texts"):
        nw.IntruderTest(bare.cut())
    with pytest.raises(ValueError, match="others='siblings' needs several concepts"):
        nw.IntruderTest(concepts.require_split("x").cut(1e6))
    for other in (bare, bare.acts, None):
        with pytest.raises(TypeError, match=r"must be Concepts, such as split\.cut\(\), .* got a"):
            nw.IntruderTest(other)


def test_a_page_of_it_holds_the_questions(test: Any, tmp_path: Path) -> None:
    text = test.to_html(tmp_path / "test.html").read_text("utf-8")
    assert "nw-intruder-test" in text


def test_copy_as_code_has_what_it_was_opened_with(test: Any) -> None:
    assert test._given == "concepts, questions=6, controls=3, others='siblings', seed=0"
