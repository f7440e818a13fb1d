"""Names from text: words of any script, the log-odds, and what sets a concept's texts apart."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuronwidgets import Activations, Concepts, Samples, split
from neuronwidgets.concepts.naming.odds import log_odds
from neuronwidgets.concepts.naming.words import inside, occurrences, overlap, tokens_about

FILLER = ("the", "of", "a", "in", "was", "and", "one", "by")


def terms(text: str, words: int = 1, around: tuple[int, int] | None = None) -> list[str]:
    return [" ".join(term) for term, _, _ in occurrences(text, words, around)]


def corpus(first: str, second: str, seed: int = 0, many: int = 400) -> Concepts:
    """Two concepts of 30 texts each: the filler words, with `first` in one, `second` in the
    other, among `many` texts of filler alone."""
    rng = np.random.default_rng(seed)
    kinds = np.array([0] * 30 + [1] * 30 + [2] * (many - 60))
    texts = [
        " ".join([*rng.choice(FILLER, 6), *extra, *rng.choice(FILLER, 4), f"w{i}"])
        for i, extra in enumerate([[first]] * 30 + [[second]] * 30 + [[]] * (many - 60))
    ]
    return concepts_of(texts, kinds)


def concepts_of(samples: object, kinds: np.ndarray) -> Concepts:
    """Concepts 1 and 2 are the samples of kinds 0 and 1, each at least five."""
    top = int((kinds < 2).sum())
    values = np.zeros((len(kinds), 3))
    values[:, 0] = 9.0 * (kinds < 2) - np.arange(len(kinds)) * 1e-4
    values[:, 1] = 5.0 * (kinds == 1)
    acts = Activations.from_arrays(values, samples=samples)
    made = split(acts, 0, top, metric="euclidean", min_size=5).cut(5.0)
    assert len(made) == len(set(kinds[kinds < 2].tolist()))
    return made


def by_kind(named: Concepts) -> dict[int, str]:
    """Each concept's name by the smallest of its rows: 0 for kind 0."""
    return {
        int(named.index[named.assignment == k].min()): name for k, name in enumerate(named.names)
    }


# Words


def test_words_of_many_scripts() -> None:
    assert terms("The U.S. don't: well-known naïve Straße") == [
        "the", "u.s.", "don't", "well-known", "naïve", "strasse",
    ]  # fmt: skip
    assert terms("हिन्दी भाषा") == ["हिन्दी", "भाषा"]
    assert terms("서울 특별시") == ["서울", "특별시"]
    assert terms("العَرَبِيَّة") == ["العَرَبِيَّة"]
    assert terms("cafe\u0301 CAFÉ ｗｉｄｅ") == ["café", "café", "wide"]
    assert terms("") == terms(" \n.,;_ 🧠 ") == []


def test_ngrams_do_not_cross_punctuation() -> None:
    assert terms("New  York\ncity, red", 3) == [
        "new", "new york", "new york city", "york", "york city", "city", "red",
    ]  # fmt: skip


def test_scripts_without_spaces_are_read_in_characters() -> None:
    assert terms("東京は大") == [
        "東 京", "東 京 は", "東 京 は 大", "京 は", "京 は 大", "は 大",
    ]  # fmt: skip
    assert terms("木、水") == ["木", "水"]
    assert terms("กิน") == ["กิ น"]  # a vowel sign stays with its consonant
    assert terms("AI研究", 2) == ["ai", "研 究"]


def test_ngrams_around_a_token() -> None:
    text = "He was playing in New York."
    assert terms(text, 2, (18, 21)) == ["in new", "new", "new york"]
    assert terms(text, 1, (11, 14)) == ["playing", "…ing"]
    assert terms(text, 1, (7, 11)) == ["playing", "play…"]
    assert terms("東京都", 3, (0, 1)) == ["東", "東 京", "東 京 都"]
    assert terms(text, 3, (9, 9)) == []  # a special token
    at = next(occurrences(" x" * 500 + " needle", 1, (1001, 1007)))
    assert at == (("needle",), 1001, 1007)


@given(st.text(max_size=40), st.integers(1, 3))
def test_terms_stand_where_they_say(text: str, words: int) -> None:
    for term, start, end in occurrences(text, words):
        assert 0 <= start < end <= len(text)
        assert terms(text[start:end], words).count(" ".join(term)) >= 1
        assert all(term)


def test_overlapping_terms() -> None:
    assert overlap(("york",), ("new", "york"))
    assert overlap(("of", "historic", "places"), ("register", "of", "historic"))
    assert not overlap(("university", "of", "texas"), ("many", "of", "us"))
    assert not overlap(("a",), ("b",))
    assert inside(("b", "c"), ("a", "b", "c"))
    assert not inside(("a", "c"), ("a", "b", "c"))
    assert not inside(("a",), ("a",))


def test_tokens_are_estimated() -> None:
    assert tokens_about("abcdefgh") == 2
    assert tokens_about("東京 ab") == 2 + 3 / 4


# Log-odds


