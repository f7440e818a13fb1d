"""The linear maps between a layer's neurons and another tensor of the same pass."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, eq=False)
class Step:
    """One affine map of the axis of neurons. Its parts act in the order of the attributes.

    Attributes:
        repeat: the positions that are flattened behind each neuron. What is read at all of them is
            added up: a change is one at every position.
        centred: whether the mean over the neurons is subtracted (layer norm).
        scale: a number; or the numbers of one pass, 1 at the axis of neurons (a norm's inverse
            deviation, which the route holds fixed).
        matrix: `D x N`.
        gain: `N` factors.
        shift: `N` summands, or one.
        other: what the pass adds from elsewhere, with the neurons on the last axis: `... x N`.
        cap: whether a monotone function follows (a soft cap).
    """

    repeat: int = 1
    centred: bool = False
    scale: float | torch.Tensor = 1.0
    matrix: torch.Tensor | None = None
    gain: torch.Tensor | None = None
    shift: torch.Tensor | None = None
    other: torch.Tensor | None = None
    cap: bool = False

    @property
    def normalises(self) -> bool:
        """Whether the scale is that of one pass."""
        return isinstance(self.scale, torch.Tensor)

    def linear(self, rows: torch.Tensor) -> torch.Tensor:
        """What the step makes of changes `K x D`: `K x N`. The scales of a pass count 1."""
        rows = self._scaled(rows, self.scale if isinstance(self.scale, float) else 1.0)
        if self.matrix is not None:
            rows = rows @ self.matrix.to(rows)
        return rows if self.gain is None else rows * self.gain.to(rows)

    def affine(
        self, rows: torch.Tensor, position: int, length: int, constants: bool = True
    ) -> torch.Tensor:
        """The step at one position of the pass: `K x N` of `K x D`, `other` left out.

        Args:
            position, length: the position, and the number of positions of the pass.
            constants: whether `shift` and the cap count; else only the linear part.
        """
        scale = self.scale
        if isinstance(scale, torch.Tensor):
            scale = float(at_position(scale.reshape(-1, 1), position, length)[0])
        rows = self._scaled(rows, scale)
        if self.matrix is not None:
            rows = rows @ self.matrix.to(rows)
        if self.gain is not None:
            rows = rows * self.gain.to(rows)
        if constants and self.shift is not None:
            rows = rows + self.shift.to(rows)
        return rows.tanh() if constants and self.cap else rows

    def _scaled(self, rows: torch.Tensor, scale: float) -> torch.Tensor:
        if self.repeat > 1:
            rows = rows.repeat_interleave(self.repeat, dim=-1)
        if self.centred:
            rows = rows - rows.mean(-1, keepdim=True)
        return rows if scale == 1 else rows * scale


Path = tuple[Step, ...]


@dataclass(frozen=True, eq=False)
class Route:
    """How a tensor depends linearly on the layer's neurons: the sum of its paths.

    Attributes:
        axis: the axis of the neurons, or of what they have been mapped to.
        paths: each a sequence of steps from the layer's neurons.
        capped: whether a monotone function came last, after which no map may follow.
        pooled: whether positions were averaged or added up.
    """

    axis: int
    paths: tuple[Path, ...]
    capped: bool = False
    pooled: bool = False

    def linear(self, rows: torch.Tensor) -> torch.Tensor:
        """What becomes of changes `K x D` of the neurons: `K x N`, the scales of norms left out."""
        total = None
        for path in self.paths:
            part = rows
            for step in path:
                part = step.linear(part)
            total = part if total is None else total + part
        assert total is not None
        return total

    @property
    def norms(self) -> int:
        """The number of norms on the way, whose scale is held fixed."""
        return max(sum(step.normalises for step in path) for path in self.paths)


def at_position(rows: torch.Tensor, position: int, length: int) -> torch.Tensor:
    """The row of one position, of `length` rows or of a single one.

    Raises:
        ValueError: another number of rows.
    """
    if len(rows) == 1:
        return rows[0]
    if len(rows) != length:
        raise ValueError(
            f"the model has {len(rows)} positions on the way to its output and {length} in the "
            "layer: the effect at one position is not defined."
        )
    return rows[position]
