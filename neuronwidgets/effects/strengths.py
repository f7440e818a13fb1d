"""The strengths at which edits cost what others cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuronwidgets.effects.edits import Scaled
from neuronwidgets.effects.passes import Answers, Passes
from neuronwidgets.interventions.intervention import Intervention

LARGEST = 1000.0
"""Strengths beyond this are not tried: the edit has no effect on the model."""
TOLERANCE = 0.1
"""Relative difference from the wanted cost at which the search for a strength ends."""
STEPS = 24
"""Passes of one search, at most. Three are usual."""
QUADRATIC = 2.0
"""The power of the strength with which a divergence grows near 0."""
STEEPEST = 4.0
"""Powers above this, as of edits that make a few answers turn at once, do not carry over."""


class StrengthSearch:
    """An edit at the strengths at which it costs what others cost; keeps what it has run."""

    def __init__(self, passes: Passes, edits: Sequence[Intervention]) -> None:
        self._passes, self._edits = passes, tuple(edits)
        self._known: dict[float, Answers] = {}

    def at(self, strength: float) -> Answers:
        """The answers under the edits, each at `strength`."""
        if strength not in self._known:
            self._known[strength] = self._passes.under(
                [Scaled(edit, strength) for edit in self._edits]
            )
        return self._known[strength]

    def costing(
        self, kl: float, samples: np.ndarray, start: float = 1.0, power: float = QUADRATIC
    ) -> tuple[float, Answers]:
        """The strength at which the mean KL over `samples` (bool `S`) is `kl`, within 10%, and the
        answers there; the largest strength tried where none costs so much.

        Near 0 the divergence is proportional to the square of the strength. The second step takes
        its strength from that law; the others take theirs from the line between the nearest two in
        log-log scale.

        Args:
            start: the first strength, where the search has run none yet.
            power: of the law that gives the second strength. Where a similar edit's divergence
                grew faster near `kl`, since some samples' answers turned, that growth is nearer
                than the square.
        """

        def cost(strength: float) -> float:
            return max(float(self.at(strength).kl[samples].mean(dtype=np.float64)), 1e-30)

        tried = {strength: cost(strength) for strength in self._known or [start]}
        for _ in range(STEPS):
            strength = min(tried, key=lambda s: abs(np.log(tried[s] / kl)))
            if abs(tried[strength] / kl - 1) <= TOLERANCE:
                break
            following = _next(tried, kl, power)
            if following is None:
                break
            tried[following] = cost(following)
            strength = following
        strength = min(tried, key=lambda s: abs(np.log(tried[s] / kl)))
        return strength, self.at(strength)

    def power(self, kl: float, samples: np.ndarray) -> float:
        """The power with which the mean KL over `samples` grows between the two strengths that were
        run nearest to `kl`; 2 where fewer than two were."""
        costs = {s: float(known.kl[samples].mean()) for s, known in self._known.items()}
        near = sorted((s for s in costs if costs[s] > 0), key=lambda s: abs(np.log(costs[s] / kl)))[
            :2
        ]
        if len(near) < 2:
            return QUADRATIC
        one, other = near
        slope = np.log(costs[one] / costs[other]) / np.log(one / other)
        return float(np.clip(slope, QUADRATIC, STEEPEST))


def _next(tried: dict[float, float], kl: float, power: float) -> float | None:
    """The next strength; `None` where the search ends."""
    order = sorted(tried)
    below = [s for s in order if tried[s] < kl]
    above = [s for s in order if tried[s] >= kl]
    if above and below and below[0] < above[0]:
        high = above[0]
        low = max(s for s in below if s < high)
        if high / low < 1 + 1e-4:
            return None
        share = np.log(kl / tried[low]) / np.log(tried[high] / tried[low])
        # Ends that hardly move would stall the search: keep away from both.
        return float(low * (high / low) ** np.clip(share, 0.05, 0.95))
    near, far = (order[0], order[1:2]) if above else (order[-1], order[-2:-1])
    if not above and near >= LARGEST:
        return None
    if far:
        power = float(np.log(tried[near] / tried[far[0]]) / np.log(near / far[0]))
    step = (kl / tried[near]) ** (1 / max(power, 0.5))
    bounds = (0.001, 0.95) if above else (1.05, 50.0)
    return float(min(LARGEST, near * np.clip(step, *bounds)))
