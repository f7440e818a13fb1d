"""`_chains` and `_named` of `small_trees.py` as one kernel in Triton: one program makes one tree.

The arithmetic is that of the plain path, operation by operation. Without fused multiply-add the
heights are the same to the last bit.
"""

# mypy: ignore-errors

from __future__ import annotations

import threading

import torch
import triton
import triton.language as tl

WARP = 128
"""Samples for each warp of a program: four for each of its threads."""
_LAUNCHING = threading.Lock()


def linked(square: torch.Tensor, method: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The linkages of `B` sets of `n` samples.

    Args:
        square: float64 `B x n x n`, contiguous, symmetric; the diagonal is not read. It is changed.
        method: "ward", "average" or "complete".

    Returns:
        float64 `B x (n - 1) x 4`, in SciPy's format; and bool `B`, whether all merges of a set were
        found.
    """
    count, n, _ = square.shape
    Z = square.new_empty(count, n - 1, 4)
    merges = square.new_empty(count, n - 1, 3)
    whole = torch.zeros(count, dtype=torch.int32, device=square.device)
    # One kernel for all small trees.
    block = max(WARP, triton.next_power_of_2(n))
    # Threads have a current device of their own, and compile one at a time.
    with _LAUNCHING, torch.cuda.device_of(square):
        _link[(count,)](
            square, merges, Z, whole, n, method, block,
            num_warps=block // WARP, enable_fp_fusion=False,
        )  # fmt: skip
    return Z, whole.bool()


@triton.jit
def _pick(values, lane, place):
    """The value at a place."""
    return tl.sum(tl.where(lane == place, values, 0), 0)


@triton.jit
def _updated(to_a, to_b, between, n_a, n_b, size, METHOD: tl.constexpr):
    """See `_updated` of `small_trees.py`."""
    if METHOD == "complete":
        return tl.maximum(to_a, to_b)
    elif METHOD == "average":
        return (n_a * to_a + n_b * to_b) / (n_a + n_b)
    else:
        t = 1.0 / (n_a + n_b + size)
        square = (size + n_a) * t * to_a * to_a + (size + n_b) * t * to_b * to_b
        return tl.sqrt(square - size * t * between * between)


@triton.jit
def _link(square, merges, Z, whole, n, METHOD: tl.constexpr, BLOCK: tl.constexpr):
    tree = tl.program_id(0).to(tl.int64)
    D = square + tree * n * n
    merged = merges + tree * (n - 1) * 3
    lane = tl.arange(0, BLOCK)
    infinity = float("inf")
    # Without infinity: where it is multiplied by zero, it gives NaN.
    size = tl.where(lane < n, 1.0, 0.0).to(tl.float64)
    chain = tl.zeros([BLOCK], tl.int32)
    # Loops carry tensors only.
    length = n * 0
    done = n * 0
    step = n * 0
    while (done < n - 1) & (step < 3 * n - 4):
        step += 1
        if length == 0:
            alive = tl.min(tl.where(size > 0, lane, BLOCK), 0)
            chain = tl.where(lane == 0, alive, chain)
            length += 1
        x = _pick(chain, lane, length - 1)
        row = tl.load(D + x * n + lane, mask=lane < n, other=0.0)
        wanted = (size > 0) & (lane != x) & (row == row)
        near, y = tl.min(tl.where(wanted, row, infinity), 0, return_indices=True)
        # Of equal neighbours: the previous one in the chain, else the first.
        previous = _pick(chain, lane, tl.maximum(length - 2, 0))
        back = _pick(tl.where(wanted, row, infinity), lane, previous)
        if (length > 1) & (near >= back):
            a = tl.minimum(x, previous)
            b = tl.maximum(x, previous)
            n_a = _pick(size, lane, a)
            n_b = _pick(size, lane, b)
            other = tl.load(D + previous * n + lane, mask=lane < n, other=0.0)
            to_a = tl.where(x < previous, row, other)
            to_b = tl.where(x < previous, other, row)
            to_both = _updated(to_a, to_b, back, n_a, n_b, size, METHOD)
            size = tl.where(lane == b, n_a + n_b, tl.where(lane == a, 0.0, size))
            tl.debug_barrier()
            kept = (size > 0) & (lane != b)
            tl.store(D + b * n + lane, to_both, mask=kept)
            tl.store(D + lane * n + b, to_both, mask=kept)
            tl.store(merged + done * 3, a.to(tl.float64))
            tl.store(merged + done * 3 + 1, b.to(tl.float64))
            tl.store(merged + done * 3 + 2, back)
            tl.debug_barrier()
            done += 1
            length -= 2
        else:
            chain = tl.where(lane == length, y, chain)
            length += 1
    if done == n - 1:
        tl.store(whole + tree, 1)
        _name(merged, Z + tree * (n - 1) * 4, n, lane, BLOCK)


@triton.jit
def _name(merged, Z, n, lane, BLOCK: tl.constexpr):
    """See `_named` of `small_trees.py`."""
    inside = lane < n - 1
    height = tl.load(merged + lane * 3 + 2, mask=inside, other=0.0)
    a = tl.load(merged + lane * 3, mask=inside, other=0.0)
    b = tl.load(merged + lane * 3 + 1, mask=inside, other=0.0)
    rank = tl.zeros([BLOCK], tl.int32)
    step = n * 0
    while step < n - 1:
        against = tl.load(merged + step * 3 + 2)
        rank += ((against < height) | ((against == height) & (step < lane))).to(tl.int32)
        step += 1
    tl.store(Z + rank * 4 + 2, tl.maximum(height, 0.0), mask=inside)
    node = lane
    step = n * 0
    while step < n - 1:
        this = inside & (rank == step)
        left = _pick(node, lane, tl.sum(tl.where(this, a, 0.0), 0).to(tl.int32))
        right = _pick(node, lane, tl.sum(tl.where(this, b, 0.0), 0).to(tl.int32))
        joined = (lane < n) & ((node == left) | (node == right))
        tl.store(Z + step * 4, tl.minimum(left, right).to(tl.float64))
        tl.store(Z + step * 4 + 1, tl.maximum(left, right).to(tl.float64))
        tl.store(Z + step * 4 + 3, tl.sum(joined.to(tl.int32), 0).to(tl.float64))
        node = tl.where(joined, n + step, node)
        step += 1
