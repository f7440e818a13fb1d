"""The words, word n-grams and character n-grams of a text, in any script."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator
from functools import cache

Term = tuple[str, ...]
"""Words, or characters of a script without spaces, case-folded and normalized (NFKC)."""

CHARACTERS = 20_000
"""Characters of a text that are read, at most."""
UNSPACED = 4
"""Characters in an n-gram of a script without spaces, at most; the fewest are two."""
_AROUND = 200
"""Characters that are read before and after a token."""
# Scripts without spaces: Thai, Lao, Myanmar, Khmer; kana; Han.
_NO_SPACES = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)


@cache
def _pattern() -> re.Pattern[str]:
    # `\w` matches no combining marks, without which Devanagari words end at their vowels.
    code_points = range(0x300, min(sys.maxunicode, 0x1FFFF))
    marks = "".join(chr(i) for i in code_points if unicodedata.category(chr(i))[0] == "M")
    mark = f"[{marks}\u200c\u200d]"
    letter = f"(?:(?![{_NO_SPACES}])[^\\W_])"
    word = f"{letter}(?:{letter}|{mark})*"
    return re.compile(
        # "U.S."; "don't" and "well-known"; a single character.
        f"(?P<word>(?:[^\\W\\d_]\\.){{2,}}|{word}(?:['’‐‑-]{word})*)"
        f"|(?P<one>(?=[^\\W_])[{_NO_SPACES}]{mark}*)"
    )


def occurrences(
    text: str, words: int, around: tuple[int, int] | None = None
) -> Iterator[tuple[Term, int, int]]:
    """Every n-gram of a text with its start and end: 1 to `words` words, or 2 to 4 characters.

    The words of an n-gram have only white space between them. A single character of a script
    without spaces counts if it stands alone.

    Args:
        text: the text, of which the first 20,000 characters are read.
        words: words in an n-gram, at most.
        around: a part of the text. Then only n-grams that share a character with it count, also
            single characters, and the part itself if it is a piece of a word ("…ing"). An empty
            part (a special token) has no n-grams.
    """
    start = 0
    if around is None:
        text = text[:CHARACTERS]
    elif around[0] >= around[1]:
        return
    else:
        start = max(0, around[0] - _AROUND)
        text, around = text[start : around[1] + _AROUND], (around[0] - start, around[1] - start)
    for run, spaced in _runs(text):
        longest, shortest = (words, 1) if spaced else (UNSPACED, 1 if around else 2)
        folded = [_folded(text[first:end]) for first, end in run]
        for i in range(len(run)):
            for n in range(min(shortest, len(run)), min(longest, len(run) - i) + 1):
                first, end = run[i][0], run[i + n - 1][1]
                if around is None or (first < around[1] and around[0] < end):
                    yield tuple(folded[i : i + n]), start + first, start + end
        if around is not None and spaced:
            for first, end in run:
                if first <= around[0] < around[1] <= end and around != (first, end):
                    before, after = "…" * (first < around[0]), "…" * (around[1] < end)
                    piece = f"{before}{_folded(text[slice(*around)])}{after}"
                    yield (piece,), start + around[0], start + around[1]


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _runs(text: str) -> Iterator[tuple[list[tuple[int, int]], bool]]:
    """Adjacent words (or characters): the start and end of each, and whether they are words."""
    run: list[tuple[int, int]] = []
    spaced = True
    for match in _pattern().finditer(text):
        is_word = match.lastgroup == "word"
        gap = text[run[-1][1] : match.start()] if run else ""
        is_adjacent = (not gap.strip() and bool(gap)) if is_word else not gap
        if run and (is_word != spaced or not is_adjacent):
            yield run, spaced
            run = []
        spaced = is_word
        run.append(match.span())
    if run:
        yield run, spaced


def unspaced(term: Term) -> bool:
    """Whether a term consists of characters of a script without spaces."""
    match = _pattern().match(term[0])
    return match is not None and match.lastgroup == "one"


def overlap(first: Term, second: Term) -> bool:
    """Whether two n-grams share half the words of the shorter one, side by side."""
    shorter, longer = sorted((first, second), key=len)
    n = -(-len(shorter) // 2)
    parts = {longer[i : i + n] for i in range(len(longer) - n + 1)}
    return any(shorter[i : i + n] in parts for i in range(len(shorter) - n + 1))


def inside(term: Term, longer: Term) -> bool:
    """Whether `longer` has more words than `term` and contains it."""
    n = len(term)
    return len(longer) > n and any(longer[i : i + n] == term for i in range(len(longer) - n + 1))


def tokens_about(text: str) -> float:
    """A rough number of a language model's tokens: one for four characters, or for one character of
    a script without spaces."""
    unspaced_characters = len(re.findall(f"[{_NO_SPACES}]", text))
    return unspaced_characters + (len(text) - unspaced_characters) / 4
