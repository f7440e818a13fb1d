"""Names tested by a callable: what is asked, how answers are read, counted and compared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.concepts.name_scores.answers import odd_one, those_that_fit
from neuronwidgets.concepts.name_scores.binomial import exact_interval
from neuronwidgets.concepts.name_scores.questions import detection_questions, intruder_questions

KINDS = np.repeat(["cat", "dog", "sun", "rest"], [20, 20, 20, 140])


def made(names: bool = True, texts: Any = None) -> nw.Concepts:
    """Concepts "cat", "dog" and "sun" of neuron 0, whose texts begin with their word."""
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.1, (200, 6)).astype(np.float32)
    values[:60, 0] += np.linspace(9, 6, 60, dtype=np.float32)
    for i, kind in enumerate(("cat", "dog", "sun")):
        values[kind == KINDS, i + 1] += 5
    texts = [f"{kind} number {i}" for i, kind in enumerate(KINDS)] if texts is None else texts
    labels = KINDS if names else None
    acts = nw.Activations.from_arrays(values, samples=texts, labels=labels)
    concepts = nw.split(acts, 0, top=60, metric="euclidean").cut(10.0)
    assert len(concepts) == 3
    return concepts


@pytest.fixture(scope="module")
def concepts() -> nw.Concepts:
    return made()


def knows(name: str, samples: list[str]) -> list[int]:
    return [i for i, sample in enumerate(samples, 1) if sample.startswith(name)]


def finds(samples: list[str]) -> int:
    words = [sample.split()[0] for sample in samples]
    return next((i for i, word in enumerate(words, 1) if words.count(word) == 1), 1)


# Exact intervals


@pytest.mark.parametrize(
    ("right", "count"), [(0, 1), (1, 1), (3, 10), (20, 20), (7, 40), (199, 400)]
)
def test_the_interval_is_scipys(right: int, count: int) -> None:
    from scipy.stats import binomtest

    for level in (0.9, 0.95):
        exact = binomtest(right, count).proportion_ci(level, "exact")
        np.testing.assert_allclose(exact_interval(right, count, level), tuple(exact), atol=1e-9)


def test_the_interval_without_answers_is_everything() -> None:
    assert exact_interval(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="right must be at most count, 3, got 4"):
        exact_interval(4, 3)


def test_the_interval_covers_the_truth() -> None:
    from scipy.stats import binom

    # Exactly, over all outcomes: never below the level.
    for count, truth in ((5, 0.2), (20, 0.2), (20, 0.9), (33, 0.5)):
        outcomes = np.arange(count + 1)
        low, high = np.array([exact_interval(int(k), count) for k in outcomes]).T
        inside = (low <= truth) & (truth <= high)
        assert binom.pmf(outcomes[inside], count, truth).sum() >= 0.95


# Questions


def test_an_intruder_question_has_four_of_a_concept_and_one_of_another(
    concepts: nw.Concepts,
) -> None:
    questions = intruder_questions(concepts, 12, 0)
    for question in questions:
        kinds = KINDS[question.rows]
        own = concepts.names[question.concept]
        assert (kinds == own).tolist() == question.fits.tolist()
        assert question.fits.sum() == 4
        assert len(set(question.rows.tolist())) == 5
        assert not question.fits[question.odd]
        assert kinds[question.odd] in {"cat", "dog", "sun"} - {own}
    assert np.bincount([q.concept for q in questions]).tolist() == [4, 4, 4]
    assert {q.odd for q in questions} == set(range(5))


def test_the_same_seed_draws_the_same_questions(concepts: nw.Concepts) -> None:
    first, again, other = (intruder_questions(concepts, 6, 2, seed=s) for s in (1, 1, 2))
    rows = [np.concatenate([q.rows for q in drawn]) for drawn in (first, again, other)]
    np.testing.assert_array_equal(rows[0], rows[1])
    assert (rows[0] != rows[2]).any()


def test_the_control_is_of_random_samples(concepts: nw.Concepts) -> None:
    questions = intruder_questions(concepts, 1, 300, seed=3)
    control = [q for q in questions if q.control]
    assert len(control) == 300
    found = [finds([f"{KINDS[r]} x" for r in q.rows]) - 1 == q.odd for q in control]
    low, high = exact_interval(sum(found), 300, 0.999)
    assert low < 0.2 < high
    assert set(np.concatenate([q.rows for q in control])) <= set(range(60))


def test_others_of_the_data_set_are_no_top_samples(concepts: nw.Concepts) -> None:
    questions = intruder_questions(concepts, 6, 6, others="dataset")
    for question in questions:
        assert question.rows[question.odd] >= 60
        assert (question.rows >= 60).all() == question.control
    alone = nw.Concepts.at(concepts.require_split("x"), concepts.require_split("x").tree.top)
    assert len(alone) == 1
    assert len(intruder_questions(alone, 3, 0, others="dataset")) == 3
    with pytest.raises(ValueError, match="others='siblings' needs several concepts, got one"):
        intruder_questions(alone, 3, 0)


def test_equal_texts_are_one_sample() -> None:
    texts = [f"{kind} number {i if kind != 'cat' else i % 3}" for i, kind in enumerate(KINDS)]
    concepts = made(texts=texts)
    questions = intruder_questions(concepts, 8, 0)
    assert {concepts.names[q.concept] for q in questions} == {"dog", "sun"}
    assert all(len({texts[r] for r in q.rows}) == 5 for q in questions)
    everywhere = made(texts=["same"] * 60 + [f"rest {i}" for i in range(140)])
    with pytest.raises(ValueError, match="4 different samples"):
        intruder_questions(everywhere, 2, 0)


def test_names_are_not_tested_on_the_samples_they_were_found_from(concepts: nw.Concepts) -> None:
    named = concepts.ask(lambda samples: samples[0].split()[0], 8).run(progress=False)
    questions, notes = detection_questions(named, 10, False)
    assert notes == []
    for question in questions:
        seen = named.index[named.groups[question.concept]][:8]
        assert not np.isin(question.rows, seen).any()
        assert question.fits.sum() == 5
    named = concepts.ask(lambda samples: samples[0].split()[0], 18).run(progress=False)
    _, notes = detection_questions(named, 10, False)
    assert notes == ["concepts 1, 2, 3: asked about samples that their names were found from"]


# Answers


def test_answers_of_one_number() -> None:
    for answer in (3, np.int64(3), "3", " 3. ", "**3**", "(3)"):
        assert odd_one(answer, 5) == 2
    for answer in (0, 6, "6", "", "   ", "The third, since 3 is odd", "1, 3", "3.5", "-3", "none"):
        with pytest.raises(ValueError, match="must be a number from 1 to 5, got"):
            odd_one(answer, 5)
    for broken in (None, 2.0, True, [3], {"3": 1}, b"3"):
        with pytest.raises((TypeError, ValueError), match="must be a number from 1 to 5, got"):
            odd_one(broken, 5)


def test_answers_of_several_numbers() -> None:
    for answer in ("1, 3", "[1,3]", "1\n3", [1, 3], (3, 1, 1), np.array([1, 3]),
                   [True, False, True, False]):  # fmt: skip
        assert those_that_fit(answer, 4).tolist() == [True, False, True, False]
    for empty in ("none", " None. ", [], ()):
        assert not those_that_fit(empty, 4).any()
    for wrong in ("", "1 and 5", "texts 1 and 3", "0", "5", "1.5", "-1", [0], [5]):
        with pytest.raises(ValueError, match="must be numbers from 1 to 4, such as '1, 3'"):
            those_that_fit(wrong, 4)
    for broken in (None, 3, 1.5, [1.0], ["1"], {"1": 2}, b"1"):
        with pytest.raises(TypeError, match="must be numbers from 1 to 4"):
            those_that_fit(broken, 4)
    with pytest.raises(ValueError, match="must have 4 bools, got 2"):
        those_that_fit([True, False], 4)


# Scores


def test_true_names_are_detected_and_those_of_others_are_not(concepts: nw.Concepts) -> None:
    plan = nw.score_names(concepts, knows)
    assert (plan.cost.calls, plan.cost.samples) == (6, 60)
    assert "calls 6" in repr(plan)
    assert "<td>6</td>" in plan._repr_html_()
    scores = plan.run(progress=False)
    assert (scores.total.right, scores.total.count, scores.chance) == (30, 30, 0.5)
    assert scores.control.value <= 0.5
    np.testing.assert_array_equal(scores.accuracy, [1, 1, 1])
    assert scores.intervals[0] == pytest.approx(exact_interval(10, 10))
    assert scores.to_frame()["control_count"].tolist() == [10, 10, 10]
    assert "100% (88% to 100%; 30 of 30)" in repr(scores)
    assert "<td" in scores._repr_html_()


def test_intruders_are_found_among_concepts_and_not_among_random_samples(
    concepts: nw.Concepts,
) -> None:
    scores = nw.score_names(concepts, finds, "intruder", questions=60).run(progress=False)
    assert scores.total.value == 1
    assert scores.chance == pytest.approx(0.2)
    assert scores.control.count == 60
    assert scores.control.interval[0] < 0.2 < scores.control.interval[1]
    without = nw.score_names(concepts, finds, "intruder", control=False).run(progress=False)
    assert (without.total.count, without.control.count) == (12, 0)
    assert np.isnan(without.control.value)
    assert "control no answers" in repr(without)


def test_a_guess_is_at_chance(concepts: nw.Concepts) -> None:
    rng = np.random.default_rng(5)
    by_chance = nw.score_names(concepts, lambda s: int(rng.integers(1, 6)), "intruder",
                               questions=300, control=False).run(progress=False)  # fmt: skip
    low, high = exact_interval(by_chance.total.right, 300, 0.999)
    assert low < by_chance.chance < high


class Broken:
    """Answers wrongly in turn, then as it should."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls = 0

    def __call__(self, samples: list[str]) -> Any:
        self.calls += 1
        answer = self.answers.pop(0) if self.answers else finds(samples)
        if isinstance(answer, BaseException):
            raise answer
        return answer


