"""Calls of a user's callable: what they get, what they cost, and what happens when one fails."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from neuronwidgets.concepts.naming.text import preview, require_texts
from neuronwidgets.concepts.naming.words import tokens_about
from neuronwidgets.core.progress import progress_line, warn_stopped

if TYPE_CHECKING:
    from neuronwidgets.activations.activations import Activations

Answer = TypeVar("Answer")

CHARACTERS = 2_000
"""The default number of characters of a text in a call, at most."""


@dataclass(frozen=True)
class Cost:
    """What calls send.

    Attributes:
        calls: the number of calls.
        samples: texts or images sent in all calls.
        characters: characters of all texts sent, without what the callable adds (a prompt).
        tokens: the approximate number of tokens: one for four characters, or for one character of a
            script without spaces.
        pixels: pixels of all images sent.
    """

    calls: int
    samples: int
    characters: int
    tokens: int
    pixels: int

    @classmethod
    def of(cls, inputs: Iterable[Iterable[Any]]) -> Cost:
        """The cost of calls that send these texts and images."""
        calls = [list(sent) for sent in inputs]
        samples = [sample for sent in calls for sample in sent]
        texts = [sample for sample in samples if isinstance(sample, str)]
        pixels = sum(s.shape[0] * s.shape[1] for s in samples if not isinstance(s, str))
        tokens = math.ceil(sum(map(tokens_about, texts)))
        return cls(len(calls), len(samples), sum(map(len, texts)), tokens, pixels)

    def cells(self, answered: int) -> dict[str, str]:
        """The numbers as they are shown, by name; `answered` calls were made before."""
        cost = {"calls": f"{self.calls:,}", "samples": f"{self.samples:,}"}
        if self.characters:
            cost["characters"] = f"{self.characters:,}"
            cost["tokens, about"] = f"{self.tokens:,}"
        if self.pixels:
            cost["pixels"] = f"{self.pixels:,}"
        if answered:
            cost["answered"] = f"{answered:,}"
        return cost

    def in_words(self, answered: int) -> str:
        """ "calls 2, samples 16, …" """
        return ", ".join(f"{name} {value}" for name, value in self.cells(answered).items())

    def as_html(self, answered: int) -> str:
        """A table for a notebook."""
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th><td>{value}</td></tr>"
            for name, value in self.cells(answered).items()
        )
        return (
            f"<p>The cost of <code>run()</code>, before which nothing is sent. What the callable "
            f"adds (a prompt) is not counted.</p><table>{rows}</table>"
        )


def make_calls(
    to_ask: Sequence[int],
    answers: dict[int, Answer],
    ask: Callable[[int], Answer],
    title: str,
    unit: str,
    progress: bool = True,
) -> dict[int, str]:
    """Make calls one after another, and put their answers into `answers`.

    A call that raises, or whose answer is refused, leaves the others alone. After Ctrl-C the
    answers so far stay, with a warning; without any, the interrupt goes on.

    Args:
        to_ask: the calls to make.
        answers: the answers so far.
        ask: makes one call and returns its checked answer.
        title, unit: of the line with the progress.

    Returns:
        The error of each call that failed, in words.
    """
    errors: dict[int, str] = {}
    total = len(answers) + len(to_ask)
    with progress_line(title, len(to_ask), unit, progress) as line:
        for i in to_ask:
            try:
                answers[i] = ask(i)
            except Exception as error:
                errors[i] = f"{type(error).__name__}: {error}".rstrip(": ")
            except KeyboardInterrupt:
                if not answers:
                    raise
                warn_stopped(len(answers), total, unit)
                break
            line.update()
    return errors


def check_sent(acts: Activations) -> None:
    """Check that a callable can get the samples.

    Raises:
        ValueError: they are neither images nor texts.
    """
    if acts.samples.kind != "image":
        require_texts(acts.samples, acts.layer, "Name by labels, named('labels').")


def sent_sample(acts: Activations, row: int, characters: int) -> tuple[Any, Any]:
    """A sample as a callable gets it, and a key that equal samples share.

    Args:
        characters: characters of a text, at most; the cut is marked by "…". Of a longer text with a
            token the part around the token is passed, with «» around the token.
    """
    if acts.samples.kind == "image":
        image = acts.samples.images[acts.samples.item_of(row)]
        return image, (image.shape, image.tobytes())
    text = _excerpt(*preview(acts.samples, row), characters)
    return text, text


def _excerpt(text: str, token: tuple[int, int] | None, characters: int) -> str:
    """At most `characters` of a text, those around its token, with «» around the token."""
    first, last = 0, min(len(text), characters)
    if token is not None:
        start, end = token
        first = max(0, min(start - characters // 2, len(text) - characters))
        last = min(len(text), first + characters)
        text = f"{text[:start]}«{text[start:end]}»{text[end:]}"
        last += 2
    return "…" * (first > 0) + text[first:last] + "…" * (last < len(text))