def test_log_odds_closed_form() -> None:
    # 3 of 4 texts here, 1 of 6 there, 4 of 10 in all; a prior of 5 texts.
    delta, z = log_odds(np.array([3.0]), 4, np.array([1.0]), 6, np.array([0.4]), 5)
    expected = math.log(5 / 4) - math.log(3 / 8)
    assert delta[0] == pytest.approx(expected)
    assert z[0] == pytest.approx(expected / math.sqrt(1 / 5 + 1 / 4 + 1 / 3 + 1 / 8))


def test_log_odds_are_symmetric_and_zero_for_equal_shares() -> None:
    a, b, prior = np.array([3.0, 0.0, 5.0]), np.array([1.0, 2.0, 5.0]), np.array([0.2, 0.1, 0.5])
    one, other = log_odds(a, 10, b, 10, prior, 100), log_odds(b, 10, a, 10, prior, 100)
    for left, right in zip(one, other, strict=True):
        np.testing.assert_allclose(left, -right)
    assert one[1][2] == 0


def test_the_evidence_is_the_closed_form_on_a_small_corpus() -> None:
    concepts = corpus("alpha", "beta", many=100)
    table = concepts.named("text", words=1, strength=7.0).naming.to_frame()  # type: ignore[union-attr]
    row = table[table["term"] == "alpha"].iloc[0]
    assert tuple(row[["in_concept", "concept_texts", "in_others", "others_texts"]]) == (
        30, 30, 0, 30,
    )  # fmt: skip
    assert tuple(row[["in_dataset", "dataset_texts"]]) == (0, 40)
    a = 30 + 7 * 30 / 100.5
    b, c = 37 - a, 7 * 30 / 100.5
    others, dataset = (
        (math.log(a / b) - math.log(c / (n + 7 - c)))
        / math.sqrt(1 / a + 1 / b + 1 / c + 1 / (n + 7 - c))
        for n in (30, 40)
    )
    assert row["z_others"] == pytest.approx(others)
    assert row["z_dataset"] == pytest.approx(dataset)
    assert row["z"] == pytest.approx((others + dataset) / math.sqrt(2))


# Names


def test_planted_words_name_the_concepts() -> None:
    named = corpus("Granit", "Überfluss").named("text")
    assert by_kind(named) == {0: "Granit", 30: "Überfluss"}
    assert named.naming is not None
    assert named.naming.how == "text"
    assert named.naming.to_frame()["chosen"].all()


def test_a_store_on_disk_is_named_alike(tmp_path: Path) -> None:
    concepts = corpus("Granit", "Überfluss")
    acts = concepts.split.acts  # type: ignore[union-attr]
    labels = np.repeat(["a", "b", "c"], [30, 30, 340])
    whole = Activations.from_arrays(acts.values, acts.samples, labels)
    whole.save(tmp_path / "acts")
    made = [
        split(a, 0, 60, metric="euclidean", min_size=5)
        for a in (whole, Activations.load(tmp_path / "acts"))
    ]
    for options in ({"how": "text"}, {}, {"by": "dot"}, {"by": "cosine-origin"}, {"most": 100}):
        memory, disk = (s.cut(5.0).named(**options) for s in made)  # type: ignore[arg-type]
        assert memory.names == disk.names
    assert set(disk.names) == {"a", "b"}


def test_a_longer_term_stands_for_its_parts() -> None:
    named = corpus("New York", "Hong Kong harbour").named("text")
    assert by_kind(named) == {0: "New York", 30: "Hong Kong harbour"}
    assert by_kind(corpus("New York", "x").named("text", words=1))[0] in (
        "New, York",
        "York, New",
    )


def test_scripts_without_spaces_are_named_too() -> None:
    named = corpus("東京駅", "กรุงเทพ").named("text")
    assert by_kind(named)[0] == "東京駅"
    assert set(by_kind(named)[30]) <= set("กรุงเทพ, ")


def test_a_long_or_repeated_text_does_not_dominate() -> None:
    concepts = corpus("common", "other")
    acts = concepts.split.acts  # type: ignore[union-attr]
    texts = list(acts.samples.texts)
    texts[0] += " spam" * 5000
    for i in range(1, 8):
        texts[i] = "spam eggs common"
    again = concepts_of(texts, np.repeat([0, 1, 2], [30, 30, 340]))
    table = again.named("text").naming.to_frame()  # type: ignore[union-attr]
    assert by_kind(again.named("text"))[0] == "common"
    assert "eggs" not in table["term"].tolist()  # equal texts count once
    assert table["concept_texts"].min() == 24


def test_random_groups_get_no_names() -> None:
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(300)]
    texts = [" ".join(rng.choice(words, 12)) for _ in range(400)]
    named = concepts_of(texts, np.repeat([0, 1, 2], [30, 30, 340])).named("text")
    assert named.names == ("Concept 1", "Concept 2")
    assert named.naming is not None
    assert named.naming.names == (None, None)