def test_broken_answers_cost_only_their_question(concepts: nw.Concepts) -> None:
    ask = Broken(
        "", "I think it is the third one, as it has no cat.", 9, TimeoutError("asleep"), None
    )
    plan = nw.score_names(concepts, ask, "intruder", control=False)
    with pytest.warns(UserWarning, match="and 2 more") as warned:
        scores = plan.run(progress=False)
    assert len(warned) == 1
    assert "question 1, about concept" in str(warned[0].message)
    assert "got an empty text" in str(warned[0].message)
    assert "got 9" in str(warned[0].message)
    assert (scores.total.right, scores.total.count) == (7, 7)
    assert any("TimeoutError: asleep" in note for note in scores.notes)
    assert plan.open == [0, 1, 2, 3, 4]
    assert "answered 7" in repr(plan)
    whole = plan.run(progress=False)
    assert ask.calls == 12 + 5
    assert (whole.total.right, whole.total.count, whole.notes) == (12, 12, ())


def test_an_interrupt_keeps_the_answers(concepts: nw.Concepts) -> None:
    ask = Broken(1, 1, KeyboardInterrupt())
    plan = nw.score_names(concepts, ask, "intruder", control=False)
    with pytest.warns(UserWarning, match="stopped after 2 of 12 questions"):
        assert plan.run(progress=False).total.count == 2
    with pytest.raises(KeyboardInterrupt):
        nw.score_names(concepts, Broken(KeyboardInterrupt()), "intruder").run(progress=False)


