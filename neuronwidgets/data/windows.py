"""Long texts -> windows that a model takes, each a text of its own."""

from __future__ import annotations

from typing import Any


class Splitter:
    """Splits texts at tokens where words begin, if there are any, so that a window alone has the
    tokens that it has in the text."""

    def __init__(self, processor: Any, limit: int | None, overlap: int) -> None:
        self._tokenizer = tokenizer = getattr(processor, "tokenizer", processor)
        if not getattr(tokenizer, "is_fast", False):
            raise ValueError(
                f"long='windows' needs a fast tokenizer, which says where its tokens stand; a "
                f"{type(tokenizer).__name__} does not."
            )
        if limit is None:
            raise ValueError(
                "long='windows': neither model nor tokenizer says how many tokens a text may have; "
                "pass max_length=..."
            )
        self._room = limit - tokenizer.num_special_tokens_to_add()
        self._overlap = overlap
        if not 0 <= overlap < self._room:
            raise ValueError(
                f"overlap={overlap!r}; a whole number from 0 to {self._room - 1} is needed, less "
                "than a window has."
            )

    def windows(self, text: str) -> list[tuple[int, str]]:
        """One text's windows, and where in it each begins."""
        # Spaces before it tell nothing of a word that a window begins with.
        found = self._tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )["offset_mapping"]
        if len(found) <= self._room:
            return [(0, text)]
        parts, first = [], 0
        while True:
            last = min(first + self._room, len(found))
            if last < len(found):
                last = self._word(text, found, first, last)
            begin = found[first - 1][1] if first else 0
            end = found[last - 1][1] if last < len(found) else len(text)
            parts.append((begin, text[begin:end]))
            if last == len(found):
                return [(begin, part) for begin, part in parts if part.strip()]
            back = max(first + 1, last - self._overlap)
            first = self._word(text, found, first + 1, back) if self._overlap else last

    def _word(self, text: str, found: list[tuple[int, int]], least: int, token: int) -> int:
        """The last token up to `token` that begins a word, or `token` where none is near."""
        for at in range(token, max(least, token - self._room // 2), -1):
            begin, before = found[at][0], found[at - 1][1]
            if begin > before or text[begin : begin + 1].isspace():
                return at
        return token
