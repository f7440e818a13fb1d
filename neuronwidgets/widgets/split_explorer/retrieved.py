"""The samples that the clusters of a split retrieve, and those that random groups retrieve."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from neuronwidgets.activations.retrieval import Query, directions, normalized, retrieving
from neuronwidgets.concepts.control import (
    DRAWS,
    TRIED,
    draws_of,
    groups_with,
    labelled,
    own_shares,
    several_of_a_source,
    shares_outside,
)
from neuronwidgets.concepts.naming.majority import agreed_label
from neuronwidgets.concepts.split import Split
from neuronwidgets.core.steps import mapped
from neuronwidgets.widgets.base.jobs import JobProgress, Steps, later, pause
from neuronwidgets.widgets.base.pace import PACE, Pace

READINGS = ("cosine", "dot")
"""How samples are retrieved. Both are sent, so that a view can switch without the kernel."""
WIDTH = 20
"""Samples retrieved for each cluster; the view shows the first of them."""
SIZES = 6
"""Group sizes for which chance is measured; a concept's own size is between two of them."""
LIKELY = 0.95
"""The quantile of random groups that is shown beside their mean."""


@dataclass(frozen=True, eq=False)
class Retrieved:
    """The samples that one cluster retrieves by each of `R` readings.

    Attributes:
        rows: int64 `R x WIDTH`, of the activations, best first.
        precision: float64 `R`, of as many labelled samples outside of the cluster as are `counted`,
            the share with its label; NaN where it has none, and where none are counted.
        counted: at most `WIDTH` (see `shares_outside`).
        percentile: `R`, the median over these of the share of all samples that activate the neuron
            no more than they do, 0 to 100.
        cosine: of the concept vector with the neuron's axis.
    """

    rows: np.ndarray
    precision: np.ndarray
    counted: int
    percentile: np.ndarray
    cosine: float


