"""The tokens that a neuron's top samples are, which name its concepts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neuronwidgets.activations.activations import Activations

MOST = 3
"""Tokens in a name, at most."""


@dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens of `n` samples.

    Attributes:
        codes: int32 `n`, the index of each token in `names`; -1 for a token of white space.
        names: the different tokens, in quotes.
    """

    codes: np.ndarray
    names: tuple[str, ...]

    def name(self, members: np.ndarray) -> str | None:
        """The most frequent tokens, at most three, that make up more than half of the members;
        `None` if three do not."""
        codes = self.codes[members]
        counts = np.bincount(codes[codes >= 0], minlength=len(self.names))
        most_frequent = np.argsort(-counts, kind="stable")[:MOST]
        for size in range(1, len(most_frequent) + 1):
            if 2 * counts[most_frequent[:size]].sum() > len(codes):
                return ", ".join(self.names[i] for i in most_frequent[:size])
        return None


def tokens_of(acts: Activations, rows: np.ndarray) -> Tokens | None:
    """The tokens of the samples in `rows`; case and surrounding white space make no difference.

    `None` if samples are no tokens, if their texts are unknown, or if the tokens have labels of
    their own (labels of whole texts do not describe a token).
    """
    samples = acts.samples
    if samples.token is None or samples.item is None or not len(samples.spans):
        return None
    if acts.labels is not None and not acts.labels_of_texts:
        return None
    names: dict[str, str] = {}
    codes = np.full(len(rows), -1, np.int32)
    code_of: dict[str, int] = {}
    for i, row in enumerate(rows.tolist()):
        item = samples.item_of(row)
        start, end = samples.spans[item][int(samples.token[row])]
        text = samples.texts[item][start:end].strip()
        if text:
            key = text.casefold()
            names.setdefault(key, f"“{text}”")
            codes[i] = code_of.setdefault(key, len(code_of))
    return Tokens(codes, tuple(names.values()))