def test_the_callable_cannot_change_the_samples(concepts: nw.Concepts) -> None:
    def clears(samples: list[str]) -> int:
        found = finds(samples)
        samples.clear()
        return found

    assert nw.score_names(concepts, clears, "intruder").run(progress=False).total.value == 1


def test_images(concepts: nw.Concepts) -> None:
    images = [np.full((4, 4), ["cat", "dog", "sun", "rest"].index(k) * 60 + i % 20, np.uint8)
              for i, k in enumerate(KINDS)]  # fmt: skip
    plan = nw.score_names(made(texts=images), lambda s: 1, "intruder", questions=3)
    assert (plan.cost.pixels, plan.cost.characters) == (6 * 5 * 16, 0)


def test_what_cannot_be_asked_is_refused(concepts: nw.Concepts) -> None:
    with pytest.raises(TypeError, match="ask must be a callable that answers questions, got 'gpt'"):
        nw.score_names(concepts, "gpt")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="by must be 'detection' or 'intruder'"):
        nw.score_names(concepts, finds, "simulation")
    with pytest.raises(ValueError, match="others must be"):
        nw.score_names(concepts, finds, "intruder", others="all")
    with pytest.raises(TypeError, match="goes with by='intruder'"):
        nw.score_names(concepts, knows, questions=3)
    with pytest.raises(ValueError, match="samples must be an integer of at least 2, got 1"):
        nw.score_names(concepts, knows, samples=1)
    with pytest.raises(ValueError, match="no concept has a name"):
        nw.score_names(made(names=False), knows)
    bare = nw.Activations.from_arrays(np.random.default_rng(0).normal(size=(60, 4)))
    with pytest.raises(ValueError, match="no texts"):
        nw.score_names(nw.split(bare, 0).cut(), finds, "intruder")
    with pytest.raises(ValueError, match="there must be concepts to test, got none"):
        nw.score_names(nw.Concepts.at(concepts.require_split("x"), 0.0), finds, "intruder")


