"""Names from text: the words and n-grams that set a concept's texts apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.concepts.naming.naming import Naming
from neuronwidgets.concepts.naming.odds import log_odds
from neuronwidgets.concepts.naming.words import (
    CHARACTERS,
    Term,
    inside,
    occurrences,
    overlap,
    unspaced,
)
from neuronwidgets.core.checks import integer, number
from neuronwidgets.core.subsample import evenly_spaced

if TYPE_CHECKING:
    from neuronwidgets.activations.samples import Samples
    from neuronwidgets.concepts.concepts import Concepts
    from neuronwidgets.concepts.split import Split

INSTEAD = "Name by labels, named('labels'), or by a callable, ask(callable)."
SHOWN = 10
"""Terms of each concept in the evidence."""

Preview = tuple[str, tuple[int, int] | None]
"""A sample's text, and the start and end of its token in it, if the sample is a token."""


def by_text(
    concepts: Concepts,
    terms: int = 3,
    words: int = 3,
    min_z: float = 3.3,
    min_z_others: float = 1.8,
    strength: float = 100.0,
    most: int = 2_000,
) -> Naming:
    """Name each concept by the words and n-grams that set its texts apart.

    Log-odds with an informative Dirichlet prior (Monroe, Colaresi, Quinn 2008, *Fightin' Words*).
    They count texts that contain a term (in their first 20,000 characters), so that a long or
    repetitive text counts once; equal texts count once, too. The prior is the share of all texts
    read that contain the term. A concept's texts are compared with the neuron's other top samples
    (`z_others`) and with evenly spaced texts of the data set (`z_dataset`). `z` is the sum of both
    divided by the square root of 2, or `z_dataset` alone for a single concept.

    A term counts if `z` is at least `min_z` and `z_others` at least `min_z_others`, so that what
    all top samples have names no concept, and if at least two of the concept's texts contain it. Up
    to one in twenty random groups of a neuron's top samples get a name. The first and last word of
    an n-gram must meet this, too, in place of a list of stop words. Of terms that share half their
    words one is kept: the longer one if three quarters of the texts with the shorter one contain
    it.

    Scripts without spaces (Han, kana, Thai, Lao, Khmer, Burmese) are read in n-grams of two to four
    characters. If a sample is a token of a text, its n-grams are those that contain the token
    (with any first and last word), and the token itself if it is a piece of a word ("…ing").

    Args:
        concepts: the concepts to name.
        terms: terms in a name, at most.
        words: words in a term, at most.
        min_z: smallest `z` of a term.
        min_z_others: smallest `z_others` of a term.
        strength: the weight of the prior, in texts.
        most: texts of the data set to compare with, at most.

    Returns:
        Evidence: the ten strongest terms of each concept: `term`, `z`, `z_others`, `z_dataset`,
        `log_odds` (against the data set), the numbers of texts that contain it (`in_concept`,
        `in_others`, `in_dataset`) and of all texts (`..._texts`), `chosen`.

    Raises:
        ValueError: the samples are no texts.
    """
    terms, words = integer("terms", terms, 1), integer("words", words, 1)
    most = integer("most", most, 1)
    min_z = number("min_z", min_z, least=0, most=100)
    min_z_others = number("min_z_others", min_z_others, least=0, most=100)
    strength = number("strength", strength, least=1e-6, most=1e9)
    split = concepts.require_split("named('text')")
    counts = TermCounts(split, words, min_z, min_z_others, strength, most)
    for _ in counts.reading():
        pass
    evidence: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    names: list[str | None] = []
    notes = []
    for k in range(len(concepts)):
        inside = counts.group(concepts.assignment == k)
        others = counts.group(concepts.assignment != k)
        strongest = counts.apart(inside, others if len(concepts) > 1 else None, SHOWN)
        chosen = {term for term, *_ in strongest[:terms]}
        for term, z, z_others, z_dataset, delta in strongest:
            row = (
                k, counts.written[term], z, z_others, z_dataset, delta,
                inside.count[term], len(inside), others.count[term], len(others),
                counts.dataset.count[term], len(counts.dataset), term in chosen,
            )  # fmt: skip
            for column, value in zip(_COLUMNS, row, strict=True):
                evidence[column].append(value)
        names.append(", ".join(counts.written[term] for term, *_ in strongest[:terms]) or None)
        if not inside.words:
            notes.append(f"concept {k + 1}: its texts hold no words")
    if counts.others > most:
        notes.append(
            f"compared with {most:,} of the dataset's {counts.others:,} other samples, evenly "
            "spaced"
        )
    return Naming("text", tuple(names), evidence, tuple(notes))


