"""Names from a user's callable, such as a language model or a captioner, and the cost of calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.concepts.naming.calls import (
    CHARACTERS,
    Cost,
    check_sent,
    make_calls,
    sent_sample,
)
from neuronwidgets.concepts.naming.naming import Naming
from neuronwidgets.core.checks import integer
from neuronwidgets.core.warning import warn

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
    def cost(self) -> Cost:
        """What the calls to make will send."""
        return Cost.of(self._sent())

    @property
    def calls(self) -> int:
        """The number of calls to make."""
        return self.cost.calls

    @property
    def samples(self) -> int:
        """Texts or images sent in all calls."""
        return self.cost.samples

    @property
    def characters(self) -> int:
        """Characters of all texts sent, without what `call` adds (a prompt)."""
        return self.cost.characters

    @property
    def tokens(self) -> int:
        """The approximate number of tokens: one for four characters, or for one character of a
        script without spaces."""
        return self.cost.tokens

    @property
    def pixels(self) -> int:
        """Pixels of all images sent."""
        return self.cost.pixels

    def run(self, progress: bool = True) -> Concepts:
        """Make the calls, one after another, and return the concepts with the answered names.

        If a call fails or does not return a text, only its concept gets no name; a warning and the
        notes of `naming` give the reason. Another `run()` makes only the missing calls. An
        interrupted call (Ctrl-C) returns the concepts with the names so far.
        """
        errors = make_calls(self.open, self.answers, self._ask, "naming", "concepts", progress)
        notes = tuple(f"concept {k + 1} got no name: {error}" for k, error in errors.items())
        if notes:
            warn("; ".join(notes))
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

    def _ask(self, k: int) -> str:
        return _text(self.call(list(self.inputs[k])))

    def _sent(self) -> list[list[Any]]:
        """The samples of each call to make, without their activations."""
        return [
            [entry[0] if isinstance(entry, tuple) else entry for entry in self.inputs[k]]
            for k in self.open
        ]

    def __repr__(self) -> str:
        cost = self.cost.in_words(len(self.answers))
        return f"CallPlan(to ask: {cost}; run() starts it)"

    def _repr_html_(self) -> str:
        return self.cost.as_html(len(self.answers))


def plan(
    concepts: Concepts,
    call: Callable[[list[Any]], str],
    samples: int = 8,
    activations: bool = False,
    characters: int = CHARACTERS,
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
    check_sent(acts)
    inputs: dict[int, list[Any]] = {}
    for k in range(len(concepts)):
        if k in concepts.user_named:
            continue
        distinct: dict[Any, Any] = {}
        for member in np.flatnonzero(concepts.assignment == k):
            row = int(concepts.index[member])
            sample, key = sent_sample(acts, row, characters)
            activation = float(concepts.activations[member])
            distinct.setdefault(key, (sample, activation) if activations else sample)
            if len(distinct) == samples:
                break
        inputs[k] = list(distinct.values())
    return CallPlan(concepts, call, inputs)


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
