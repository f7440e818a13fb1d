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

Face = tuple[str, tuple[int, int] | None]
"""A text, and where the token stands in it that a sample is."""


def by_text(
    concepts: Concepts,
    terms: int = 3,
    words: int = 3,
    min_z: float = 3.3,
    strength: float = 100.0,
    most: int = 2_000,
) -> Naming:
    """Name each concept by the words and n-grams that set its texts apart.

    Log-odds with an informative Dirichlet prior (Monroe, Colaresi, Quinn 2008, *Fightin' Words*),
    of texts that hold a term (in their first 20,000 characters), so that no long or repetitive text
    counts for more than one; equal texts count once. The prior is the share of all texts looked at
    that hold the term. A concept's texts are compared with the neuron's other top samples
    (`z_others`) and with an even choice of the dataset's texts (`z_dataset`); `z` is their sum
    divided by the square root of 2, or `z_dataset` alone for a single concept. Both must be above
    zero, `z` at least `min_z` (of random groups of 8 to 40 texts of AG-News and DBpedia about one
    in twenty had any term above 3.3), and two of the concept's texts at least must hold the term.
    An n-gram's first and last word must stand out so by themselves: there is no list of stop
    words. Of terms that share half their words one is kept, the longer one if three quarters of
    the texts with the shorter one hold it.

    Scripts without spaces (Han, kana, Thai, Lao, Khmer, Burmese) are read in n-grams of two to four
    characters. Where a sample is a token of a text, its n-grams are those that hold the token
    (whatever their first and last word), and the token itself if it is a piece of a word ("…ing").

    Args:
        terms: terms in a name, at most.
        words: words in a term, at most.
        strength: how many texts the prior is worth.
        most: texts of the dataset to compare with.

    Returns:
        Evidence: the ten strongest terms of each concept: `term`, `z`, `z_others`, `z_dataset`,
        `log_odds` (against the dataset), how many of how many texts hold it (`in_concept`,
        `in_others`, `in_dataset` and `..._texts`), `chosen`.

    Raises:
        ValueError: the samples are no texts.
    """
    terms, words = integer("terms", terms, 1), integer("words", words, 1)
    most = integer("most", most, 1)
    min_z = number("min_z", min_z, least=0, most=100)
    strength = number("strength", strength, least=1e-6, most=1e9)
    split = concepts.require_split("named('text')")
    reader = Reader(split, words, min_z, strength, most)
    for _ in reader.reading():
        pass
    evidence: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    names: list[str | None] = []
    notes = []
    for k in range(len(concepts)):
        own, others = (
            reader.group(concepts.assignment == k),
            reader.group(concepts.assignment != k),
        )
        picked = reader.apart(own, others if len(concepts) > 1 else None, SHOWN)
        chosen = picked[:terms]
        for term, z, z_others, z_dataset, delta in picked:
            row = (
                k, reader.written[term], z, z_others, z_dataset, delta, own.count[term], len(own),
                others.count[term], len(others), reader.dataset.count[term], len(reader.dataset),
                any(term == one[0] for one in chosen),
            )  # fmt: skip
            for column, value in zip(_COLUMNS, row, strict=True):
                evidence[column].append(value)
        names.append(", ".join(reader.written[term] for term, *_ in chosen) or None)
        if not own.words:
            notes.append(f"concept {k + 1}: its texts hold no words")
    if reader.others > most:
        notes.append(
            f"compared with {most:,} of the dataset's {reader.others:,} other samples, evenly "
            "spaced"
        )
    return Naming("text", tuple(names), evidence, tuple(notes))


_COLUMNS = (
    "concept", "term", "z", "z_others", "z_dataset", "log_odds", "in_concept", "concept_texts",
    "in_others", "others_texts", "in_dataset", "dataset_texts", "chosen",
)  # fmt: skip


def require_texts(samples: Samples, layer: str, instead: str = INSTEAD) -> None:
    if samples.kind != "text":
        what = "images" if samples.kind == "image" else "nothing that can be read"
        raise ValueError(f"no texts: the samples of layer {layer!r} are {what}. {instead}")
    if samples.token is not None and not len(samples.spans):
        raise ValueError(
            f"no texts: the samples of layer {layer!r} are tokens, and where they stand in their "
            "texts is not known (samples.spans)."
        )


def face(samples: Samples, row: int) -> Face:
    """The text of a sample, and for a token where it stands in it."""
    item, token = samples.item_of(row), samples.token_of(row)
    text = samples.texts[item]
    if token is None:
        return text, None
    start, end = samples.spans[item][token]
    return text, (int(start), int(end))


@dataclass
class Group:
    """Some different texts: `count` says for each term how many of them hold it.

    Attributes:
        size: how many.
        words: whether any of them holds a word.
        count: of the terms that at least two of the neuron's top texts hold.
    """

    size: int
    words: bool
    count: Counter[Term]

    def __len__(self) -> int:
        return self.size


Scored = tuple[Term, float, float, float, float]
"""A term, its z, z against the others, z against the dataset, and log-odds."""


