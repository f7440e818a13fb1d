"""The messages `_picture` and `_checkpoints` of ToyLab."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from neuronwidgets.display.palette import COLORS
from neuronwidgets.toy import Config, Log, Run
from neuronwidgets.toy import measures as m
from neuronwidgets.widgets.protocol.buffers import pack

NAMES = "AB"
"""The names of the runs."""
COLOR_OF = (COLORS[0], COLORS[6])
LEVELS = 127
"""Responses are sent as int8, in steps of `peak / LEVELS`."""


@dataclass(frozen=True, eq=False)
class Still:
    """The neurons of one run at one step.

    Attributes:
        step: steps done.
        A: float32 `k x N`, responses.
        bias: float32 `k`.
        loss: mean training loss, as a share of the best linear map's; NaN if not known.
    """

    step: int
    A: np.ndarray
    bias: np.ndarray
    loss: float

    @cached_property
    def monosemantic(self) -> np.ndarray:
        return m.monosemantic(self.A)

    @cached_property
    def tensors(self) -> dict[str, np.ndarray]:
        """In the order of the paper's heatmaps: `A` in steps of `peak / 127`."""
        neurons, features = m.order(self.A)
        laid = np.nan_to_num(self.A[np.ix_(neurons, features)], posinf=self.peak, neginf=-self.peak)
        levels = np.rint(laid * (LEVELS / np.float64(self.peak or 1)))
        share = np.where(m.dead(self.A), 0.0, m.share(self.A))
        return {
            "A": np.clip(levels, -LEVELS, LEVELS).astype(np.int8),
            "neurons": neurons.astype(np.int32),
            "features": features.astype(np.int32),
            "bias": np.nan_to_num(self.bias).astype(np.float32),
            "share": share.astype(np.float32),
        }  # fmt: skip

    @cached_property
    def peak(self) -> float:
        """The largest absolute value of a finite response; 0 if there is none."""
        size = np.abs(self.A[np.isfinite(self.A)])
        return float(size.max()) if len(size) else 0.0

    @property
    def meta(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "peak": self.peak,
            "monosemantic": int(self.monosemantic.sum()),
            "chance": m.monosemantic_by_chance(self.A),
            "faint": int((self.monosemantic & m.faint(self.A)).sum()),
            "covered": int(m.covered(self.A).sum()),
            "diverged": not bool(np.isfinite(self.A).all() and np.isfinite(self.bias).all()),
            "dead": int(m.dead(self.A).sum()),
            "meanBias": number(self.bias.mean(dtype=np.float64)),
            "loss": number(self.loss),
        }


@dataclass(frozen=True, eq=False)
class Now:
    """One run while it trains."""

    config: Config
    preset: str
    still: Still
    log: Log
    relative: Callable[[Any], Any]
    speed: float
    left: float | None


def pack_picture(runs: Sequence[Now], kept: bool = False) -> bytes:
    """The `_picture` message.

    If `kept`, each run's model is the last still of `_checkpoints` and is left out here.
    """
    tensors: dict[str, np.ndarray] = {}
    about = []
    for r, run in enumerate(runs):
        parts = {
            **({} if kept else run.still.tensors),
            "log_step": run.log.step.astype(np.int32),
            "log_loss": run.relative(run.log.loss),
            "log_mono": run.log.monosemantic.astype(np.int32),
            "log_bias": run.log.mean_bias,
        }
        tensors |= {f"{name}{r}": part for name, part in parts.items()}
        about.append(
            {
                "name": NAMES[r],
                "color": COLOR_OF[r],
                "title": run.preset,
                "features": run.config.features,
                "neurons": run.config.neurons,
                "steps": run.config.steps,
                "speed": run.speed,
                "left": run.left,
                "done": run.still.step == run.config.steps,
                "kept": kept,
                **run.still.meta,
            }
        )
    return pack(tensors, {"runs": about})


def pack_checkpoints(runs: Sequence[Run], most: int) -> bytes:
    """The `_checkpoints` message: all checkpoints of all runs, or the latest of `most` cells."""
    each = most // len(runs)
    tensors: dict[str, np.ndarray] = {}
    about = []
    for r, run in enumerate(runs):
        fits = max(1, each // (run.config.neurons * run.config.features))
        stills = stills_of(run, fits)
        for name in stills[0].tensors:
            tensors[f"{name}{r}"] = np.stack([still.tensors[name] for still in stills])
        about.append({"stills": [still.meta for still in stills]})
    return pack(tensors, {"runs": about})


def stills_of(run: Run, most: int) -> list[Still]:
    """The last `most` checkpoints of a run."""
    loss = dict(zip(run.log.step.tolist(), run.log.loss.tolist(), strict=True))
    stills = []
    count = len(run.checkpoints)
    for i in range(max(0, count - most), count):
        still_run, step = run.at(i), int(run.checkpoints[i])
        known = np.array(loss.get(step, np.nan))
        stills.append(Still(step, still_run.A, still_run.biases, float(run.relative(known))))
    return stills


def number(value: Any) -> float | None:
    """A number that JSON can carry: `None` if it is not finite."""
    return float(value) if math.isfinite(value) else None
