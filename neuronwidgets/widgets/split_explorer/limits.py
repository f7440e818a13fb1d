"""How much SplitExplorer works out without being asked."""

from __future__ import annotations

from dataclasses import dataclass

from neuronwidgets.concepts.suggest import MOST_DRAWN, MOST_SAMPLES, check_kinds


@dataclass(frozen=True)
class Limits:
    """The most top samples for which work is done without being asked.

    Attributes:
        pairs: for work on the distances of all pairs (compactness, stability).
        draws: for permutation nulls, which take the cube of their number.
    """

    pairs: int = MOST_SAMPLES
    draws: int = MOST_DRAWN

    def kinds(self, samples: int) -> list[str]:
        """The kinds of suggested cuts to look for among so many samples."""
        slow = {"compact", "stable"} if samples > self.pairs else set()
        slow |= {"chance"} if samples > self.draws else set()
        return [kind for kind in check_kinds(None, samples) if kind not in slow]


LIMITS = Limits()