def test_names_that_are_equal_have_no_control(concepts: nw.Concepts) -> None:
    same = replace(concepts, names=("cat", "cat", "cat"))
    scores = nw.score_names(same, knows).run(progress=False)
    assert scores.control.count == 0
    assert "concepts 1, 2, 3: without a control" in scores.notes[0]


# New texts


def response(shift: int, **options: Any) -> nw.NameResponse:
    rng = np.random.default_rng(7)
    new = rng.normal(0, 0.1, (10, 6)).astype(np.float32)
    if shift >= 0:
        new[:, [0, shift + 1]] += 5
    return nw.name_response(made(), 1, new, **options)


def test_texts_of_a_name_point_along_its_concept() -> None:
    concepts = made()
    dog = concepts.names.index("dog")
    found = response(1)
    assert found.concept == dog == 1
    assert found.auroc[dog] == 1
    assert found.mad[dog] > 5
    assert found.p[dog] < 1e-6
    assert found.neuron_auroc < 0.5
    assert (found.these, found.those) == (10, 40)
    assert np.delete(found.auroc, dog).max() < 0.6
    assert "'dog': AUROC 1.00" in repr(found)
    assert found.to_frame()["name"].tolist() == [*concepts.names, "the neuron"]
    assert "<b>dog</b>" in found._repr_html_()


def test_texts_of_another_kind_do_not() -> None:
    assert response(2).auroc[1] < 0.6
    assert response(-1).p[1] > 0.001
    # They excite the neuron, though, and so stand out of the data set.
    loose = response(2, others="dataset")
    assert loose.auroc[1] == loose.neuron_auroc == 1
    assert loose.those == 140
    with pytest.raises(ValueError, match="others must be"):
        response(2, others="all")


def test_areas_are_scikit_learns_and_the_distance_is_by_hand() -> None:
    from scipy.stats import mannwhitneyu
    from sklearn.metrics import roc_auc_score

    concepts = made()
    rng = np.random.default_rng(1)
    these, those = rng.normal(size=(12, 6)), rng.normal(size=(30, 6))
    found = nw.name_response(concepts, 0, these, those)
    scores = np.concatenate([concepts.scores_of(these), concepts.scores_of(those)])
    scores = np.column_stack([scores, np.concatenate([these, those])[:, 0]])
    is_in = np.arange(42) < 12
    areas = [roc_auc_score(is_in, column) for column in scores.T]
    np.testing.assert_allclose([*found.auroc, found.neuron_auroc], areas)
    mad = (scores[:12].mean(0) - scores[12:].mean(0)) / scores[12:].std(0)
    np.testing.assert_allclose([*found.mad, found.neuron_mad], mad, rtol=1e-5)
    p = [mannwhitneyu(c[:12], c[12:], alternative="greater", method="asymptotic").pvalue
         for c in scores.T]  # fmt: skip
    np.testing.assert_allclose([*found.p, found.neuron_p], p)


def test_texts_that_do_not_fit_are_refused(concepts: nw.Concepts) -> None:
    new = np.zeros((3, 6))
    with pytest.raises(ValueError, match="concept must be below 3, the number of concepts, got 3"):
        nw.name_response(concepts, 3, new)
    with pytest.raises(ValueError, match="these must have at least 2 samples, got 1"):
        nw.name_response(concepts, 0, new[:1])
    with pytest.raises(ValueError, match="of the concepts' layer, with 6 neurons, got 5"):
        nw.name_response(concepts, 0, np.zeros((3, 5)))
    constant = nw.name_response(concepts, 0, new, np.zeros((4, 6)))
    assert np.isnan(constant.mad).all()
    assert (constant.auroc == 0.5).all()
    assert (constant.p == 1).all()
