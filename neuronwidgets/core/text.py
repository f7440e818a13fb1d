"""Text that every library accepts."""

from __future__ import annotations


def well_formed(text: str) -> str:
    """`text` with U+FFFD for each lone surrogate; two surrogates that form a pair become their
    character. UTF-8 has no bytes for surrogates, so tokenizers, hashes and files refuse them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
