"""The base class of all collectors."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from neuronwidgets.capturing.collectors.chunk import EMPTY, POSITIONS, Chunk
from neuronwidgets.models.fingerprint import Fingerprint

if TYPE_CHECKING:
    from typing_extensions import Self


class Collector(ABC):
    """A summary of a layer's rows. It sees each row once, one batch at a time.

    A collector of your own has three methods. State that starts as 0 may be a class attribute.
    Tensors that are attributes move between devices (`to`) and processes (pickled on the CPU):

        class Active(Collector):
            above, seen = 0, 0

            def add(self, chunk):
                self.above = self.above + (chunk.rows > 1).sum(0)
                self.seen += len(chunk)

            def merge(self, other):
                self.above, self.seen = self.above + other.above, self.seen + other.seen

            def result(self):
                return (self.above.cpu() / self.seen).numpy()

    One collector collects one layer. Chunks come in any order and size, and may be empty.
    """

    neurons: int | None = None
    """`D`; `None` before the first chunk."""
    positioned: bool = False
    """Whether rows are tokens or map positions, not whole samples."""
    _settings: ClassVar[tuple[str, ...]] = ()
    """Attributes that must be equal in collectors that merge."""
    _per_neuron: ClassVar[Mapping[str, int]] = {}
    """The tensors of the state and the axis of their neurons, if the neurons do not depend on each
    other: layers that a pass reads together may then be collected side by side, as one layer."""
    # Stores hold pickled collectors: the names of their attributes are part of the format.

    @abstractmethod
    def add(self, chunk: Chunk) -> None:
        """Add one batch. Its rows may change afterwards: copy what you keep."""

    @abstractmethod
    def merge(self, other: Self) -> None:
        """Add the rows that `other` saw, other rows of the same layer. `other` does not change."""

    @abstractmethod
    def result(self) -> Any:
        """The result so far, as NumPy arrays. More rows may follow."""

    def described(self) -> str:
        """The class and its settings, by which a store compares collectors.

        Settings that are no number, string or bool are described by a fingerprint.
        """
        plain_types = (bool, int, float, str)
        plain = {n: v for n, v in vars(self).items() if n[0] != "_" and isinstance(v, plain_types)}
        settings = [f"{n}={v!r}" for n, v in plain.items()]
        if others := {n: v for n, v in vars(self).items() if n not in plain and v is not None}:
            settings.append(f"others={Fingerprint().add(others).hex()[:8]}")
        return f"{type(self).__qualname__}({', '.join(settings)})"

    def to(self, device: torch.device | str) -> None:
        """Move the state to a device. Inference tensors become ordinary, writable ones."""
        for name, value in vars(self).items():
            if isinstance(value, torch.Tensor):
                value = value.to(device)
                locked = value.is_inference() and not torch.is_inference_mode_enabled()
                setattr(self, name, value.clone() if locked else value)

    def __getstate__(self) -> dict[str, Any]:
        state = vars(self).items()
        return {n: v.cpu() if isinstance(v, torch.Tensor) else v for n, v in state}

    @classmethod
    def _add_layers(cls, collectors: Sequence[Self], chunk: Chunk) -> bool:
        """Add layers that come side by side, one for each collector. False if it is no better than
        to add one after the other; nothing is then added."""
        return False

    def _start(self, neurons: int, device: torch.device) -> None:  # noqa: B027
        """Create the state, when the first chunk comes."""

    def _admit(self, chunk: Chunk) -> Chunk:
        """Check a chunk against those before, and bring chunk and state to one device.

        Raises:
            ValueError: a chunk of another layer.
        """
        # Apple's GPUs have no float64.
        chunk = chunk.to("cpu") if chunk.device.type == "mps" else chunk.narrowed()
        neurons, positioned = chunk.neurons, chunk.position is not None
        if self.neurons is None:
            self.neurons, self.positioned = neurons, positioned
            self._start(neurons, chunk.device)
        self._require(neurons, positioned, "this chunk")
        self.to(chunk.device)
        return chunk

    def _peer(self, other: Self) -> Self | None:
        """A copy of `other` on this device, to merge; `None` if nothing is left to merge.

        Raises:
            TypeError: another kind of collector.
            ValueError: other settings, or another layer.
        """
        if type(other) is not type(self):
            mine, its = type(self).__name__, type(other).__name__
            raise TypeError(f"only a {mine} merges into a {mine}, got a {its}.")
        for name in self._settings:
            mine, its = getattr(self, name), getattr(other, name)
            if mine != its:
                raise ValueError(f"{name} must be equal to merge, got {mine} here, {its} there.")
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
                f"{what} must have {self.neurons} neurons, as the rows before, got {neurons}: one "
                "collector collects one layer."
            )
        if positioned != self.positioned:
            has, had = ("has", "none") if positioned else ("has no", "some")
            raise ValueError(f"{what} {has} positions and the rows before had {had}.")

    def _columns(self, key: torch.Tensor) -> tuple[np.ndarray, np.ndarray | None]:
        """The samples and positions of keys: int64 each, -1 for `EMPTY`."""
        packed = key.cpu().numpy()
        none = packed == EMPTY
        sample = np.where(none, -1, packed >> 24)
        return sample, np.where(none, -1, packed & (POSITIONS - 1)) if self.positioned else None
