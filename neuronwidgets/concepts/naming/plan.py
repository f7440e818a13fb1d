"""Names from a user's callable, such as a language model or a captioner, and the cost of calls."""

from __future__ import annotations

import html
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.concepts.naming.naming import Naming
from neuronwidgets.concepts.naming.text import preview, require_texts
from neuronwidgets.concepts.naming.words import tokens_about
from neuronwidgets.core.checks import integer
from neuronwidgets.core.progress import progress_line, warn_stopped

if TYPE_CHECKING:
    from neuronwidgets.concepts.concepts import Concepts

LONGEST = 120
"""Characters of a name, at most; the evidence has the whole answer."""


@dataclass(frozen=True, repr=False, eq=False)
class CallPlan:
    """Calls that will name concepts, and their cost. `run()` makes them.

    Attributes:
        concepts: the concepts to name.
        call: the user's callable.
        inputs: the argument of `call` for each concept.
        answers: the answers so far; a second `run` makes only the missing calls.
    """

    concepts: Concepts
    call: Callable[[list[Any]], str]
    inputs: dict[int, list[Any]]
    answers: dict[int, str] = field(default_factory=dict)

    @property
    def open(self) -> list[int]:
        """The concepts without an answer."""
        return [k for k in self.inputs if k not in self.answers]

    @property
    def calls(self) -> int:
        """The number of calls to make."""
        return len(self.open)

    @property
    def samples(self) -> int:
        """Texts or images sent in all calls."""
        return sum(len(self.inputs[k]) for k in self.open)

    @property
    def characters(self) -> int:
        """Characters of all texts sent, without what `call` adds (a prompt)."""
        return sum(len(text) for text in self._sent() if isinstance(text, str))

    @property
    def tokens(self) -> int:
        """The approximate number of tokens: one for four characters, or for one character of a
        script without spaces."""
        return math.ceil(sum(tokens_about(text) for text in self._sent() if isinstance(text, str)))

    @property
    def pixels(self) -> int:
        """Pixels of all images sent."""
        return sum(s.shape[0] * s.shape[1] for s in self._sent() if not isinstance(s, str))

    def run(self, progress: bool = True) -> Concepts:
        """Make the calls, one after another, and return the concepts with the answered names.

        If a call fails or does not return a text, only its concept gets no name; a warning and the
        notes of `naming` give the reason. Another `run()` makes only the missing calls. An
        interrupted call (Ctrl-C) returns the concepts with the names so far.
        """
        errors: dict[int, str] = {}
        with progress_line("naming", self.calls, "concepts", progress) as line:
            for k in self.open:
                try:
                    self.answers[k] = _text(self.call(list(self.inputs[k])))
                except Exception as error:
                    errors[k] = f"{type(error).__name__}: {error}".rstrip(": ")
                except KeyboardInterrupt:
                    if not self.answers:
                        raise
                    warn_stopped(len(self.answers), len(self.inputs), "concepts")
                    break
                line.update()
        notes = tuple(f"concept {k + 1} got no name: {error}" for k, error in errors.items())
        if notes:
            warnings.warn("; ".join(notes), stacklevel=2)
        evidence: dict[str, list[Any]] = {
            "concept": list(self.inputs),
            "answer": [self.answers.get(k, "") for k in self.inputs],
            "samples": [len(samples) for samples in self.inputs.values()],
            "error": [errors.get(k, "") for k in self.inputs],
        }
        names = [
            _short(self.answers[k]) if k in self.answers else None
            for k in range(len(self.concepts))
        ]
        return Naming("ask", tuple(names), evidence, notes).applied(self.concepts)

    def _sent(self) -> list[Any]:
        """The samples of all calls to make, without their activations."""
        entries = [entry for k in self.open for entry in self.inputs[k]]
        return [entry[0] if isinstance(entry, tuple) else entry for entry in entries]

    def _cost(self) -> dict[str, str]:
        cost = {"calls": f"{self.calls:,}", "samples": f"{self.samples:,}"}
        if self.characters:
            cost["characters"] = f"{self.characters:,}"
            cost["tokens, about"] = f"{self.tokens:,}"
        if self.pixels:
            cost["pixels"] = f"{self.pixels:,}"
        if self.answers:
            cost["answered"] = f"{len(self.answers):,}"
        return cost

    def __repr__(self) -> str:
        cost = ", ".join(f"{name} {value}" for name, value in self._cost().items())
        return f"CallPlan(to ask: {cost}; run() starts it)"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th><td>{value}</td></tr>"
            for name, value in self._cost().items()
        )
        return (
            f"<p>The cost of <code>run()</code>, before which nothing is sent. What the callable "
            f"adds (a prompt) is not counted.</p><table>{rows}</table>"
        )


def plan(
    concepts: Concepts,
    call: Callable[[list[Any]], str],
    samples: int = 8,
    activations: bool = False,
    characters: int = 2_000,
) -> CallPlan:
    """Plan to call `call(samples)` once for each concept that the user did not name.

    Args:
        concepts: the concepts to name.
        call: takes a list and returns the name, a string. The list holds the concept's
            top-activating samples, strongest first, equal ones once:

            - texts as `str`;
            - tokens of texts as `str`: the text, with «» around the token;
            - images as uint8 arrays, `H x W` or `H x W x 3`, as in the activations.
        samples: samples in a call, at most.
        activations: pass pairs `(sample, activation)` instead; the activation is a `float`.
        characters: characters of a text, at most; the cut is marked by "…". Of a longer text with a
            token the part around the token is passed.

    Raises:
        TypeError, ValueError: `call` is not callable, the samples are neither texts nor images.
    """
    if not callable(call):
        raise TypeError(f"ask takes a callable from a list of samples to a name, got {call!r}.")
    samples, characters = integer("samples", samples, 1), integer("characters", characters, 1)
    split = concepts.require_split("ask")
    acts = split.acts
    are_images = acts.samples.kind == "image"
    if not are_images:
        require_texts(acts.samples, acts.layer, "Name by labels, named('labels').")
    inputs: dict[int, list[Any]] = {}
    for k in range(len(concepts)):
        if k in concepts.user_named:
            continue
        distinct: dict[Any, Any] = {}
        for member in np.flatnonzero(concepts.assignment == k):
            row = int(concepts.index[member])
            key: Any
            sample: Any
            if are_images:
                sample = acts.samples.images[acts.samples.item_of(row)]
                key = sample.shape, sample.tobytes()
            else:
                key = sample = _excerpt(*preview(acts.samples, row), characters)
            activation = float(concepts.activations[member])
            distinct.setdefault(key, (sample, activation) if activations else sample)
            if len(distinct) == samples:
                break
        inputs[k] = list(distinct.values())
    return CallPlan(concepts, call, inputs)


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


def _text(answer: Any) -> str:
    """An answer, if it is a name.

    Raises:
        TypeError, ValueError: it is not a text, or empty.
    """
    if not isinstance(answer, str):
        raise TypeError(f"the answer must be a name (text), got a {type(answer).__name__}")
    if not answer.strip():
        raise ValueError("the answer must be a name (text), got an empty one")
    return answer


def _short(answer: str) -> str:
    name = " ".join(answer.split())
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