class Retrieval:
    """Retrieves samples for groups of a split's top samples."""

    def __init__(self, split: Split, pace: Pace = PACE) -> None:
        self.split, self._pace = split, pace
        self._chance: dict[str, np.ndarray] = {}

    @cached_property
    def _ascending(self) -> np.ndarray:
        return np.sort(self.along)

    @cached_property
    def along(self) -> np.ndarray:
        """The neuron's activation on each sample: `S`."""
        split = self.split
        along: np.ndarray = split.acts.along(
            split.direction if split.neuron is None else split.neuron
        )
        return along

    @cached_property
    def mean(self) -> np.ndarray:
        """The layer's mean: `D`."""
        mean: np.ndarray = self.split.acts.mean
        return mean

    @cached_property
    def _source(self) -> np.ndarray | None:
        return several_of_a_source(self.split.acts)

    @cached_property
    def _labelled(self) -> np.ndarray | None:
        return labelled(self.split.acts)

    def of(self, groups: Sequence[np.ndarray]) -> Generator[Any, None, list[Retrieved]]:
        """Steps that return what each of `K` groups (indices of top samples) retrieves."""
        split = self.split
        parts = [split.vectors[group] for group in groups]
        members = [split.index[group] for group in groups]
        rows, outside = yield from self._search(parts, members)
        means = [part.mean(axis=0, dtype=np.float64) for part in parts]
        cosines = np.clip(normalized(np.stack(means)) @ split.direction, -1, 1) if parts else []
        every = np.stack(rows, axis=1)
        below = np.searchsorted(self._ascending, self.along[every], side="right")
        percentiles = 100 * np.median(below, axis=2) / len(split.acts)
        precision = np.full((len(groups), len(READINGS)), np.nan)
        counted = np.zeros(len(groups), np.int64)
        if split.acts.labels is not None and split.labels is not None:
            labels = [agreed_label(split.labels[group]) for group in groups]
            for reading, some in enumerate(outside):
                precision[:, reading], counted = own_shares(
                    split.acts.labels, some, members, labels, self._source
                )
        columns = every, precision, counted.tolist(), percentiles, map(float, cosines)
        return [Retrieved(*some) for some in zip(*columns, strict=True)]

    def _search(
        self, parts: Sequence[np.ndarray], members: Sequence[np.ndarray], within: bool = True
    ) -> Generator[Any, None, tuple[list[np.ndarray], list[np.ndarray]]]:
        """Steps that return for each reading the rows that groups of vectors retrieve, and those
        outside of themselves; without labels these are the same.

        `within=False` leaves out the former.
        """
        acts, mean, queries = self.split.acts, self.mean, []
        for by in READINGS:
            vectors = np.zeros((len(parts), acts.shape[1]), np.float32)
            for vector, part in zip(vectors, parts, strict=True):
                vector[:] = directions([part], mean, by)[0]
                yield pause
            if within:
                queries.append(Query(vectors, by))
            if acts.labels is not None:
                queries.append(Query(vectors, by, members, self._source, self._labelled))
        steps, began = retrieving(acts, queries, mean, k=WIDTH), time.perf_counter()

        def said(share: float) -> Any:
            long = time.perf_counter() - began > self._pace.silent
            return JobProgress(share, f"comparing {len(acts):,} samples") if long else pause

        retrieved = [rows for rows, _ in (yield from mapped(steps, said))]
        own = [rows for rows, q in zip(retrieved, queries, strict=True) if q.leave_out is None]
        outside = [
            rows for rows, q in zip(retrieved, queries, strict=True) if q.leave_out is not None
        ]
        return own, outside

    # Chance

    def lacks_chance(self) -> bool:
        """Whether chance is still to be measured. Without labels it cannot be."""
        return self.split.acts.labels is not None and not self._chance

    def chance_steps(self, publish: Callable[[], None]) -> Steps:
        """Measure what random groups of the top samples retrieve."""
        if not self.lacks_chance():
            return
        yield later
        split, sizes, labels = self.split, self._sizes, self._labels.tolist()
        shares = np.zeros((2, len(READINGS), len(sizes), len(labels)), np.float32)
        if len(labels):
            assert split.acts.labels is not None
            assert split.labels is not None
            # Labels that few groups have share their groups.
            drawn: dict[bytes, np.ndarray] = {}
            groups_of = {}
            for i, size in enumerate(sizes.tolist()):
                tried = draws_of(len(split.index), size, TRIED * DRAWS)
                yield pause
                for j, label in enumerate(labels):
                    chosen = groups_with(tried, split.labels, label)
                    drawn.update({group.tobytes(): group for group in chosen})
                    groups_of[i, j] = [group.tobytes() for group in chosen]
            members = [split.index[part] for part in drawn.values()]
            _, outside = yield from self._search(
                [split.vectors[part] for part in drawn.values()], members, within=False
            )
            place = {group: i for i, group in enumerate(drawn)}
            for reading, rows in enumerate(outside):
                found = shares_outside(split.acts.labels, rows, members, labels, self._source)[0]
                for (i, j), groups in groups_of.items():
                    known = found[[place[group] for group in groups], j]
                    # Of groups that hold all samples of a label there is no share.
                    known = known[~np.isnan(known)]
                    shares[:, reading, i, j] = (
                        (known.mean(), np.quantile(known, LIKELY)) if len(known) else np.nan
                    )

        # Kept when published: a job that was replaced publishes nothing.
        def show() -> None:
            self._chance = {
                "chance_size": sizes.astype(np.int32),
                "chance_label": np.array(labels, np.int32),
                "chance": shares[0],
                "chance_high": shares[1],
            }
            publish()

        yield show

    @cached_property
    def _sizes(self) -> np.ndarray:
        n = len(self.split.index)
        least = min(self.split.min_size, n)
        return np.unique(np.geomspace(least, n, SIZES).round().astype(np.int64))

    @cached_property
    def _labels(self) -> np.ndarray:
        """The labels that a concept of these samples can be named by."""
        assert self.split.labels is not None
        labels, counts = np.unique(self.split.labels, return_counts=True)
        # More than half of a concept's samples agree on its label.
        return labels[(labels >= 0) & (2 * counts > self.split.min_size)]

    # Messages to the views

    def pack(self, retrieved: Sequence[Retrieved]) -> dict[str, np.ndarray]:
        """The arrays of the `evidence` and the `refinement` message."""
        acts = self.split.acts
        width = min(WIDTH, len(acts))
        rows = np.zeros((len(READINGS), len(retrieved), width), np.int32)
        percentile, precision = np.zeros((2, len(READINGS), len(retrieved)), np.float32)
        for k, one in enumerate(retrieved):
            rows[:, k], percentile[:, k] = one.rows, one.percentile
            precision[:, k] = one.precision
        label = np.full(rows.shape, -1) if acts.labels is None else acts.labels[rows]
        return {
            "retrieved": rows,
            "retrieved_label": label.astype(np.int32),
            "retrieved_activation": self.along[rows].astype(np.float32),
            "precision": precision,
            "precision_of": np.array([one.counted for one in retrieved], np.int32),
            "percentile": percentile,
            "cosine": np.array([one.cosine for one in retrieved], np.float32),
        }

    def pack_chance(self) -> dict[str, np.ndarray]:
        """The arrays of the `evidence` message about chance; empty until it is measured."""
        return self._chance


def shown(retrieved: Iterable[Retrieved], most: int) -> set[int]:
    """The retrieved rows that views show: the first `most` of each cluster and reading."""
    return {row for one in retrieved for rows in one.rows for row in rows[:most].tolist()}
