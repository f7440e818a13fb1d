"""The least kernel in Triton: whether it compiles tells whether others do."""

# mypy: ignore-errors

from __future__ import annotations

import torch
import triton
import triton.language as tl


def run(device: torch.device) -> None:
    """Compile the kernel and run it on a GPU.

    Raises:
        Exception: Triton's own, whatever it lacks: a C compiler, a newer GPU, a driver.
    """
    number = torch.zeros(1, device=device)
    with torch.cuda.device(device):
        _raise[(1,)](number)
    if number.item() != 1:
        raise RuntimeError(f"a kernel that writes 1 left {number.item()}")


@triton.jit
def _raise(number):
    tl.store(number, 1.0)
