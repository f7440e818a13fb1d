"""Text that every library takes."""

from __future__ import annotations


def well_formed(text: str) -> str:
    """`text` with U+FFFD for each lone surrogate, which UTF-8 (and so tokenizers, hashes and
    files) has no bytes for; two halves that belong together become their character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
