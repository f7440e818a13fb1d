"""The rows of a layer on one batch: checked, encoded, and copied to the CPU's memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from neuronwidgets.activations.store.encode import as_array, as_tensor, encode
from neuronwidgets.models.outputs import HALF


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
        values: `N x D`: float16 or bfloat16 as the model gave it, else float32.
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
        if self.values.device.type == "cpu" and self.values.dtype in HALF:
            # A CPU finds the largest magnitude faster by the bits of float16 and bfloat16.
            infinite = int(torch.tensor(torch.inf, dtype=self.values.dtype).view(torch.int16))
            return (self.values.view(torch.int16) & 0x7FFF).amax(1) < infinite
        if self.values.device.type == "cpu":
            # `amax` and `amin` of a row with NaN are NaN.
            return self.values.amax(1).isfinite() & self.values.amin(1).isfinite()
        # One read, and as few steps as there can be.
        return torch.linalg.vector_norm(self.values, torch.inf, 1) < torch.inf

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
    """Encoded rows on their way to the CPU's memory (see `encode`).

    Attributes:
        rows: where they come from; its `values` are empty.
        arrive: waits for the values and returns them, `N x D`. Any thread may call it. bfloat16
            comes as its bits in uint16.
        scale: float32 `N x ceil(D / 64)` for int8, else `None`.
        nbytes: bytes of the values.
        own: whether the values are in memory that nothing else changes.
    """

    rows: LayerRows
    arrive: Callable[[], np.ndarray]
    scale: np.ndarray | None
    nbytes: int
    own: bool = False


Arrays = dict[str, np.ndarray]


class Copies:
    """Copies tensors to the CPU.

    CUDA devices get a stream for it, so that copies overlap with the next batch's computation.

    Args:
        soon: whether arrays are used up before the next ones but few come. They then stay in the
            pinned memory that the GPU has written, which torch uses again for later ones.
    """

    def __init__(self, soon: bool = True) -> None:
        self._streams: dict[torch.device, Any] = {}
        self._soon = soon

    def start(self, tensors: dict[str, torch.Tensor]) -> Callable[[], Arrays]:
        """Start a copy. Returns a function that waits for the arrays."""
        device = next(iter(tensors.values())).device
        if device.type != "cuda":
            arrays = {name: as_array(tensor.cpu()) for name, tensor in tensors.items()}
            return lambda: arrays
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
            arrays = {name: as_array(tensor) for name, tensor in pinned.items()}
            return arrays if self._soon else {name: _kept(a) for name, a in arrays.items()}

        return wait


def _kept(array: np.ndarray) -> np.ndarray:
    """A copy in ordinary memory: pinned memory is scarce."""
    # NumPy asks for large pages, and torch copies on all threads.
    kept = np.empty_like(array)
    as_tensor(kept).copy_(as_tensor(array))
    return kept


class ToHost:
    """Encodes batches of rows and brings them to the CPU: from a GPU one batch late.

    Args:
        dtype: the dtype of the encoded values, which are soon used up; `None` leaves them in their
            own, to be kept.
        nonfinite: "refuse" or "exclude" rows that are not finite.
    """

    def __init__(self, dtype: str | None, nonfinite: str) -> None:
        self._dtype, self._refuse = dtype, nonfinite == "refuse"
        self._copies = Copies(soon=dtype is not None)
        self._waiting: deque[tuple[Any, list[_Leaving]]] = deque()

    def push(self, origin: Any, rows: list[LayerRows]) -> Iterator[tuple[Any, list[HostRows]]]:
        """Start the copy of a batch's rows, and yield the batches that have arrived.

        Of a batch from a GPU, the values may still be on their way. `origin` is handed out
        together with the rows.
        """
        values, flags = [], []
        for part in rows:
            tensors = {"values": part.values}
            if self._dtype is not None:
                tensors = encoded(part.values, self._dtype)
            values.append(tensors.pop("values"))
            # From the values before encoding: int8 has no NaN.
            flags.append(self._copies.start({**tensors, "finite": part.finite()}))
        # After all flags, for which the next batch waits.
        self._waiting.append((origin, list(map(self._leaving, rows, values, flags))))
        yield from self.rest(1 if any(part.values.is_cuda for part in rows) else 0)

    def _leaving(
        self, rows: LayerRows, values: torch.Tensor, flags: Callable[[], Arrays]
    ) -> _Leaving:
        own = values.device.type != "cpu" or values.data_ptr() != rows.values.data_ptr()
        nbytes = values.element_size() * values.shape[1]
        return _Leaving(rows, flags, self._copies.start({"values": values}), nbytes, own)

    def rest(self, ahead: int = 0) -> Iterator[tuple[Any, list[HostRows]]]:
        """Wait for the flags of all batches but the last `ahead`, and yield them."""
        while len(self._waiting) > ahead:
            origin, leaving = self._waiting[0]
            arrived = [self._host_rows(one) for one in leaving]
            self._waiting.popleft()
            yield origin, arrived

    def _host_rows(self, leaving: _Leaving) -> HostRows:
        rows, flags = leaving.rows, leaving.flags()
        finite, scale, fits = flags["finite"], flags.get("scale"), flags.get("fits")
        if fits is not None and not fits.all() and self._dtype is not None:
            # It says which value does not fit.
            encode(rows.values[int((~fits).argmax())][None], self._dtype)
        kept, wait = rows.without(finite, self._refuse), leaving.wait
        whole = kept is rows

        def arrive() -> np.ndarray:
            values = wait()["values"]
            return values if whole else values[finite]

        return HostRows(
            # The device's memory is free for other batches.
            replace(kept, values=torch.empty(0, rows.values.shape[1])),
            arrive,
            scale if scale is None or whole else scale[finite],
            leaving.row_bytes * len(kept.sample),
            leaving.own or not whole,
        )


@dataclass(frozen=True, eq=False)
class _Leaving:
    """The rows of a layer that leave a device.

    Attributes:
        rows: the rows.
        flags: waits for `finite` and what else `encoded` gives.
        wait: waits for the values.
        row_bytes: bytes of a row's values.
        own: see `HostRows`.
    """

    rows: LayerRows
    flags: Callable[[], Arrays]
    wait: Callable[[], Arrays]
    row_bytes: int
    own: bool


def encoded(rows: torch.Tensor, dtype: str) -> dict[str, torch.Tensor]:
    """The tensors of `encode`; for float16 and bfloat16 without waiting for a GPU: `fits` (bool
    `N`) then says whether each row, if it is finite, is in the dtype."""
    if dtype not in ("float16", "bfloat16"):
        return encode(rows, dtype)
    kind = getattr(torch, dtype)
    if kind == rows.dtype or not rows.shape[1]:
        return {"values": rows.to(kind)}
    rows = rows.float()
    narrow = rows.to(kind)
    # Rounding keeps the order: if the extremes fit, all do.
    extremes = torch.stack([rows.amax(1), rows.amin(1)])
    fits = (extremes.to(narrow.dtype).isfinite() | ~extremes.isfinite()).all(0)
    return {"values": narrow, "fits": fits}
