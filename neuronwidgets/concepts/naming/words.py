"""The words, word n-grams and character n-grams of a text, in any script."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator
from functools import cache

Term = tuple[str, ...]
"""Words, or characters of a script without spaces; folded, so that equal ones compare equal."""

CHARACTERS = 20_000
"""A text is read to here."""
UNSPACED = 4
"""Characters in an n-gram of a script without spaces, at most; two at least."""
_AROUND = 200
# Thai, Lao, Myanmar, Khmer; kana; Han.
_NO_SPACES = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)


@cache
def _pattern() -> re.Pattern[str]:
    # `\w` has no combining marks: without them Devanagari falls apart at its vowels.
    points = range(0x300, min(sys.maxunicode, 0x1FFFF))
    marks = "".join(chr(i) for i in points if unicodedata.category(chr(i))[0] == "M")
    mark = f"[{marks}\u200c\u200d]"
    letter = f"(?:(?![{_NO_SPACES}])[^\\W_])"
    word = f"{letter}(?:{letter}|{mark})*"
    return re.compile(
        # U.S.; don't, well-known; one character.
        f"(?P<word>(?:[^\\W\\d_]\\.){{2,}}|{word}(?:['’‐‑-]{word})*)"
        f"|(?P<one>(?=[^\\W_])[{_NO_SPACES}]{mark}*)"
    )


def occurrences(
    text: str, words: int, around: tuple[int, int] | None = None
) -> Iterator[tuple[Term, int, int]]:
    """Every n-gram of a text with its start and end: 1 to `words` words, or 2 to 4 characters.

    Words stand side by side with nothing but space between them. A character of a script without
    spaces counts alone where it stands alone.

    Args:
        around: only n-grams that share a character with this part of the text, the part itself
            where it is a piece of a word ("…ing"), and characters alone too. Of a part without
            characters (a special token) nothing.
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
        folded = [unicodedata.normalize("NFKC", text[a:b]).casefold() for a, b in run]
        for i in range(len(run)):
            for n in range(min(shortest, len(run)), min(longest, len(run) - i) + 1):
                a, b = run[i][0], run[i + n - 1][1]
                if around is None or (a < around[1] and around[0] < b):
                    yield tuple(folded[i : i + n]), start + a, start + b
        if around is not None and spaced:
            for a, b in run:
                if a <= around[0] < around[1] <= b and around != (a, b):
                    piece = unicodedata.normalize("NFKC", text[slice(*around)]).casefold()
                    before, after = "…" * (a < around[0]), "…" * (around[1] < b)
                    yield (f"{before}{piece}{after}",), start + around[0], start + around[1]


def _runs(text: str) -> Iterator[tuple[list[tuple[int, int]], bool]]:
    """Words (or characters) side by side: where each stands, and whether they are words."""
    run: list[tuple[int, int]] = []
    spaced = True
    for match in _pattern().finditer(text):
        word = match.lastgroup == "word"
        gap = text[run[-1][1] : match.start()] if run else ""
        joined = (not gap.strip() and bool(gap)) if word else not gap
        if run and (word != spaced or not joined):
            yield run, spaced
            run = []
        spaced = word
        run.append(match.span())
    if run:
        yield run, spaced


def unspaced(term: Term) -> bool:
    """Whether a term is of characters of a script without spaces."""
    match = _pattern().match(term[0])
    return match is not None and match.lastgroup == "one"


def overlap(one: Term, other: Term) -> bool:
    """Whether two n-grams say the same: they share half the words of the shorter one, side by
    side."""
    shorter, longer = sorted((one, other), key=len)
    need = -(-len(shorter) // 2)
    parts = {longer[i : i + need] for i in range(len(longer) - need + 1)}
    return any(shorter[i : i + need] in parts for i in range(len(shorter) - need + 1))


def inside(one: Term, other: Term) -> bool:
    """Whether `other` is longer and holds `one`."""
    n = len(one)
    return len(other) > n and any(other[i : i + n] == one for i in range(len(other) - n + 1))


def tokens_about(text: str) -> float:
    """A rough number of a language model's tokens: four characters each, or one character of a
    script without spaces."""
    alone = len(re.findall(f"[{_NO_SPACES}]", text))
    return alone + (len(text) - alone) / 4
