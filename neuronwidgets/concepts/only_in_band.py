"""Concepts of a band of activations that the neuron's top samples do not show."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuronwidgets.activations.retrieval import directions
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.control import draws_of
from neuronwidgets.concepts.defaults import default_min_size
from neuronwidgets.concepts.methods.method import TopSamples
from neuronwidgets.concepts.methods.registry import clustered, ready
from neuronwidgets.concepts.split import Split, split
from neuronwidgets.core.checks import integer
from neuronwidgets.core.modes import own_modes
from neuronwidgets.display.html import table

COSINE = 0.5
"""A concept whose cosine with every top concept is smaller is in the band only."""
DRAWS = 100
"""Random groups for each concept."""
FEWEST_HALF = 4
"""Top samples of which a half is clustered, at least."""


@dataclass(frozen=True, repr=False, eq=False)
class BandOnly:
    """Which of `K` concepts of a band are no concept of the neuron's top samples.

    Attributes:
        concepts: the band's concepts.
        top: the concepts of the top samples.
        cosine: float64 `K`, the largest cosine of a concept with a top concept, both as
            differences from the layer's mean; -1 without top concepts.
        nearest: int64 `K`, that top concept; -1 without any.
        only: bool `K`, whether the cosine is below `limit`.
        chance: float64 `K`, the share of random groups of as many of the band's samples that would
            be marked, too. Near 1, the mark says that the whole band differs from the top, not
            this concept.
        missed: the share of concepts of one half of the top samples that would be marked beside the
            other half: what sampling alone marks. NaN for fewer than eight top samples, and for
            methods that run a model.
        limit: the cosine below which a concept is marked.
    """

    concepts: Concepts
    top: Concepts
    cosine: np.ndarray
    nearest: np.ndarray
    only: np.ndarray
    chance: np.ndarray
    missed: float
    limit: float

    def to_frame(self) -> Any:
        """A `pandas.DataFrame` with a row per concept: `concept`, `name`, `from` and `to` (its
        place on the neuron's axis, see `Concepts.quantiles`), `nearest` (the top concept's name),
        `cosine`, `only`, `chance`."""
        import pandas as pd

        ends = self.concepts.quantiles
        columns = {
            "concept": np.arange(len(self.concepts)), "name": list(self.concepts.names),
            "from": ends[:, 0], "to": ends[:, 1], "nearest": self._nearest_names(),
            "cosine": self.cosine, "only": self.only, "chance": self.chance,
        }  # fmt: skip
        return pd.DataFrame(columns)

    def _nearest_names(self) -> list[str]:
        return [self.top.names[k] if k >= 0 else "" for k in self.nearest.tolist()]

    def __repr__(self) -> str:
        missed = "" if np.isnan(self.missed) else f"; sampling alone marks {self.missed:.0%}"
        return (
            f"BandOnly({int(self.only.sum())} of {len(self.only)} concepts are in the band only "
            f"(cosine below {self.limit:g} with all {len(self.top)} top concepts){missed})"
        )

    def _repr_html_(self) -> str:
        rows = [
            (html.escape(name), f"{low:.2f} to {high:.2f}", html.escape(near), f"{cosine:.2f}",
             "band only" if only else "", f"{chance:.2f}")
            for name, (low, high), near, cosine, only, chance in zip(
                self.concepts.names, self.concepts.quantiles, self._nearest_names(), self.cosine,
                self.only, self.chance, strict=True,
            )
        ]  # fmt: skip
        head = ("concept", "quantiles", "nearest at the top", "cosine", "", "chance")
        return f"<p>{html.escape(repr(self))}</p>{table(head, rows, {0, 2, 4})}"


@own_modes()
def band_only(
    concepts: Concepts,
    top: Concepts | None = None,
    *,
    cosine: float = COSINE,
    draws: int = DRAWS,
    seed: int = 0,
) -> BandOnly:
    """Find the concepts of a band that the neuron's top samples do not show.

    O'Mahony et al. (2024, arXiv 2411.10019) find confounders in the middle of a neuron's range.
    Here a concept is in the band only if its cosine with each concept of the top samples is below
    `cosine`. The vectors are `Concepts.differences`: from the layer's mean to a concept's median
    sample.

    Args:
        concepts: a cut of `nw.split(acts, neuron, band=...)`.
        top: a cut of the same neuron's top samples. Not given: the suggested cut of
            `nw.split(acts, neuron)`, by the method and settings of `concepts`.
        cosine: see above.
        draws: random groups for each concept.
        seed: of the groups.

    Raises:
        ValueError: concepts of another layer or neuron, of the top, or loaded from disk.
        TypeError: no `Concepts`.
    """
    draws, seed = integer("draws", draws, 1), integer("seed", seed, 0)
    if not -1 <= cosine <= 1:
        raise ValueError(f"cosine must be from -1 to 1, got {cosine!r:.40}.")
    for name, given in (("concepts", concepts), ("top", top)):
        if not isinstance(given, Concepts) and (name == "concepts" or given is not None):
            raise TypeError(f"{name} must be Concepts, got a {type(given).__name__}.")
    band = concepts.require_split("band_only")
    if band.band is None:
        raise ValueError(
            "concepts must be of a band, got those of the top samples: split with band=(0.5, 0.9)."
        )
    if top is None:
        target = band.direction if band.neuron is None else band.neuron
        top = split(band.acts, target, method=band.method, **band.settings).cut()
    whole = top.require_split("band_only")
    same = whole.layer == band.layer and whole.direction.shape == band.direction.shape
    if not same or not np.allclose(whole.direction, band.direction):
        raise ValueError(
            f"top must be of {band.name} of layer {band.layer!r}, as concepts is: got {whole.name} "
            f"of layer {whole.layer!r}."
        )
    mean = band.mean
    best, nearest = _nearest(concepts.differences, top.differences)
    chance = np.empty(len(concepts))
    for k, size in enumerate(concepts.sizes.tolist()):
        groups = [band.vectors[drawn] for drawn in draws_of(len(band.index), size, draws, seed)]
        at_random, _ = _nearest(directions(groups, mean, "cosine"), top.differences)
        chance[k] = (at_random < cosine).mean()
    return BandOnly(
        concepts, top, best, nearest, best < cosine, chance, _missed(whole, cosine), cosine
    )


def _nearest(vectors: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest cosine of each of `K` unit vectors with any of others, and which: `K` each."""
    if not len(others) or not len(vectors):
        return np.full(len(vectors), -1.0), np.full(len(vectors), -1)
    cosines = np.clip(vectors.astype(np.float64) @ others.T.astype(np.float64), -1, 1)
    return cosines.max(axis=1), cosines.argmax(axis=1)


def _missed(whole: Split, limit: float) -> float:
    """The share of concepts of every other top sample that are no concept of the rest."""
    if len(whole.index) < 2 * FEWEST_HALF or not ready(whole.method):
        return float("nan")
    halves = (_half(whole, np.arange(start, len(whole.index), 2)) for start in (0, 1))
    first, second = (half.cut().differences for half in halves)
    best = np.concatenate([_nearest(first, second)[0], _nearest(second, first)[0]])
    return float((best < limit).mean()) if len(best) else float("nan")


def _half(whole: Split, rows: np.ndarray) -> Split:
    """The split of some of the top samples."""
    given = whole.top_samples
    part = TopSamples(
        given.acts, given.neuron, given.direction, given.index[rows], given.activations[rows],
        given.vectors[rows],
    )  # fmt: skip
    clustering = clustered(part, whole.method, whole.settings)
    return Split(part, clustering, whole.method, whole.settings, default_min_size(len(rows)))