_COLUMNS = (
    "concept", "term", "z", "z_others", "z_dataset", "log_odds", "in_concept", "concept_texts",
    "in_others", "others_texts", "in_dataset", "dataset_texts", "chosen",
)  # fmt: skip


def require_texts(samples: Samples, layer: str, instead: str = INSTEAD) -> None:
    """Check that samples are texts, or tokens of known texts.

    Raises:
        ValueError: they are not; the error ends with `instead`.
    """
    if samples.kind != "text":
        kind = "images" if samples.kind == "image" else "nothing that can be read"
        raise ValueError(f"no texts: the samples of layer {layer!r} are {kind}. {instead}")
    if samples.token is not None and not len(samples.spans):
        raise ValueError(
            f"no texts: the samples of layer {layer!r} are tokens, and their spans in the texts "
            "are not known (samples.spans)."
        )


def preview(samples: Samples, row: int) -> Preview:
    """The preview of a sample."""
    item, token = samples.item_of(row), samples.token_of(row)
    text = samples.texts[item]
    if token is None:
        return text, None
    start, end = samples.spans[item][token]
    return text, (int(start), int(end))


@dataclass
class Group:
    """The terms of some different texts.

    Attributes:
        size: the number of texts, or of tokens of texts.
        words: whether any of them contains a word.
        count: for each term the number of them that contain it; of terms that at least two of the
            neuron's top texts contain.
        recurring: the terms that are in two texts, not only in two tokens or windows of one.
    """

    size: int
    words: bool
    count: Counter[Term]
    recurring: frozenset[Term] = frozenset()

    def __len__(self) -> int:
        return self.size


Scored = tuple[Term, float, float, float, float]
"""A term, its z, z against the others, z against the data set, and log-odds."""


