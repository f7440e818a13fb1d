"""What a lens shows of `K` vectors: the outputs that each raises most and lowers most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from neuronwidgets.core.modes import own_modes


@dataclass(frozen=True, eq=False)
class Lens:
    """The effects of `K` vectors on a model's outputs, through one lens.

    Effects are changes of logits by one unit of the vector, less their mean over the outputs; of
    the logit lens without the final norm's scale.

    Attributes:
        promoted, demoted: int64 `K x k`, the outputs with the largest and the smallest effects, the
            most extreme first.
        raised, lowered: float64 `K x k`, those effects.
        peak: float64 `K`, the larger of the strongest effects up and down, in standard deviations
            over the outputs.
        agreement: float64 `K`, the cosine of the effects from two halves of the samples; NaN where
            there are no halves.
        chance: float64 `R`, `peak` of random vectors of the same kind.
        chance_agreement: float64 `R`, `agreement` of these.
    """

    promoted: np.ndarray
    raised: np.ndarray
    demoted: np.ndarray
    lowered: np.ndarray
    peak: np.ndarray
    agreement: np.ndarray
    chance: np.ndarray
    chance_agreement: np.ndarray

    @property
    def strongest(self) -> np.ndarray:
        """The strongest effect of each vector, up or down: float64 `K`."""
        found: np.ndarray = np.maximum(self.raised[:, 0], -self.lowered[:, 0])
        return found

    @property
    def bound(self) -> float:
        """The strongest effect that 95% of the vectors do not exceed: of random ones a control."""
        return float(np.quantile(self.strongest, 0.95, method="higher"))


@own_modes()
def lens_of(
    parts: list[torch.Tensor],
    top: int,
    agreement: np.ndarray,
    random: torch.Tensor,
    random_agreement: np.ndarray,
) -> Lens:
    """The `Lens` of effects: `parts` are `n x V` each, `K` rows in all; `random` is `R x V`."""
    # Of few classes, none is on both sides.
    k = max(1, min(top, parts[0].shape[1] // 2))
    columns: list[list[np.ndarray]] = [[], [], [], [], []]
    for part in parts:
        up, down = part.topk(k), (-part).topk(k)
        for column, values in zip(
            columns, (up.indices, up.values, down.indices, -down.values, peaks(part)), strict=True
        ):
            column.append(values.cpu().numpy())
    promoted, raised, demoted, lowered, peak = (np.concatenate(column) for column in columns)
    return Lens(
        promoted, raised.astype(np.float64), demoted, lowered.astype(np.float64),
        peak.astype(np.float64), agreement, peaks(random).double().cpu().numpy(), random_agreement,
    )  # fmt: skip


def centred(effects: torch.Tensor) -> torch.Tensor:
    """Effects less their mean over the outputs: what raises all alike changes no probability."""
    return effects - effects.mean(-1, keepdim=True)


def peaks(effects: torch.Tensor) -> torch.Tensor:
    """The largest effect, in standard deviations over the outputs: `K`; 0 without effects."""
    if not len(effects):
        return effects.new_zeros(0)
    spread = effects.std(-1, correction=0)
    return effects.abs().amax(-1) / torch.where(spread > 0, spread, torch.ones_like(spread))


def cosines(first: torch.Tensor, second: torch.Tensor) -> np.ndarray:
    """The cosine of each two rows: float64 `K`, NaN for a zero row."""
    a, b = first.double(), second.double()
    norms = a.norm(dim=-1) * b.norm(dim=-1)
    missing = torch.full_like(norms, torch.nan)
    found = torch.where(norms > 0, (a * b).sum(-1) / norms.clamp(min=1e-300), missing)
    values: np.ndarray = found.cpu().numpy()
    return values


Read = Callable[[torch.Tensor], torch.Tensor]
"""From changes of the neurons, `K x D`, to changes of the logits, `K x V`."""
