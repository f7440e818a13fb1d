"""The rows of a layer on one batch: checked, encoded, and copied to the CPU's memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from neuronwidgets.activations.store.encode import as_array, encode


class NotFinite(ValueError):
    """NaN or infinite values. `samples` (int64) are the samples that hold them."""

    def __init__(self, message: str, samples: np.ndarray | None = None) -> None:
        super().__init__(message)
        self.samples = samples


@dataclass(frozen=True, eq=False)
class LayerRows:
    """`N` rows of a layer on the model's device.

    Attributes:
        layer: the layer's name.
        values: `N x D`.
        sample: int64 `N`, each row's sample.
        position: int32 `N`, each row's token or map position; `None` for whole samples.
        code: int64 `N`, label codes, -1 for none; or `None`.
        excluded: int64 `E x 2`, sample and position (or -1) of rows that were left out.
    """

    layer: str
    values: torch.Tensor
    sample: np.ndarray
    position: np.ndarray | None
    code: np.ndarray | None = None
    excluded: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.int64))

    def finite(self) -> torch.Tensor:
        """Whether each row is finite: bool `N`, computed without a copy of the values."""
        if not self.values.shape[1]:
            return torch.ones(len(self.values), dtype=torch.bool, device=self.values.device)
        # `amax` and `amin` of a row with NaN are NaN.
        return self.values.amax(1).isfinite() & self.values.amin(1).isfinite()

    def without(self, finite: np.ndarray, refuse: bool) -> LayerRows:
        """The rows where `finite` (bool `N`) is true.

        Raises:
            NotFinite: `refuse` is set and a row is not finite.
        """
        if finite.all():
            return self
        position = np.full(len(finite), -1) if self.position is None else self.position
        excluded = np.stack([self.sample, position.astype(np.int64)], axis=1)[~finite]
        if refuse:
            row = self.values[int((~finite).argmax())]
            neuron = int((~row.isfinite()).int().argmax())
            kind = "NaN" if bool(row[neuron].isnan()) else "infinite"
            token = f", token {excluded[0, 1]}" if excluded[0, 1] >= 0 else ""
            raise NotFinite(
                f"layer {self.layer!r}: the activation of sample {excluded[0, 0]:,}{token}, neuron "
                f"{neuron} is {kind} ({len(excluded):,} of {len(finite):,} rows of its batch are "
                "not finite). nonfinite='exclude' leaves such rows out; for a model in float16, "
                "try bfloat16 or float32.",
                np.unique(excluded[:, 0]),
            )
        return replace(
            self,
            values=self.values[torch.as_tensor(finite, device=self.values.device)],
            sample=self.sample[finite],
            position=None if self.position is None else self.position[finite],
            code=None if self.code is None else self.code[finite],
            excluded=excluded,
        )


@dataclass(frozen=True, eq=False)
class HostRows:
    """Rows in the CPU's memory, encoded: `values` and, for int8, `scale` (see `encode`).

    `own` says whether the values are in memory that nothing else changes.
    """

    rows: LayerRows
    values: np.ndarray
    scale: np.ndarray | None
    own: bool = False


Arrays = dict[str, np.ndarray]


class Copies:
    """Copies tensors to the CPU.

    CUDA devices get a stream for it, so that copies overlap with the next batch's computation.

    Args:
        soon: whether arrays are used up before the next ones but few come. They then stay in the
            pinned memory that the GPU has written, which torch uses again for later ones.
    """

    def __init__(self, soon: bool = False) -> None:
        self._streams: dict[torch.device, Any] = {}
        self._soon = soon

    def start(self, tensors: dict[str, torch.Tensor]) -> Callable[[], Arrays]:
        """Start a copy. Returns a function that waits for the arrays."""
        device = next(iter(tensors.values())).device
        if device.type != "cuda":
            return lambda: {name: as_array(tensor.cpu()) for name, tensor in tensors.items()}
        if device not in self._streams:
            self._streams[device] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        stream = self._streams[device]
        stream.wait_stream(torch.cuda.current_stream(device))
        pinned = {}
        with torch.cuda.stream(stream):
            for name, tensor in tensors.items():
                pinned[name] = torch.empty_like(tensor, device="cpu", pin_memory=True)
                pinned[name].copy_(tensor, non_blocking=True)
                # Keep the tensor's memory from being reused before the copy is done.
                tensor.record_stream(stream)
            done = stream.record_event()

        def wait() -> Arrays:
            done.synchronize()
            # Pinned memory is scarce: what is kept is an ordinary copy.
            return {
                name: as_array(tensor if self._soon else tensor.clone())
                for name, tensor in pinned.items()
            }

        return wait


class ToHost:
    """Encodes batches of rows and brings them to the CPU: from a GPU one batch late.

    Args:
        dtype: the dtype of the encoded values.
        nonfinite: "refuse" or "exclude" rows that are not finite.
        soon: see `Copies`.
    """

    def __init__(self, dtype: str, nonfinite: str, soon: bool = False) -> None:
        self._dtype, self._refuse, self._copies = dtype, nonfinite == "refuse", Copies(soon)
        self._waiting: deque[tuple[Any, list[tuple[LayerRows, bool, Callable[[], Arrays]]]]] = (
            deque()
        )

    def push(self, origin: Any, rows: list[LayerRows]) -> Iterator[tuple[Any, list[HostRows]]]:
        """Start the copy of a batch's rows, and yield the batches that have arrived.

        `origin` is handed out together with the rows.
        """
        copies = []
        for part in rows:
            tensors = encoded(part.values, self._dtype)
            values = tensors["values"]
            own = values.device.type != "cpu" or values.data_ptr() != part.values.data_ptr()
            # From the values before encoding: int8 has no NaN.
            tensors["finite"] = part.finite()
            copies.append((part, own, self._copies.start(tensors)))
        self._waiting.append((origin, copies))
        yield from self.rest(1 if any(part.values.is_cuda for part in rows) else 0)

    def rest(self, ahead: int = 0) -> Iterator[tuple[Any, list[HostRows]]]:
        """Wait for all copies but the last `ahead`, and yield their batches."""
        while len(self._waiting) > ahead:
            origin, copies = self._waiting[0]
            arrived = [self._host_rows(part, own, wait()) for part, own, wait in copies]
            self._waiting.popleft()
            yield origin, arrived

    def _host_rows(self, rows: LayerRows, own: bool, arrays: Arrays) -> HostRows:
        finite, scale, fits = arrays["finite"], arrays.get("scale"), arrays.get("fits")
        if fits is not None and not fits.all():
            # It says which value does not fit.
            encode(rows.values[int((~fits).argmax())][None], self._dtype)
        kept = rows.without(finite, self._refuse)
        if kept is not rows:
            arrays = {name: array[finite] for name, array in arrays.items()}
            scale, own = arrays.get("scale"), True
        return HostRows(kept, arrays["values"], scale, own)


def encoded(rows: torch.Tensor, dtype: str) -> dict[str, torch.Tensor]:
    """The tensors of `encode`; for float16 and bfloat16 without waiting for a GPU: `fits` (bool
    `N`) then says whether each row, if it is finite, is in the dtype."""
    if dtype not in ("float16", "bfloat16"):
        return encode(rows, dtype)
    narrow = rows.to(getattr(torch, dtype))
    if narrow.dtype == rows.dtype or not rows.shape[1]:
        return {"values": narrow}
    # Rounding keeps the order: if the extremes fit, all do.
    extremes = torch.stack([rows.amax(1), rows.amin(1)])
    fits = (extremes.to(narrow.dtype).isfinite() | ~extremes.isfinite()).all(0)
    return {"values": narrow, "fits": fits}
