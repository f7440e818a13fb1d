"""The exact interval of a share of right answers."""

from __future__ import annotations

from neuronwidgets.core.checks import integer, number

LEVEL = 0.95
"""The default level of intervals."""


def exact_interval(right: int, count: int, level: float = LEVEL) -> tuple[float, float]:
    """The interval of Clopper & Pearson 1934 of a binomial probability: `(low, high)`, 0 to 1.

    It covers the true probability in at least `level` of all experiments. `low` is the probability
    at which `right` or more are right in `(1 - level) / 2` of all experiments, `high` that at which
    `right` or fewer are. Without an answer it is 0 to 1.

    Args:
        right: right answers.
        count: all answers.
        level: between 0 and 1.

    Raises:
        ValueError: `right` is larger than `count`.
    """
    from scipy.special import betaincinv

    count = integer("count", count, 0)
    right = integer("right", right, 0)
    tail = (1 - number("level", level, above=0, below=1)) / 2
    if right > count:
        raise ValueError(f"right must be at most count, {count}, got {right}.")
    low = 0.0 if right == 0 else float(betaincinv(right, count - right + 1, tail))
    high = 1.0 if right == count else float(betaincinv(right + 1, count - right, 1 - tail))
    return low, high
