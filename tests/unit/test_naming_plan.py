"""Names from a callable: what it gets, what it costs, and what happens when it fails."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neuronwidgets import Activations, Concepts, Samples, split

LABELS = np.repeat([0, 1, 2], [6, 6, 8])


def made(samples: Any) -> Concepts:
    """Concept 1 has the rows 0 to 5, concept 2 the rows 6 to 11, strongest first."""
    values = np.zeros((20, 3))
    values[:, 0] = 9.0 * (LABELS < 2) - np.arange(20) * 0.125
    values[:, 1] = 5.0 * (LABELS == 1)
    acts = Activations.from_arrays(values, samples=samples)
    concepts = split(acts, 0, 12, metric="euclidean", min_size=5).cut(4.0)
    return concepts if concepts.assignment[0] == 0 else pytest.fail("the order of concepts changed")


TEXTS = [f"text {i:02d}" for i in range(20)]


class Model:
    """Names by the first sample; fails where it is told to."""

    def __init__(self, fails: str = "never", answer: Any = None) -> None:
        self.seen: list[list[Any]] = []
        self.fails, self.answer = fails, answer

    def __call__(self, samples: list[Any]) -> Any:
        self.seen.append(samples)
        if samples[0] == self.fails:
            if self.answer is not None:
                return self.answer
            raise TimeoutError("the server is asleep")
        return f"  about\n{samples[0]} "


def test_nothing_is_called_before_run() -> None:
    model = Model()
    plan = made(TEXTS).ask(model, samples=3)
    assert "calls 2" in repr(plan)
    assert "<td>2</td>" in plan._repr_html_()
    assert model.seen == []
    named = plan.run(progress=False)
    assert model.seen == [TEXTS[0:3], TEXTS[6:9]]
    assert named.names == ("about text 00", "about text 06")
    assert named.naming is not None
    assert named.naming.to_frame()["answer"].tolist() == ["  about\ntext 00 ", "  about\ntext 06 "]


def test_the_cost_is_what_is_sent() -> None:
    texts = [*TEXTS[:6], *("東京" * 3 + f"{i}" for i in range(14))]
    model = Model()
    plan = made(texts).ask(model, samples=4)
    cost = (plan.calls, plan.samples, plan.characters, plan.tokens, plan.pixels)
    assert cost == (2, 8, 4 * 7 + 4 * 7, 4 * 7 // 4 + 4 * 6 + 1, 0)
    plan.run(progress=False)
    assert sum(len(text) for sent in model.seen for text in sent) == 56
    assert plan.calls == plan.samples == plan.characters == 0
    assert "answered 2" in repr(plan)


def test_equal_texts_are_sent_once_and_long_ones_cut() -> None:
    texts = ["same"] * 5 + ["x" * 50] + TEXTS[6:]
    plan = made(texts).ask(Model(), samples=5, characters=10)
    assert plan.inputs[0] == ["same", "x" * 10 + "…"]


def test_with_activations() -> None:
    concepts = made(TEXTS)
    plan = concepts.ask(Model(), samples=2, activations=True)
    assert plan.inputs[0] == [("text 00", 9.0), ("text 01", 8.875)]
    assert plan.characters == 4 * 7


def test_images_are_passed_as_arrays() -> None:
    images = [np.full((4, 5, 3), i, np.uint8) for i in range(20)]
    plan = made(images).ask(lambda given: f"{len(given)} of {given[0].shape}", samples=3)
    assert (plan.characters, plan.pixels) == (0, 2 * 3 * 20)
    assert "pixels 120" in repr(plan)
    assert "characters" not in repr(plan)
    assert plan.run(progress=False).names == ("3 of (4, 5, 3)",) * 2
    np.testing.assert_array_equal(plan.inputs[1][0], images[6])


def test_a_token_is_marked_in_its_text() -> None:
    spans = [np.array([[0, 0], [0, 4], [5, 7]], np.int32)] * 20
    token = np.array([2] * 12 + [0] * 8, np.int32)
    faces = Samples(20, texts=TEXTS, spans=spans, item=np.arange(20), token=token)
    plan = made(faces).ask(Model(), samples=1)
    assert plan.inputs[0] == ["text «00»"]
    short = made(faces).ask(Model(), samples=1, characters=4)
    assert short.inputs[0] == ["…t «00»"]


def test_one_failure_costs_its_own_name_only_and_is_asked_again() -> None:
    model = Model(fails="text 00")
    plan = made(TEXTS).ask(model)
    with pytest.warns(UserWarning, match=r"concept 1 got no name: TimeoutError: the server is as"):
        named = plan.run(progress=False)
    assert named.names == ("Concept 1", "about text 06")
    assert named.naming is not None
    assert "asleep" in named.naming._repr_html_()
    assert named.naming.to_frame()["error"].tolist()[1] == ""
    assert plan.open == [0]
    model.fails = "never"
    assert plan.run(progress=False).names == ("about text 00", "about text 06")
    assert len(model.seen) == 3


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (["a"], "the answer must be a name .*, got a list"),
        (7, "got a int"),
        (" \n", "got an empty one"),
    ],
)
def test_an_answer_that_is_no_name_is_refused_in_words(answer: object, why: str) -> None:
    plan = made(TEXTS).ask(Model("text 06", answer))
    with pytest.warns(UserWarning, match=rf"concept 2 got no name: \w+: .*{why}"):
        named = plan.run(progress=False)
    assert named.names == ("about text 00", "Concept 2")


def test_stopped_it_keeps_what_was_answered() -> None:
    def call(samples: list[Any]) -> str:
        if samples[0] == "text 06":
            raise KeyboardInterrupt
        return "first"

    plan = made(TEXTS).ask(call)
    with pytest.warns(UserWarning, match="stopped after 1 of 2 concepts"):
        named = plan.run(progress=False)
    assert named.names == ("first", "Concept 2")
    assert plan.answers == {0: "first"}


def test_what_is_named_by_hand_is_not_asked_about() -> None:
    concepts = made(TEXTS)
    assert concepts.split is not None
    by_hand = Concepts.at(concepts.split, 4.0, {int(concepts.nodes[0]): "mine"})
    model = Model()
    plan = by_hand.ask(model)
    assert plan.calls == 1
    assert plan.run(progress=False).names == ("mine", "about text 06")


def test_a_callable_that_changes_its_list_changes_nothing() -> None:
    plan = made(TEXTS).ask(lambda given: given.pop())
    plan.run(progress=False)
    assert plan.inputs[0] == TEXTS[:6]


def test_a_long_answer_is_cut_for_the_name_only() -> None:
    named = made(TEXTS).ask(lambda given: "long " * 100).run(progress=False)
    assert len(named.names[0]) == 120
    assert named.names[0].endswith("…")
    assert len(named.naming.to_frame()["answer"][0]) == 500  # type: ignore[union-attr]


def test_no_concepts_cost_nothing() -> None:
    concepts = made(TEXTS).split.cut(0.0)  # type: ignore[union-attr]
    plan = concepts.ask(Model())
    assert plan.calls == 0
    assert plan.run(progress=False).names == ()


def test_names_found_are_replaced_by_the_next_way() -> None:
    first = made(TEXTS).ask(lambda given: "one").run(progress=False)
    assert first.ask(lambda given: "two").run(progress=False).names == ("two", "two")


def test_other_input_is_refused_in_words(tmp_path: object) -> None:
    concepts = made(TEXTS)
    with pytest.raises(TypeError, match=r"ask takes a callable from .*, got 'gpt'"):
        concepts.ask("gpt")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="samples must be a positive integer, got 0"):
        concepts.ask(Model(), samples=0)
    with pytest.raises(ValueError, match="no texts"):
        made(None).ask(Model())
    concepts.save(f"{tmp_path}/c")
    with pytest.raises(ValueError, match="ask needs the activations"):
        Concepts.load(f"{tmp_path}/c").ask(Model())
