"""How far a neuron's tree agrees with the default one: state beside cause and effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neuronwidgets.concepts.split import Split, split
from neuronwidgets.widgets.base.jobs import Steps, later

DEFAULT = ("ward", "cosine")
"""Method and metric of the default split."""
DRAWS = 300
"""Permutations of the samples: enough for the bound of 95%, in a tenth of a second."""


class DefaultAgreement:
    """The adjusted Rand index between a split and the default split of the same samples."""

    def __init__(self, split: Split) -> None:
        self._split = split
        self._known: dict[str, Any] | None = None
        self._done = split.at_rest or (split.method, split.metric) == DEFAULT

    def lacks(self) -> bool:
        """Whether it is still to be computed."""
        return not self._done

    def steps(self, publish: Callable[[], None]) -> Steps:
        """Split the samples by default, and compare."""
        if self._done:
            return
        yield later
        from neuronwidgets.effects.compare_splits import compare_splits

        made = self._split
        target = made.direction if made.neuron is None else made.neuron
        method, metric = DEFAULT
        other = split(
            made.acts, target, len(made.index), method, metric, min_size=made.min_size,
            band=made.band, distinct=made.distinct,
        )  # fmt: skip
        yield later
        known: dict[str, Any] | None = None
        try:
            both = compare_splits(made, other, draws=DRAWS)
        except ValueError:
            # Too few samples in common, as in tiny splits: nothing can be said.
            both = None
        if both is not None:
            known = {
                "index": float(both.suggested[0, 1]), "chance": float(both.chance[0, 1, 0]),
                "clusters": both.clusters.tolist(), "samples": len(both.index),
            }  # fmt: skip

        # Kept when published: a job that was replaced publishes nothing.
        def show() -> None:
            self._known, self._done = known, True
            publish()

        yield show

    def pack(self) -> dict[str, Any]:
        """The metadata of the `evidence` message; empty where there is nothing to say."""
        return {} if self._known is None else {"agreement": self._known}
