"""Names by majority: what more than half of a concept's samples are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from neuronwidgets.concepts.scores.labels import majority

if TYPE_CHECKING:
    from neuronwidgets.activations.tokens import Tokens


def agreed_label(labels: np.ndarray) -> int:
    """The label of more than half of the samples, unlabelled ones counted; -1 without one."""
    label, _ = majority(labels)
    return label if label >= 0 and (labels == label).mean() > 0.5 else -1


def majority_name(
    members: np.ndarray, labels: np.ndarray | None, titles: Sequence[str], tokens: Tokens | None
) -> str | None:
    """The tokens or the label that more than half of a concept's samples are; `None` without one.

    Where the samples are tokens, only these count: the label of a text does not say what its
    tokens are.

    Args:
        members: int, the concept's samples, as indices into `labels` and `tokens`.
        labels: int `n`, -1 for none; `None` without labels.
        titles: what the labels are called.
        tokens: of the `n` samples, where they are tokens.
    """
    if tokens is not None:
        return tokens.name(members)
    label = -1 if labels is None else agreed_label(labels[members])
    return titles[label] if label >= 0 else None
