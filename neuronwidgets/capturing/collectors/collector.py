"""A batch's rows, and what every collector of them can do."""

from __future__ import annotations

import copy
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from neuronwidgets.models.fingerprint import Mark

if TYPE_CHECKING:
    from typing_extensions import Self

POSITIONS = 1 << 24
EMPTY = (1 << 63) - 1
"""The place of no row: after every other."""


@dataclass(frozen=True, eq=False)
class Chunk:
    """`N` rows of a layer of `D` neurons: one batch, without its padding.

    Attributes:
        rows: `N x D` on the model's device; floats of any width, kept as float32.
        sample: int64 `N`, each row's text or image, counted over the whole data from 0.
        position: int64 `N`, its token or map position from 0 (less than 2^24); `None` where a row
            is a whole sample. `(sample, position)` comes once in the data.
        label: int64 `N`, codes from 0, -1 for unlabelled; or `None`.

    Raises:
        ValueError: rows that are not a matrix of floats, or columns of another length.
    """

    rows: torch.Tensor
    sample: torch.Tensor
    position: torch.Tensor | None = None
    label: torch.Tensor | None = None

    def __post_init__(self) -> None:
        if self.rows.ndim != 2 or not self.rows.is_floating_point():
            raise ValueError(
                f"rows is {self.rows.dtype} of shape {tuple(self.rows.shape)}: floats, rows x "
                "neurons, are needed."
            )
        object.__setattr__(self, "rows", self.rows.detach().float())
        for name in ("sample", "position", "label"):
            column = getattr(self, name)
            if column is None and name != "sample":
                continue
            if column.shape != (len(self),) or column.is_floating_point():
                raise ValueError(
                    f"{name} is {column.dtype} of shape {tuple(column.shape)}: one whole number "
                    f"for each of the {len(self)} rows is needed."
                )
            object.__setattr__(self, name, column.to(self.rows.device, torch.int64))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def place(self) -> torch.Tensor:
        """Sample and position as one number that sorts by sample, then position: int64 `N`."""
        start = self.sample * POSITIONS
        return start if self.position is None else start + self.position

    def to(self, device: torch.device | str) -> Chunk:
        """The same rows on another device."""
        return self._each(lambda column: column.to(device))

    def parts(self, values: int = 1 << 22) -> Iterator[Chunk]:
        """The chunk in pieces of about so many values, so that scratch space stays small; nothing
        for an empty chunk."""
        step = max(1, values // max(1, self.rows.shape[1]))
        for start in range(0, len(self), step):
            yield self._each(operator.itemgetter(slice(start, start + step)))

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Chunk:
        position = None if self.position is None else change(self.position)
        label = None if self.label is None else change(self.label)
        return Chunk(change(self.rows), change(self.sample), position, label)


class Collector(ABC):
    """What to keep of a layer's rows. It sees each row once and never more than one batch at once.

    A collector of your own has three methods. State that starts as a plain 0 needs no setting up,
    and tensors that are attributes follow to another process (pickled on the CPU; `to` moves them):

        class Active(Collector):
            above, seen = 0, 0

            def add(self, chunk):
                self.above = self.above + (chunk.rows > 1).sum(0)
                self.seen += len(chunk)

            def merge(self, other):
                self.above, self.seen = self.above + other.above, self.seen + other.seen

            def result(self):
                return (self.above.cpu() / self.seen).numpy()

    One collector collects one layer. Chunks come in any order and of any size, some of them empty.
    """

    neurons: int | None = None
    """`D`, once a chunk has been seen."""
    positioned: bool = False
    """Whether rows have positions in their sample."""
    _settings: ClassVar[tuple[str, ...]] = ()
    """The attributes in which two collectors must agree to merge."""

    @abstractmethod
    def add(self, chunk: Chunk) -> None:
        """Take in one batch. Its rows may change afterwards: copy what is kept."""

    @abstractmethod
    def merge(self, other: Self) -> None:
        """Take in what `other` saw (other rows of the same layer). `other` stays as it is."""

    @abstractmethod
    def result(self) -> Any:
        """What was found so far, as NumPy arrays. More rows may follow."""

    def described(self) -> str:
        """What was asked for: its kind and settings; a mark of those that are not plain."""
        plain = (bool, int, float, str)
        given = {n: v for n, v in vars(self).items() if n[0] != "_" and isinstance(v, plain)}
        said = [f"{n}={v!r}" for n, v in given.items()]
        if others := {n: v for n, v in vars(self).items() if n not in given and v is not None}:
            said.append(f"others={Mark().add(others).hex()[:8]}")
        return f"{type(self).__qualname__}({', '.join(said)})"

    def to(self, device: torch.device | str) -> None:
        """Move the state, and make it writable if it is from `torch.inference_mode`."""
        for name, value in vars(self).items():
            if isinstance(value, torch.Tensor):
                value = value.to(device)
                locked = value.is_inference() and not torch.is_inference_mode_enabled()
                setattr(self, name, value.clone() if locked else value)

    def __getstate__(self) -> dict[str, Any]:
        state = vars(self).items()
        return {n: v.cpu() if isinstance(v, torch.Tensor) else v for n, v in state}

    def _start(self, neurons: int, device: torch.device) -> None:  # noqa: B027
        """Make the state for a layer, when its first chunk comes."""

    def _admit(self, chunk: Chunk) -> Chunk:
        """`chunk` where the state is, refused if it is of another layer than those before."""
        # Apple's GPUs have no float64.
        chunk = chunk.to("cpu") if chunk.rows.device.type == "mps" else chunk
        neurons, positioned = chunk.rows.shape[1], chunk.position is not None
        if self.neurons is None:
            self.neurons, self.positioned = neurons, positioned
            self._start(neurons, chunk.rows.device)
        self._require(neurons, positioned, "this chunk")
        self.to(chunk.rows.device)
        return chunk

    def _peer(self, other: Self) -> Self | None:
        """`other` where the state is, or `None` if nothing is left to merge."""
        if type(other) is not type(self):
            mine, its = type(self).__name__, type(other).__name__
            raise TypeError(f"{its} does not merge into {mine}: both must be of one kind.")
        for name in self._settings:
            mine, its = getattr(self, name), getattr(other, name)
            if mine != its:
                raise ValueError(f"{name} is {mine} here and {its} in the other: they must agree.")
        if other.neurons is None:
            return None
        other = copy.deepcopy(other)
        if self.neurons is None:
            vars(self).update(vars(other))
            return None
        self._require(other.neurons, other.positioned, "the other collector")
        device = next((v.device for v in vars(self).values() if isinstance(v, torch.Tensor)), "cpu")
        self.to(device)
        other.to(device)
        return other

    def _require(self, neurons: int | None, positioned: bool, what: str) -> None:
        if neurons != self.neurons:
            raise ValueError(
                f"{what} has {neurons} neurons and the rows before had {self.neurons}: one "
                "collector collects one layer."
            )
        if positioned != self.positioned:
            has, had = ("has", "none") if positioned else ("has no", "some")
            raise ValueError(f"{what} {has} positions and the rows before had {had}.")

    def _columns(self, place: torch.Tensor) -> tuple[np.ndarray, np.ndarray | None]:
        """Places -> sample and position, int64; both -1 for the place of no row."""
        packed = place.cpu().numpy()
        none = packed == EMPTY
        sample = np.where(none, -1, packed >> 24)
        return sample, np.where(none, -1, packed & (POSITIONS - 1)) if self.positioned else None