def test_what_all_top_samples_have_names_no_random_group() -> None:
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(40)]
    texts = [
        " ".join([*rng.choice(words, 8), *(["game"] * (rng.random() < 0.7) if i < 60 else [])])
        for i in range(400)
    ]
    named = {"now": 0, "before": 0}
    for _ in range(20):
        kinds = np.r_[rng.permutation(np.repeat([0, 1], 30)), np.full(340, 2)]
        concepts = concepts_of(texts, kinds)
        for what, options in (("now", {}), ("before", {"min_z_others": 0})):
            found = concepts.named("text", **options).naming
            named[what] += sum(name is not None for name in found.names)  # type: ignore[union-attr]
    assert named["now"] <= 2
    assert named["before"] > 10


@pytest.mark.parametrize(("texts_of_x", "expected"), [(1, None), (30, "x")])
def test_a_word_of_one_text_names_no_tokens(texts_of_x: int, expected: str | None) -> None:
    # The first thirty samples are tokens of one text, or of thirty: each is the word "x".
    item = np.r_[np.arange(30) % texts_of_x, np.arange(30, 100)]
    token = np.r_[np.arange(30), np.arange(30), np.zeros(40, int)].astype(np.int32)
    spans = np.array([[2 * i, 2 * i + 1] for i in range(30)], np.int32)
    texts = [" ".join(["x" if i < 30 else "yzvw"[i % 4]] * 30) for i in range(100)]
    tokens = Samples(100, texts=texts, spans=[spans] * 100, item=item, token=token)
    concepts = concepts_of(tokens, np.repeat([0, 1, 2], [30, 30, 40])).named("text", words=1)
    assert concepts.naming is not None
    assert concepts.naming.names[concepts.assignment[concepts.index == 0].item()] == expected


def test_one_concept_is_compared_with_the_dataset() -> None:
    texts = [f"common thing {i}" if i < 30 else f"else {i}" for i in range(100)]
    concepts = concepts_of(texts, np.repeat([0, 2], [30, 70]))
    naming = concepts.named("text").naming
    assert naming is not None
    assert naming.names == ("common thing",)
    row = naming.to_frame().iloc[0]
    assert math.isnan(row["z_others"])
    assert row["z"] == row["z_dataset"]


def test_the_whole_dataset_on_top_leaves_the_other_concepts() -> None:
    texts = [f"alpha {i}" if i < 30 else f"beta {i}" for i in range(60)]
    named = concepts_of(texts, np.repeat([0, 1], 30)).named("text", min_z=2)
    assert by_kind(named) == {0: "alpha", 30: "beta"}
    assert set(named.naming.to_frame()["dataset_texts"]) == {0}  # type: ignore[union-attr]


def test_of_many_texts_an_even_choice_is_compared() -> None:
    naming = corpus("a1", "b1").named("text", most=50).naming
    assert naming is not None
    assert naming.notes == ("compared with 50 of the dataset's 340 other samples, evenly spaced",)
    assert naming.to_frame()["dataset_texts"].unique().tolist() == [50]


def test_empty_texts_get_no_name_and_are_said() -> None:
    texts = [""] * 30 + [f"beta {i}" for i in range(30)] + [f"x {i}" for i in range(40)]
    named = concepts_of(texts, np.repeat([0, 1, 2], [30, 30, 40])).named("text")
    assert by_kind(named)[30] == "beta"
    empty = int(named.assignment[named.index == 0][0])
    assert named.names[empty] == f"Concept {empty + 1}"
    assert named.naming is not None
    assert named.naming.notes == (f"concept {empty + 1}: its texts hold no words",)


def test_tokens_are_named_by_the_token() -> None:
    text = "the cats sat on New York"
    spans = np.array([[0, 0], [4, 7], [7, 8], [16, 19], [20, 24]], np.int32)
    token = np.array([1] * 30 + [4] * 30 + [0] * 40, np.int32)
    texts = [f"{text} {i}" for i in range(100)]
    faces = Samples(
        100, texts=texts, spans=[spans] * 100, item=np.arange(100), token=token
    )  # fmt: skip
    concepts = concepts_of(faces, np.repeat([0, 1, 2], [30, 30, 40]))
    found = by_kind(concepts.named("text", words=1))
    assert set(found[0].split(", ")) == {"cats", "cat…"}
    assert found[30] == "York"
    assert "New York" in by_kind(concepts.named("text", words=2))[30]
    with pytest.raises(ValueError, match="their spans in the texts are not known"):
        concepts_of(replace(faces, spans=[]), np.repeat([0, 1, 2], [30, 30, 40])).named("text")


@pytest.mark.parametrize("samples", [None, np.zeros((100, 4, 4), np.uint8)])
def test_without_texts_it_is_refused_in_words(samples: object) -> None:
    concepts = concepts_of(samples, np.repeat([0, 1, 2], [30, 30, 40]))
    with pytest.raises(ValueError, match=r"^no texts: the samples of layer 'values' are "):
        concepts.named("text")


@pytest.mark.parametrize(
    "option", [{"terms": 0}, {"words": 1.5}, {"strength": 0}, {"min_z": -1}, {"min_z_others": -1}]
)
def test_other_options_are_refused(option: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=rf"{next(iter(option))} must be "):
        corpus("a1", "b1").named("text", **option)
