"""Splits long texts into windows that a model takes, each a text of its own."""

from __future__ import annotations

from typing import Any


class Splitter:
    """Splits texts into windows of at most `limit` tokens that begin with a word where possible.

    A window that begins with a word has the same tokens alone as in its text.

    Args:
        processor: a fast tokenizer, or a processor that has one.
        limit: tokens per window, special tokens included.
        overlap: tokens that a window shares with the one before.

    Raises:
        ValueError: a slow tokenizer, no limit, or an overlap as long as a window.
    """

    def __init__(self, processor: Any, limit: int | None, overlap: int) -> None:
        self._tokenizer = tokenizer = getattr(processor, "tokenizer", processor)
        if not getattr(tokenizer, "is_fast", False):
            raise ValueError(
                "long='windows' needs a fast tokenizer, which returns the spans of its tokens, "
                f"got a {type(tokenizer).__name__}."
            )
        if limit is None:
            raise ValueError(
                "long='windows' needs a limit, and neither model nor tokenizer states how many "
                "tokens a text may have: pass max_length=..."
            )
        self._room = limit - tokenizer.num_special_tokens_to_add()
        self._overlap = overlap
        if not 0 <= overlap < self._room:
            raise ValueError(
                f"overlap must be a whole number from 0 to {self._room - 1}, less than a window "
                f"has, got {overlap!r}."
            )

    def windows(self, text: str) -> list[tuple[int, str]]:
        """The windows of a text: `(first character, window)`. Windows of blanks are left out."""
        spans = self._tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )["offset_mapping"]
        if len(spans) <= self._room:
            return [(0, text)]
        parts, first = [], 0
        while True:
            last = min(first + self._room, len(spans))
            if last < len(spans):
                last = self._word_start(text, spans, first, last)
            begin = spans[first - 1][1] if first else 0
            end = spans[last - 1][1] if last < len(spans) else len(text)
            parts.append((begin, text[begin:end]))
            if last == len(spans):
                return [(begin, part) for begin, part in parts if part.strip()]
            back = max(first + 1, last - self._overlap)
            first = self._word_start(text, spans, first + 1, back) if self._overlap else last

    def _word_start(self, text: str, spans: list[tuple[int, int]], least: int, token: int) -> int:
        """The last token up to `token` that begins a word; `token` if none is near."""
        for index in range(token, max(least, token - self._room // 2), -1):
            begin, before = spans[index][0], spans[index - 1][1]
            if begin > before or text[begin : begin + 1].isspace():
                return index
        return token
