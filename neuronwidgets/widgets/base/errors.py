"""Errors in the words in which a widget shows them."""

from __future__ import annotations


def in_words(error: BaseException) -> str:
    """An error as one sentence: our own message as it is, another library's with its type."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    ours = isinstance(error, ValueError | TypeError | IndexError) and text
    return text if ours else f"{type(error).__name__}: {text}" if text else type(error).__name__
