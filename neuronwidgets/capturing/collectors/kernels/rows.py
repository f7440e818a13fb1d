"""What all kernels of rows share."""

# mypy: ignore-errors

from __future__ import annotations

import torch
import triton
import triton.language as tl

KINDS = {torch.float32: tl.float32, torch.float16: tl.float16, torch.bfloat16: tl.bfloat16}
"""Triton's name of each dtype that rows have."""


@triton.jit
def rows_at(address, KIND: tl.constexpr, STEP: tl.constexpr):
    """The rows that begin at an address, of which the compiler knows what divides it."""
    return tl.multiple_of(address.to(tl.pointer_type(KIND)), STEP)
