"""The messages `picture` and `examples` of RangeExplorer: the classes of one neuron."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.subsample import between_ends
from neuronwidgets.intervals.ranges import Ranges
from neuronwidgets.intervals.rules import EXTREME, SCORES, STEPS
from neuronwidgets.widgets.base.previews import pack_previews
from neuronwidgets.widgets.protocol.buffers import pack

MOST_VALUES = 40_000
"""The most activations that are sent; of more, the same number of each class, evenly spaced."""
THIN = 20_000
"""`MOST_VALUES` for many classes."""
SINGLE = "It has a single sample, so it has no range. A range takes at least two."
PREVIEWS = 240
"""The most examples of all classes together."""
PREVIEWS_EACH = 24
"""The most examples of one class."""
MANY = 60
"""Of more classes, only the chosen one has examples in the view."""
BAR = np.arange(0, int(EXTREME) * STEPS + 1, 5)
"""Widths, in hundredths of tau, for which the view knows the least density of a discriminative
range."""


class Pictures:
    """Makes the picture of any neuron.

    Args:
        acts: labelled activations.
        found: their ranges.
        colors: one for each class.
        what: what a class is: "label" or "concept".
    """

    def __init__(
        self, acts: Activations, found: Ranges, colors: tuple[str, ...], what: str
    ) -> None:
        assert acts.labels is not None
        self._acts, self._colors, self._what = acts, colors, what
        self._ranges = found
        known = np.flatnonzero(acts.labels >= 0)
        order = known[np.argsort(acts.labels[known], kind="stable")]
        codes, starts = np.unique(acts.labels[order], return_index=True)
        self._members = np.split(order, starts[1:])
        self._class_of = np.full(len(acts), -1, np.int32)
        self._class_of[order] = np.repeat(np.arange(len(codes)), list(map(len, self._members)))
        titles = acts.label_titles
        self._titles = [titles[c] for c in codes]

    @property
    def many(self) -> bool:
        """Whether only one class has examples."""
        return len(self._members) > MANY

    @own_modes()
    def pack(self, neuron: int) -> bytes:
        """The `picture` message. Its size grows with the number of classes, not with its square."""
        acts, found = self._acts, self._ranges.of_neuron(neuron)
        values = acts.values[:, neuron]
        total = sum(map(len, self._members))
        limit = THIN if self.many else MOST_VALUES
        most = total if total <= limit else max(2, limit // len(self._members))
        kept = [between_ends(self._ordered(c, values), most) for c in range(len(self._members))]
        magnitude = self._ranges.magnitude
        rank = 1 + (magnitude > magnitude[:, neuron : neuron + 1]).sum(axis=1)
        why = ["" if len(members) > 1 else SINGLE for members in self._members]
        peak = found.densities[:, 0].max(axis=1, keepdims=True)
        return pack(
            {
                "activation": np.concatenate([values[k] for k in kept]).astype(np.float32),
                "start": np.cumsum([0] + [len(k) for k in kept]).astype(np.int32),
                "mean": found.mean[:, 0],
                "std": found.std[:, 0],
                "quantile": found.quantiles[:, 0],
                "edges": found.edges[0],
                "density": np.rint(255 * np.sqrt(found.densities[:, 0] / peak)).astype(np.uint8),
                "first": self._ranges.first_widths(neuron),
                "bar": _bars(found.least[:, BAR, 0]),
                "rank": rank.astype(np.int32),
            },
            {
                "layer": acts.layer,
                "name": f"neuron {neuron}",
                "neurons": acts.shape[1],
                "samples": total,
                "labels": self._titles,
                "count": [len(members) for members in self._members],
                # One for all, or one for each.
                "colors": list(self._colors if len(set(self._colors)) > 1 else self._colors[:1]),
                "scores": SCORES.tolist(),
                "why": why,
                "salient": magnitude.argmax(axis=1).tolist(),
                "what": self._what,
                "pooling": acts.pooling,
            },
        )

    def pack_examples(self, neuron: int, label: int) -> bytes:
        """The `examples` message: of all classes, or if there are many, of `label` and some of the
        others together."""
        values = self._acts.values[:, neuron]
        classes = range(len(self._members))
        if self.many:
            others = np.flatnonzero((self._class_of >= 0) & (self._class_of != label))
            others = others[np.argsort(values[others], kind="stable")]
            shown = [
                between_ends(self._ordered(label, values), PREVIEWS_EACH),
                between_ends(others, PREVIEWS_EACH),
            ]
        else:
            each = min(PREVIEWS_EACH, PREVIEWS // len(classes))
            shown = [between_ends(self._ordered(c, values), each) for c in classes]
        rows = np.unique(np.concatenate(shown))
        rows = rows[np.argsort(values[rows], kind="stable")]
        tensors, about = pack_previews(self._acts.samples, rows.tolist(), {})
        return pack(
            {
                **tensors,
                "face_value": values[rows].astype(np.float32),
                "face_label": self._class_of[rows],
            },
            about,
        )

    def dots(self, neuron: int, rows: Sequence[int]) -> list[list[float]]:
        """For each of `rows` that has a class: the neuron's activation, and the class."""
        known = np.array([row for row in rows if 0 <= row < len(self._class_of)], np.int64)
        known = known[self._class_of[known] >= 0]
        values = self._acts.rows(known)[:, neuron]
        dots: list[list[float]] = np.stack([values, self._class_of[known]], axis=1).tolist()
        return dots

    def _ordered(self, label: int, values: np.ndarray) -> np.ndarray:
        """The samples of a class in the order of their activation."""
        members = self._members[label]
        return members[np.argsort(values[members], kind="stable")]


def _bars(share: np.ndarray) -> np.ndarray:
    """Shares of the density as uint8: `40 log10(class / others) + 120`, rounded down."""
    with np.errstate(divide="ignore"):
        ratio = np.log10(share) - np.log10(np.maximum(0, 1 - share))
    return np.clip(np.floor(40 * ratio) + 120, 0, 255).astype(np.uint8)


def telling(found: Ranges, label: int | None = None) -> tuple[int, int]:
    """The neuron and label to begin with: where a label (this one) stands most apart.

    The label whose `tau = 2` range holds the fewest of the others, among each label's most
    salient tenth of the neurons.
    """
    best: tuple[float, int, int] = (np.inf, 0, 0)
    for c in np.flatnonzero(found.count > 1) if label is None else [label]:
        salient = np.argsort(-found.magnitude[c], kind="stable")[: max(1, found.neurons // 10)]
        name = found.label_names[c]
        low, high = found.intervals(name)[salient, 0].T
        others = found.others(name)[salient]
        centre = (found.edges[salient, 1:] + found.edges[salient, :-1]) / 2
        inside = (centre >= low[:, None]) & (centre <= high[:, None])
        share: Any = np.where(found.std[c, salient] > 0, (others * inside).sum(axis=1), np.inf)
        least = int(share.argmin())
        best = min(best, (float(share[least]), int(salient[least]), int(c)))
    return best[1], best[2]