class Reader:
    """Reads a neuron's top texts and some of the dataset's others, once for all its cuts.

    Attributes:
        others: how many samples of the dataset are not among the top.
        written: how the top texts write each term most often (ties: first).
        dataset: an even choice of the others.

    Raises:
        ValueError: the samples are no texts.
    """

    def __init__(
        self,
        split: Split,
        words: int = 3,
        min_z: float = 3.3,
        strength: float = 100.0,
        most: int = 2_000,
        characters: int = CHARACTERS,
    ) -> None:
        self._samples, self._index = split.acts.samples, split.index
        require_texts(self._samples, split.acts.layer)
        self._words, self._min_z, self._strength = words, min_z, strength
        self._characters = characters
        rest = np.setdiff1d(np.arange(len(split.acts)), split.index)
        self.others, self._rest = len(rest), evenly_spaced(rest, most)
        self._faces: list[Face] = []
        self._held: dict[Face, set[Term]] = {}
        self._blank: set[Face] = set()
        self.written: dict[Term, str] = {}
        self.dataset = Group(0, False, Counter())

    def reading(self) -> Iterator[float]:
        """Read them; yields the share done."""
        total = 2 * len(self._index) + len(self._rest)
        seen: Counter[Term] = Counter()
        for i, row in enumerate(self._index.tolist()):
            one = face(self._samples, row)
            self._faces.append(one)
            if one not in self._held:
                self._held[one] = terms = {term for term, _, _ in self._terms(one)}
                seen.update(terms)
                if not terms:
                    self._blank.add(one)
            yield i / total
        # What one text alone holds sets nothing apart, and is most of what texts hold.
        known = {term for term, count in seen.items() if count >= 2}
        ways: dict[Term, Counter[str]] = {term: Counter() for term in known}
        for i, (one, terms) in enumerate(self._held.items()):
            terms &= known
            for term, start, end in self._terms(one):
                if term in known:
                    ways[term][_surface(one, term, start, end)] += 1
            yield (len(self._index) + i) / total
        self.written = {term: count.most_common(1)[0][0] for term, count in ways.items()}
        read: set[Face] = set()
        for i, row in enumerate(self._rest.tolist()):
            one = face(self._samples, row)
            if one not in read:
                read.add(one)
                self.dataset.count.update({t for t, _, _ in self._terms(one) if t in known})
            yield (2 * len(self._index) + i) / total
        self.dataset.size = len(read)

    def _terms(self, one: Face) -> Iterator[tuple[Term, int, int]]:
        text, at = one
        return occurrences(text if at else text[: self._characters], self._words, at)

    def group(self, mine: np.ndarray) -> Group:
        """Some of the top samples; `mine` is bool `n`."""
        faces = dict.fromkeys(self._faces[i] for i in np.flatnonzero(mine))
        count: Counter[Term] = Counter()
        for one in faces:
            count.update(self._held[one])
        return Group(len(faces), any(one not in self._blank for one in faces), count)

    def apart(self, own: Group, others: Group | None, most: int) -> list[Scored]:
        """The terms that set `own` apart from the others and from the dataset, strongest first."""
        found = self._stand_out(own, others)
        return _picked(found, own.count, most)

    def _stand_out(self, own: Group, others: Group | None) -> list[Scored]:
        """Terms that stand out, ties by their letters."""
        terms = sorted(term for term, count in own.count.items() if count >= 2)
        if not terms:
            return []
        groups = [group for group in (own, others, self.dataset) if group is not None]
        total = sum(map(len, groups))
        count = np.array([[group.count[term] for term in terms] for group in groups], np.float64)
        # Half a text, so that a term of all texts is not certain.
        prior = count.sum(axis=0) / (total + 0.5)
        y, n = count[0], len(own)
        pairs = [
            log_odds(y, n, there, len(group), prior, self._strength)
            for there, group in zip(count[1:], groups[1:], strict=True)
        ]
        delta, z_dataset = pairs[-1]
        z_others = pairs[0][1] if others is not None else np.full(len(terms), np.nan)
        z = z_dataset
        if others is not None:
            z = np.where((z_others > 0) & (z_dataset > 0), (z_others + z_dataset) / np.sqrt(2), 0)
        strong = {terms[i][0] for i in np.flatnonzero(z >= self._min_z) if len(terms[i]) == 1}
        # Around a token its neighbours are not seen alone.
        any_edge = self._samples.token is not None
        return [
            (terms[i], float(z[i]), float(z_others[i]), float(z_dataset[i]), float(delta[i]))
            for i in np.argsort(-z, kind="stable")
            if z[i] >= self._min_z
            and (any_edge or unspaced(terms[i]) or {terms[i][0], terms[i][-1]} <= strong)
        ]


def _surface(one: Face, term: Term, start: int, end: int) -> str:
    text, at = one
    written = re.sub(r"\s+", " ", text[start:end])
    if at is not None and len(term) == 1:
        before, after = term[0].startswith("…"), term[0].endswith("…")
        written = "…" * before + written + "…" * after
    return written


def _picked(found: list[Scored], count: Counter[Term], most: int) -> list[Scored]:
    """The strongest that say different things."""
    out: list[Scored] = []
    for one in found:
        longer = [
            other for other in found
            if inside(one[0], other[0]) and 4 * count[other[0]] >= 3 * count[one[0]]
        ]  # fmt: skip
        best = max(longer, key=lambda each: (len(each[0]), each[1]), default=one)
        if not any(overlap(best[0], shown[0]) for shown in out):
            out.append(best)
        if len(out) == most:
            break
    return out
