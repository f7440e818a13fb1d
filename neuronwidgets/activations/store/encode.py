"""Encodes rows in a store's dtype, and decodes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neuronwidgets.core.modes import own_modes

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "float16", "bfloat16", "int8")
BLOCK = 64
"""Neurons that share a scale in int8 (block-wise absmax quantisation; Dettmers et al., ICLR 2022).
Blocks keep one huge neuron from costing all others their precision."""


def encode(rows: torch.Tensor, dtype: str) -> dict[str, torch.Tensor]:
    """Encode `N x D` rows of float32, float16 or bfloat16 as the tensors of a shard, on the same
    device. Rows of the dtype itself are taken as they are.

    The relative error of float16 is at most 2^-11 (absolute: 2^-25 near 0), that of bfloat16 2^-8.
    The absolute error of int8 is at most 1/254 of the largest magnitude in the neuron's block.

    Raises:
        ValueError: a value is larger than the dtype can hold (float16: 65,504).
    """
    import torch

    if dtype in ("float16", "bfloat16"):
        narrow = rows.to(getattr(torch, dtype))
        if bool((narrow.isinf() & rows.isfinite()).any()):
            largest = torch.finfo(narrow.dtype).max
            raise ValueError(
                f"an activation of {float(rows.abs().max()):,.4g} does not fit in {dtype}, which "
                f"ends at {largest:,.5g}: use dtype="
                + ("'bfloat16'." if dtype == "float16" else "'float32'.")
            )
        return {"values": narrow}
    if dtype == "int8":
        padded = torch.nn.functional.pad(rows.float(), (0, -rows.shape[1] % BLOCK))
        blocks = padded.view(len(rows), -1, BLOCK)
        scale = blocks.abs().amax(2) / 127
        whole = (blocks / scale.clamp_min(torch.finfo(torch.float32).tiny)[..., None]).round()
        values = whole.clamp(-127, 127).to(torch.int8).flatten(1)[:, : rows.shape[1]]
        return {"values": values.contiguous(), "scale": scale}
    return {"values": rows.float()}


def as_array(tensor: torch.Tensor) -> np.ndarray:
    """A tensor on the CPU as an array. bfloat16 becomes its bits as uint16: NumPy lacks it."""
    import torch

    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(np.uint16)
    return tensor.numpy()


def as_tensor(values: np.ndarray) -> torch.Tensor:
    """The inverse of `as_array`: uint16 holds the bits of bfloat16."""
    import torch

    if values.dtype == np.uint16:
        return torch.from_numpy(values.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(values)


@own_modes()
def decode(values: np.ndarray, scale: np.ndarray | None, columns: np.ndarray | None) -> np.ndarray:
    """Decode stored rows to float32.

    Args:
        values: `N x M`; bfloat16 as its bits in uint16.
        scale: float32 `N x ceil(D / 64)` for int8, else `None`.
        columns: int64 `M`, the neurons of `values`; `None` for all.
    """
    if values.dtype == np.uint16:
        return (values.astype(np.uint32) << 16).view(np.float32)
    if scale is not None:
        neurons = np.arange(values.shape[1]) if columns is None else columns
        return values.astype(np.float32) * scale[:, neurons // BLOCK]
    return np.asarray(values, np.float32)
