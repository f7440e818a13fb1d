"""One neuron's classes as RangeExplorer's views get them: the `_picture` message."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuronwidgets.activations import Activations
from neuronwidgets.modes import own_modes
from neuronwidgets.ranges import Ranges
from neuronwidgets.ranges.rules import SCORES
from neuronwidgets.widgets._faces import pack_faces
from neuronwidgets.widgets._protocol import pack

MOST_VALUES = 20_000
"""Of a class with more samples, so many evenly spread ones stand for all."""
ALONE = "It has a single sample, so it has no range: two are needed."
FACES = 240
FACES_EACH = 24


class Pictures:
    """Makes the picture of any neuron."""

    def __init__(
        self, acts: Activations, found: Ranges, colors: tuple[str, ...], what: str
    ) -> None:
        assert acts.labels is not None
        self._acts, self._colors, self._what = acts, colors, what
        self._ranges = found
        codes = [c for c in range(len(acts.label_names)) if (acts.labels == c).any()]
        self._members = [np.flatnonzero(acts.labels == c) for c in codes]
        self._titles = [acts.label_titles[c] for c in codes]

    @own_modes()
    def pack(self, neuron: int) -> bytes:
        """The `_picture` message."""
        acts, found = self._acts, self._ranges.of_neuron(neuron)
        values = acts.values[:, neuron]
        rows = [members[np.argsort(values[members], kind="stable")] for members in self._members]
        kept = [_spread(ordered, MOST_VALUES) for ordered in rows]
        shown = min(FACES_EACH, max(1, FACES // len(rows)))
        faces = np.unique(np.concatenate([_spread(ordered, shown) for ordered in rows]))
        faces = faces[np.argsort(values[faces], kind="stable")]
        assert acts.labels is not None
        class_of = np.full(len(acts), -1, np.int32)
        for c, members in enumerate(self._members):
            class_of[members] = c
        tensors, about = pack_faces(acts.samples, faces.tolist(), {})
        magnitude = self._ranges.magnitude
        rank = 1 + (magnitude > magnitude[:, neuron : neuron + 1]).sum(axis=1)
        why = ["" if len(members) > 1 else ALONE for members in self._members]
        return pack(
            {
                "activation": np.concatenate([values[k] for k in kept]).astype(np.float32),
                "start": np.cumsum([0] + [len(k) for k in kept]).astype(np.int32),
                "mean": found.mean[:, 0],
                "std": found.std[:, 0],
                "quantile": found.quantiles[:, 0],
                "edges": found.edges[0],
                "density": found.densities[:, 0],
                "least": found.least,
                "overlap": found.overlap(0).astype(np.float32),
                "rank": rank.astype(np.int32),
                **tensors,
                "face_value": values[faces].astype(np.float32),
                "face_label": class_of[faces],
            },
            {
                "layer": acts.layer,
                "name": f"neuron {neuron}",
                "neurons": acts.shape[1],
                "samples": sum(map(len, self._members)),
                "labels": self._titles,
                "count": [len(members) for members in self._members],
                "colors": list(self._colors),
                "scores": SCORES.tolist(),
                "why": why,
                "what": self._what,
                "unit": acts.unit,
                **about,
            },
        )


def _spread(ordered: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of them, evenly spread, both ends included."""
    if len(ordered) <= most:
        return ordered
    return ordered[np.linspace(0, len(ordered) - 1, most).round().astype(np.int64)]


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
