"""What tokens a concept's samples are, where samples are tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neuronwidgets.activations.activations import Activations

MOST = 3
"""Tokens in a name."""


@dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens that some samples are: `codes`, int32 `n`, index into `names`; -1 for a space."""

    codes: np.ndarray
    names: tuple[str, ...]

    def name(self, members: np.ndarray) -> str | None:
        """The tokens, at most three, that more than half of the members are; `None` if it takes
        more."""
        codes = self.codes[members]
        counts = np.bincount(codes[codes >= 0], minlength=len(self.names))
        best = np.argsort(-counts, kind="stable")[:MOST]
        for many in range(1, len(best) + 1):
            if 2 * counts[best[:many]].sum() > len(codes):
                return ", ".join(self.names[i] for i in best[:many])
        return None


def tokens_of(acts: Activations, rows: np.ndarray) -> Tokens | None:
    """The tokens of some samples, in quotes, the same whatever their case and the space around.

    `None` where samples are no tokens, their text is not known, or their labels are their own (the
    labels of whole texts do not say what a token is).
    """
    samples = acts.samples
    if samples.token is None or samples.item is None or not len(samples.spans):
        return None
    if acts.labels is not None and not acts.labels_of_texts:
        return None
    names: dict[str, str] = {}
    codes = np.full(len(rows), -1, np.int32)
    places: dict[str, int] = {}
    for i, row in enumerate(rows.tolist()):
        item = samples.item_of(row)
        start, end = samples.spans[item][int(samples.token[row])]
        text = samples.texts[item][start:end].strip()
        if text:
            key = text.casefold()
            names.setdefault(key, f"“{text}”")
            codes[i] = places.setdefault(key, len(places))
    return Tokens(codes, tuple(names.values()))