class TermCounts:
    """The terms of a neuron's top texts and of other texts, read once for all cuts.

    Attributes:
        others: the number of samples that are not top samples.
        written: the most frequent spelling of each term in the top texts (ties: the first).
        dataset: the terms of evenly spaced other texts.

    Raises:
        ValueError: the samples are no texts.
    """

    def __init__(
        self,
        split: Split,
        words: int = 3,
        min_z: float = 3.3,
        min_z_others: float = 1.8,
        strength: float = 100.0,
        most: int = 2_000,
        characters: int = CHARACTERS,
    ) -> None:
        self._samples, self._index = split.acts.samples, split.index
        require_texts(self._samples, split.acts.layer)
        self._sources = self._samples.sources(split.index).tolist()
        self._words, self._min_z, self._strength = words, min_z, strength
        self._min_z_others = min_z_others
        self._characters = characters
        rest = np.setdiff1d(np.arange(len(split.acts)), split.index)
        self.others, self._rest = len(rest), evenly_spaced(rest, most)
        self._previews: list[Preview] = []
        self._terms_of: dict[Preview, set[Term]] = {}
        self._without_words: set[Preview] = set()
        self.written: dict[Term, str] = {}
        self.dataset = Group(0, False, Counter())

    def reading(self) -> Iterator[float]:
        """Read the texts; yields the share done."""
        total = 2 * len(self._index) + len(self._rest)
        text_count: Counter[Term] = Counter()
        for i, row in enumerate(self._index.tolist()):
            text = preview(self._samples, row)
            self._previews.append(text)
            if text not in self._terms_of:
                self._terms_of[text] = terms = {term for term, _, _ in self._occurrences(text)}
                text_count.update(terms)
                if not terms:
                    self._without_words.add(text)
            yield i / total
        # Most terms are in one text only. They set no concept apart and are dropped.
        frequent = {term for term, count in text_count.items() if count >= 2}
        spellings: dict[Term, Counter[str]] = {term: Counter() for term in frequent}
        for i, (text, terms) in enumerate(self._terms_of.items()):
            terms &= frequent
            for term, start, end in self._occurrences(text):
                if term in frequent:
                    spellings[term][_spelling(text, term, start, end)] += 1
            yield (len(self._index) + i) / total
        self.written = {term: count.most_common(1)[0][0] for term, count in spellings.items()}
        others: set[Preview] = set()
        for i, row in enumerate(self._rest.tolist()):
            text = preview(self._samples, row)
            if text not in others:
                others.add(text)
                terms = {term for term, _, _ in self._occurrences(text)}
                self.dataset.count.update(terms & frequent)
            yield (2 * len(self._index) + i) / total
        self.dataset.size = len(others)

    def _occurrences(self, text: Preview) -> Iterator[tuple[Term, int, int]]:
        characters, token = text
        if token is None:
            characters = characters[: self._characters]
        return occurrences(characters, self._words, token)

    def group(self, members: np.ndarray) -> Group:
        """The terms of some top samples; `members` is bool `n`."""
        source_of: dict[Preview, int] = {}
        for i in np.flatnonzero(members).tolist():
            source_of.setdefault(self._previews[i], self._sources[i])
        count: Counter[Term] = Counter()
        first: dict[Term, int] = {}
        recurring: set[Term] = set()
        for text, source in source_of.items():
            terms = self._terms_of[text]
            count.update(terms)
            recurring.update(term for term in terms if first.setdefault(term, source) != source)
        has_words = any(text not in self._without_words for text in source_of)
        return Group(len(source_of), has_words, count, frozenset(recurring))

    def apart(self, own: Group, others: Group | None, most: int) -> list[Scored]:
        """The terms that set `own` apart from the others and from the data set, strongest first."""
        return _distinct(self._significant(own, others), own.count, most)

    def _significant(self, own: Group, others: Group | None) -> list[Scored]:
        """The terms with large enough `z`, strongest first, ties in alphabetical order."""
        terms = sorted(own.recurring)
        if not terms:
            return []
        groups = [group for group in (own, others, self.dataset) if group is not None]
        total = sum(map(len, groups))
        count = np.array([[group.count[term] for term in terms] for group in groups], np.float64)
        # Half a text is added so that the prior of a term in all texts is below 1.
        prior = count.sum(axis=0) / (total + 0.5)
        comparisons = [
            log_odds(count[0], len(own), group_count, len(group), prior, self._strength)
            for group_count, group in zip(count[1:], groups[1:], strict=True)
        ]
        delta, z_dataset = comparisons[-1]
        z_others = comparisons[0][1] if others is not None else np.full(len(terms), np.nan)
        z = z_dataset
        if others is not None:
            apart = (z_others >= self._min_z_others) & (z_dataset > 0)
            z = np.where(apart, (z_others + z_dataset) / np.sqrt(2), -np.inf)
        strong = {terms[i][0] for i in np.flatnonzero(z >= self._min_z) if len(terms[i]) == 1}
        # Words beside a token are not counted alone, so that they cannot be tested.
        any_edge = self._samples.token is not None
        return [
            (terms[i], float(z[i]), float(z_others[i]), float(z_dataset[i]), float(delta[i]))
            for i in np.argsort(-z, kind="stable")
            if z[i] >= self._min_z
            and (any_edge or unspaced(terms[i]) or {terms[i][0], terms[i][-1]} <= strong)
        ]


def _spelling(text: Preview, term: Term, start: int, end: int) -> str:
    """A term as the text writes it from `start` to `end`."""
    characters, token = text
    spelling = re.sub(r"\s+", " ", characters[start:end])
    if token is not None and len(term) == 1:
        before, after = term[0].startswith("…"), term[0].endswith("…")
        spelling = "…" * before + spelling + "…" * after
    return spelling


def _distinct(scored: list[Scored], count: Counter[Term], most: int) -> list[Scored]:
    """The strongest terms, at most `most`, that do not overlap."""
    distinct: list[Scored] = []
    for term in scored:
        longer = [
            other for other in scored
            if inside(term[0], other[0]) and 4 * count[other[0]] >= 3 * count[term[0]]
        ]  # fmt: skip
        best = max(longer, key=lambda other: (len(other[0]), other[1]), default=term)
        if not any(overlap(best[0], kept[0]) for kept in distinct):
            distinct.append(best)
        if len(distinct) == most:
            break
    return distinct
