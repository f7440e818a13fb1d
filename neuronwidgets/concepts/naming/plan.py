"""Names from a callable of the user's: a language model, a captioner. Its cost is shown first."""

from __future__ import annotations

import html
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.concepts.naming.naming import Naming, whole
from neuronwidgets.concepts.naming.text import face, require_texts
from neuronwidgets.concepts.naming.words import tokens_about

if TYPE_CHECKING:
    from neuronwidgets.concepts.concepts import Concepts

LONGEST = 120
"""Characters of a name; the whole answer is in the evidence."""


@dataclass(frozen=True, repr=False, eq=False)
class Plan:
    """Calls that would name concepts, and what they cost. `run()` makes them.

    Attributes:
        concepts: whose names are asked for.
        call: the user's own.
        inputs: for each concept that is asked about, what `call` gets.
        answers: what was answered so far; a second `run` asks only for what is missing.
    """

    concepts: Concepts
    call: Callable[[list[Any]], str]
    inputs: dict[int, list[Any]]
    answers: dict[int, str] = field(default_factory=dict)

    @property
    def open(self) -> list[int]:
        """The concepts still to ask about."""
        return [k for k in self.inputs if k not in self.answers]

    @property
    def calls(self) -> int:
        return len(self.open)

    @property
    def samples(self) -> int:
        """Texts or images sent in all calls together."""
        return sum(len(self.inputs[k]) for k in self.open)

    @property
    def characters(self) -> int:
        """Characters of all texts sent; what `call` adds (a prompt) is not in it."""
        return sum(len(text) for text in self._sent() if isinstance(text, str))

    @property
    def tokens(self) -> int:
        """About how many tokens: a quarter of the characters, and each one of a script without
        spaces."""
        return math.ceil(sum(tokens_about(text) for text in self._sent() if isinstance(text, str)))

    @property
    def pixels(self) -> int:
        """Pixels of all images sent."""
        return sum(s.shape[0] * s.shape[1] for s in self._sent() if not isinstance(s, str))

    def run(self, progress: bool = True) -> Concepts:
        """Make the calls, one after another, and return the concepts with the names answered.

        A call that fails, or answers something else than text, costs its own name only: a warning
        says which and why, and so do the notes of `naming`. `run()` again asks for these only.
        Stopped (Ctrl-C), it keeps what was answered.
        """
        from tqdm.auto import tqdm

        asked = self.open
        failed: dict[int, str] = {}
        for k in tqdm(asked, desc="naming", unit=" concepts", disable=not progress):
            try:
                self.answers[k] = _text(self.call(list(self.inputs[k])))
            except Exception as error:
                failed[k] = f"{type(error).__name__}: {error}".rstrip(": ")
        notes = tuple(f"concept {k + 1} got no name: {why}" for k, why in failed.items())
        if notes:
            warnings.warn("; ".join(notes), stacklevel=2)
        evidence: dict[str, list[Any]] = {
            "concept": list(self.inputs),
            "answer": [self.answers.get(k, "") for k in self.inputs],
            "samples": [len(given) for given in self.inputs.values()],
            "error": [failed.get(k, "") for k in self.inputs],
        }
        names = [
            _short(self.answers[k]) if k in self.answers else None
            for k in range(len(self.concepts))
        ]
        return Naming("ask", tuple(names), evidence, notes).applied(self.concepts)

    def _sent(self) -> list[Any]:
        given = [each for k in self.open for each in self.inputs[k]]
        return [each[0] if isinstance(each, tuple) else each for each in given]

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
        return f"Plan(to ask: {cost}; run() starts it)"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th><td>{value}</td></tr>"
            for name, value in self._cost().items()
        )
        return (
            f"<p>To ask, with <code>run()</code>; nothing is sent before. What the callable adds "
            f"(a prompt) is not counted.</p><table>{rows}</table>"
        )


def plan(
    concepts: Concepts,
    call: Callable[[list[Any]], str],
    samples: int = 8,
    activations: bool = False,
    characters: int = 2_000,
) -> Plan:
    """Plan to call `call(samples)` once for each concept that has no name given by hand.

    Args:
        call: gets a list and returns the name, a string. The list holds the concept's own samples
            that activate the neuron most, strongest first, equal ones once:

            - texts as `str`;
            - tokens of texts as `str`: the text, with «» around the token;
            - images as uint8 arrays, `H x W` or `H x W x 3`, as the activations have them.
        samples: how many, at most.
        activations: pass pairs `(sample, activation)` instead, the activation a `float`.
        characters: a longer text is cut there, with "…"; for a token, around it.

    Raises:
        TypeError, ValueError: `call` is not callable, the samples are neither texts nor images.
    """
    if not callable(call):
        raise TypeError(f"ask takes a callable from a list of samples to a name, got {call!r}.")
    samples, characters = whole("samples", samples), whole("characters", characters)
    split = concepts.require_split("ask")
    acts = split.acts
    pictures = acts.samples.kind == "image"
    if not pictures:
        require_texts(acts.samples, acts.layer, "Name by labels, named('labels').")
    inputs: dict[int, list[Any]] = {}
    for k in range(len(concepts)):
        if k in concepts.user_named:
            continue
        given: dict[Any, Any] = {}
        for at in np.flatnonzero(concepts.assignment == k):
            row = int(concepts.index[at])
            key: Any
            sample: Any
            if pictures:
                sample = acts.samples.images[acts.samples.item_of(row)]
                key = sample.shape, sample.tobytes()
            else:
                key = sample = _shown(*face(acts.samples, row), characters)
            value = float(concepts.activations[at])
            given.setdefault(key, (sample, value) if activations else sample)
            if len(given) == samples:
                break
        inputs[k] = list(given.values())
    return Plan(concepts, call, inputs)


def _shown(text: str, at: tuple[int, int] | None, characters: int) -> str:
    first, last = 0, min(len(text), characters)
    if at is not None:
        first = max(0, min(at[0] - characters // 2, len(text) - characters))
        last = min(len(text), first + characters)
        text = f"{text[: at[0]]}«{text[at[0] : at[1]]}»{text[at[1] :]}"
        last += 2
    return "…" * (first > 0) + text[first:last] + "…" * (last < len(text))


def _text(answer: Any) -> str:
    if not isinstance(answer, str):
        raise TypeError(f"the answer must be a name (text), got a {type(answer).__name__}")
    if not answer.strip():
        raise ValueError("the answer must be a name (text), got an empty one")
    return answer


def _short(answer: str) -> str:
    name = " ".join(answer.split())
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
