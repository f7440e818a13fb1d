"""Metrics of probes on the test part, with intervals and what permuted labels give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuronwidgets.interventions.bootstrap import ends


@dataclass(frozen=True, eq=False)
class Measured:
    """Each metric of `K` probes on the test part, by its name.

    Attributes:
        value: float64 `K`.
        low, high: float64 `K`, a 95% bootstrap interval over test samples (over groups if given).
        null: float64 `P x K`, the same with permuted labels, all steps repeated.
        p: float64 `K`, the share of permutations that reach the value, itself counted:
            `(1 + reached) / (1 + P)`.
    """

    value: dict[str, np.ndarray]
    low: dict[str, np.ndarray]
    high: dict[str, np.ndarray]
    null: dict[str, np.ndarray]
    p: dict[str, np.ndarray]

    @classmethod
    def of(
        cls, draws: dict[str, np.ndarray], permuted: Sequence[dict[str, np.ndarray]]
    ) -> Measured:
        """From `N x K` values (the first row the samples themselves, then resamples), and one row
        for each permutation."""
        width = next(iter(draws.values())).shape[1]
        null = {
            name: np.array([each[name][0] for each in permuted]).reshape(-1, width)
            for name in draws
        }
        return cls.against(draws, null)

    @classmethod
    def against(cls, draws: dict[str, np.ndarray], null: dict[str, np.ndarray]) -> Measured:
        """From `N x K` values and the null, `P x K`."""
        value = {name: each[0] for name, each in draws.items()}
        intervals = {
            name: ends(each[1:] if len(each) > 1 else each) for name, each in draws.items()
        }
        p = {
            name: (1 + (null[name] >= each - 1e-12).sum(axis=0)) / (1 + len(null[name]))
            for name, each in value.items()
        }
        return cls(
            value, {name: low for name, (low, _) in intervals.items()},
            {name: high for name, (_, high) in intervals.items()}, null, p,
        )  # fmt: skip

    def columns(self) -> dict[str, Any]:
        """Columns of a table: each metric with `_low`, `_high`, `_null` (its mean) and `_p`."""
        table: dict[str, Any] = {}
        for name, value in self.value.items():
            null = self.null[name]
            empty = np.full(len(value), np.nan)
            table[name] = value
            table[f"{name}_low"], table[f"{name}_high"] = self.low[name], self.high[name]
            table[f"{name}_null"] = null.mean(axis=0) if len(null) else empty
            table[f"{name}_p"] = self.p[name]
        return table
