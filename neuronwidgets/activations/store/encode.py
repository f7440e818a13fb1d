"""float32 rows <-> what a store holds of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neuronwidgets.core.modes import own_modes

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "float16", "bfloat16", "int8")
BLOCK = 64
"""Neurons that share a scale in int8 (block-wise absmax quantisation; Dettmers et al., ICLR 2022):
so that one huge neuron does not cost the others their digits."""


def encode(rows: torch.Tensor, dtype: str) -> dict[str, torch.Tensor]:
    """`N x D` float32 -> the tensors of a shard, on the same device.

    float16 has a relative error of at most 2^-11 (absolute 2^-25 near 0), bfloat16 of 2^-8; int8
    an absolute one of 1/254 of the largest magnitude in the neuron's block of 64.

    Raises:
        ValueError: a value is larger than the dtype can hold (float16: 65,504).
    """
    import torch

    if dtype in ("float16", "bfloat16"):
        narrow = rows.to(getattr(torch, dtype))
        if bool((narrow.isinf() & rows.isfinite()).any()):
            most = torch.finfo(narrow.dtype).max
            raise ValueError(
                f"an activation of {float(rows.abs().max()):,.4g} does not fit in {dtype}, which "
                f"ends at {most:,.5g}: use dtype="
                + ("'bfloat16'." if dtype == "float16" else "'float32'.")
            )
        return {"values": narrow}
    if dtype == "int8":
        padded = torch.nn.functional.pad(rows, (0, -rows.shape[1] % BLOCK))
        blocks = padded.view(len(rows), -1, BLOCK)
        scale = blocks.abs().amax(2) / 127
        whole = (blocks / scale.clamp_min(torch.finfo(torch.float32).tiny)[..., None]).round()
        values = whole.clamp(-127, 127).to(torch.int8).flatten(1)[:, : rows.shape[1]]
        return {"values": values.contiguous(), "scale": scale}
    return {"values": rows}


def as_array(tensor: torch.Tensor) -> np.ndarray:
    """A tensor on the CPU as a store has it: bfloat16 as the uint16 that NumPy has for it."""
    import torch

    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(np.uint16)
    return tensor.numpy()


@own_modes()
def decode(values: np.ndarray, scale: np.ndarray | None, columns: np.ndarray | None) -> np.ndarray:
    """Stored rows as float32; `columns` says which neurons they are, `None` for all in order.

    bfloat16 comes as the uint16 that NumPy has for it.
    """
    if values.dtype == np.uint16:
        return (values.astype(np.uint32) << 16).view(np.float32)
    if scale is not None:
        at = np.arange(values.shape[1]) if columns is None else columns
        return values.astype(np.float32) * scale[:, at // BLOCK]
    return np.asarray(values, np.float32)
