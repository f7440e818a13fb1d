"""A layer's rows of one batch, on their way: checked, and brought to the CPU's memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from neuronwidgets.activations.store.encode import as_array, encode
from neuronwidgets.capturing.collectors import Chunk


class NotFinite(ValueError):
    """NaN or infinite values; `samples` (int64) says where."""

    def __init__(self, message: str, samples: np.ndarray | None = None) -> None:
        super().__init__(message)
        self.samples = samples


@dataclass(frozen=True, eq=False)
class LayerRows:
    """`N` rows of a layer.

    Attributes:
        layer: its name.
        values: `N x D` on the model's device.
        sample: int64 `N`, each row's sample.
        position: int32 `N`, its token or map position; `None` where a row is a whole sample.
        code: int64 `N`, its label's code, -1 for none; or `None`.
        excluded: int64 `E x 2`, sample and position (or -1) of rows that were left out.
    """

    layer: str
    values: torch.Tensor
    sample: np.ndarray
    position: np.ndarray | None
    code: np.ndarray | None = None
    excluded: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.int64))

    def chunk(self) -> Chunk:
        """As collectors take them."""
        position = None if self.position is None else torch.as_tensor(self.position)
        code = None if self.code is None else torch.as_tensor(self.code)
        return Chunk(self.values, torch.as_tensor(self.sample), position, code)

    def finite(self) -> torch.Tensor:
        """Which rows are: bool `N`, without a copy of the values."""
        if not self.values.shape[1]:
            return torch.ones(len(self.values), dtype=torch.bool, device=self.values.device)
        # NaN is the largest and the smallest of its row.
        return self.values.amax(1).isfinite() & self.values.amin(1).isfinite()

    def without(self, finite: np.ndarray, refuse: bool) -> LayerRows:
        """The rows where `finite` (bool `N`), or an error that says where it is not."""
        if finite.all():
            return self
        position = np.full(len(finite), -1) if self.position is None else self.position
        left = np.stack([self.sample, position.astype(np.int64)], axis=1)[~finite]
        if refuse:
            row = self.values[int((~finite).argmax())]
            neuron = int((~row.isfinite()).int().argmax())
            what = "NaN" if bool(row[neuron].isnan()) else "infinite"
            token = f", token {left[0, 1]}" if left[0, 1] >= 0 else ""
            raise NotFinite(
                f"layer {self.layer!r}: the activation of sample {left[0, 0]:,}{token}, neuron "
                f"{neuron} is {what} ({len(left):,} of {len(finite):,} rows of its batch are not "
                "finite). nonfinite='exclude' leaves such rows out; for a model in float16, try "
                "bfloat16 or float32.",
                np.unique(left[:, 0]),
            )
        return replace(
            self,
            values=self.values[torch.as_tensor(finite, device=self.values.device)],
            sample=self.sample[finite],
            position=None if self.position is None else self.position[finite],
            code=None if self.code is None else self.code[finite],
            excluded=left,
        )


@dataclass(frozen=True, eq=False)
class HostRows:
    """The same in the CPU's memory, encoded: `values` and, for int8, `scale`."""

    rows: LayerRows
    values: np.ndarray
    scale: np.ndarray | None


Arrays = dict[str, np.ndarray]


class Copies:
    """Brings tensors to the CPU; from a CUDA device on a stream of its own, so that the copy of one
    batch and the computation of the next run at once."""

    def __init__(self) -> None:
        self._streams: dict[torch.device, Any] = {}

    def start(self, tensors: dict[str, torch.Tensor]) -> Callable[[], Arrays]:
        """Begin; what this returns waits for the arrays."""
        device = next(iter(tensors.values())).device
        if device.type != "cuda":
            return lambda: {name: as_array(tensor.cpu()) for name, tensor in tensors.items()}
        if device not in self._streams:
            self._streams[device] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        stream = self._streams[device]
        stream.wait_stream(torch.cuda.current_stream(device))
        there = {}
        with torch.cuda.stream(stream):
            for name, tensor in tensors.items():
                there[name] = torch.empty_like(tensor, device="cpu", pin_memory=True)
                there[name].copy_(tensor, non_blocking=True)
                # Its memory goes to no other tensor before the copy is done.
                tensor.record_stream(stream)
            done = stream.record_event()

        def wait() -> Arrays:
            done.synchronize()
            # Pinned memory is scarce: what is kept is a copy.
            return {name: as_array(tensor.clone()) for name, tensor in there.items()}

        return wait


class ToHost:
    """Batches of rows in, batches of rows in the CPU's memory out: on a GPU one batch late."""

    def __init__(self, dtype: str, nonfinite: str) -> None:
        self._dtype, self._refuse, self._copies = dtype, nonfinite == "refuse", Copies()
        self._waiting: deque[tuple[Any, list[tuple[LayerRows, Callable[[], Arrays]]]]] = deque()

    def push(self, about: Any, rows: list[LayerRows]) -> Iterator[tuple[Any, list[HostRows]]]:
        """Take a batch in, with anything that goes with it; give those that have arrived."""
        started = []
        for part in rows:
            tensors = encode(part.values, self._dtype)
            # Not on the values as they are encoded: int8 has no NaN.
            tensors["finite"] = part.finite()
            started.append((part, self._copies.start(tensors)))
        self._waiting.append((about, started))
        yield from self.rest(1 if any(part.values.is_cuda for part in rows) else 0)

    def rest(self, ahead: int = 0) -> Iterator[tuple[Any, list[HostRows]]]:
        """All but the last `ahead` of those that are on their way."""
        while len(self._waiting) > ahead:
            about, started = self._waiting[0]
            arrived = [self._arrived(part, wait()) for part, wait in started]
            self._waiting.popleft()
            yield about, arrived

    def _arrived(self, rows: LayerRows, arrays: Arrays) -> HostRows:
        finite, scale = arrays["finite"], arrays.get("scale")
        left = rows.without(finite, self._refuse)
        if left is not rows:
            arrays = {name: array[finite] for name, array in arrays.items()}
            scale = arrays.get("scale")
        return HostRows(left, arrays["values"], scale)
