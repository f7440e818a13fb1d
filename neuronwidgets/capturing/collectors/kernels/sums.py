"""Sums of each neuron's values, and of each row's."""

# mypy: ignore-errors

from __future__ import annotations

import triton
import triton.language as tl

from neuronwidgets.capturing.collectors.kernels.rows import rows_at


@triton.jit(do_not_specialize=["rows"])
def power_sums(addresses, sums, rows, width, stride, neurons,
               KIND: tl.constexpr, STEP: tl.constexpr,
               R: tl.constexpr, C: tl.constexpr):  # fmt: skip
    """The sums of `moments.empty_sums`, and as a tenth that of absolute values: float64 `10 x D`.

    The powers are of the differences from the mean of the first tile. What that is wrong by is
    taken out at the end, as in `moments.power_sums`.
    """
    layer = tl.program_id(1).to(tl.int64)
    column = tl.program_id(0) * C + tl.arange(0, C)
    inside = column < width
    neuron = layer * width + column
    block = rows_at(tl.load(addresses + layer), KIND, STEP)
    step = tl.full([], R, tl.int64) * stride
    row = tl.arange(0, R)
    at = row[:, None] * stride + column[None, :]
    real = (row < rows)[:, None] & inside[None, :]
    # Three tiles are on their way while one is looked at.
    coming = tl.load(block + at, real, other=0)
    block += step
    next_1 = tl.load(block + at, (R + row < rows)[:, None] & inside[None, :], other=0)
    block += step
    next_2 = tl.load(block + at, (2 * R + row < rows)[:, None] & inside[None, :], other=0)
    value = coming.to(tl.float32)
    finite = (tl.abs(value) < float("inf")) & real
    total = tl.sum(tl.where(finite, value, 0.0).to(tl.float64), 0)
    some = tl.sum(finite.to(tl.int32), 0)
    # In float32: an excluded value, replaced by it, is then off by exactly 0.
    shift = (total / tl.maximum(some, 1).to(tl.float64)).to(tl.float32)
    middle = shift.to(tl.float64)
    count = tl.zeros([R, C], tl.int32)
    active = tl.zeros([R, C], tl.int32)
    least = tl.full([R, C], float("inf"), tl.float32)
    most = tl.full([R, C], float("-inf"), tl.float32)
    first = tl.zeros([R, C], tl.float64)
    second = tl.zeros([R, C], tl.float64)
    third = tl.zeros([R, C], tl.float64)
    fourth = tl.zeros([R, C], tl.float64)
    absolute = tl.zeros([R, C], tl.float64)
    for start in range(0, rows, R):
        real = (start + row < rows)[:, None] & inside[None, :]
        value = coming.to(tl.float32)
        block += step
        ahead = (start + 3 * R + row < rows)[:, None] & inside[None, :]
        coming, next_1, next_2 = next_1, next_2, tl.load(block + at, ahead, other=0)
        finite = (tl.abs(value) < float("inf")) & real
        count += finite.to(tl.int32)
        active += (finite & (value > 0)).to(tl.int32)
        least = tl.minimum(least, tl.where(finite, value, float("inf")))
        most = tl.maximum(most, tl.where(finite, value, float("-inf")))
        wide = tl.where(finite, value, shift[None, :]).to(tl.float64)
        off = wide - middle[None, :]
        square = off * off
        first += off
        second += square
        third += square * off
        fourth += square * square
        absolute += tl.abs(wide)
    n = tl.sum(count, 0)
    of = tl.maximum(n, 1).to(tl.float64)
    one, two, three, four = (tl.sum(first, 0), tl.sum(second, 0), tl.sum(third, 0),
                             tl.sum(fourth, 0))  # fmt: skip
    gap = one / of
    replaced = (tl.cdiv(rows, R) * R - n).to(tl.float64) * tl.abs(middle)
    sums += neuron
    step = tl.full([], 1, tl.int64) * neurons
    tl.store(sums, n.to(tl.float64), inside)
    tl.store(sums + step, middle + gap, inside)
    tl.store(sums + 2 * step, two - gap * one, inside)
    tl.store(sums + 3 * step, three - 3 * gap * two + 2 * gap * gap * one, inside)
    fourth_moment = four - 4 * gap * three + 6 * gap * gap * two - 3 * gap * gap * gap * one
    tl.store(sums + 4 * step, fourth_moment, inside)
    tl.store(sums + 5 * step, tl.min(least, 0).to(tl.float64), inside)
    tl.store(sums + 6 * step, tl.max(most, 0).to(tl.float64), inside)
    tl.store(sums + 7 * step, tl.sum(active, 0).to(tl.float64), inside)
    tl.store(sums + 8 * step, (rows - n).to(tl.float64), inside)
    tl.store(sums + 9 * step, tl.sum(absolute, 0) - replaced, inside)


@triton.jit
def combine(sums, stride, others, neurons, N: tl.constexpr):
    """`moments.combine` in place: `stride` from each of the nine sums to the next."""
    neuron = tl.program_id(0) * N + tl.arange(0, N)
    inside = neuron < neurons
    sums += neuron
    others += neuron
    a = tl.full([], 1, tl.int64) * stride
    b = tl.full([], 1, tl.int64) * neurons
    n_a, n_b = tl.load(sums, inside, other=0), tl.load(others, inside, other=0)
    mean_a, mean_b = tl.load(sums + a, inside, other=0), tl.load(others + b, inside, other=0)
    second_a = tl.load(sums + 2 * a, inside, other=0)
    second_b = tl.load(others + 2 * b, inside, other=0)
    third_a = tl.load(sums + 3 * a, inside, other=0)
    third_b = tl.load(others + 3 * b, inside, other=0)
    fourth_a = tl.load(sums + 4 * a, inside, other=0)
    fourth_b = tl.load(others + 4 * b, inside, other=0)
    count = n_a + n_b
    n = tl.maximum(count, 1.0)
    p, q, gap = n_a / n, n_b / n, mean_b - mean_a
    square = gap * gap
    third = third_a + third_b + square * gap * n_a * q * (p - q)
    third += 3 * gap * (p * second_b - q * second_a)
    fourth = fourth_a + fourth_b + square * square * n_a * q * (p * p - p * q + q * q)
    fourth += 6 * square * (p * p * second_b + q * q * second_a)
    fourth += 4 * gap * (p * third_b - q * third_a)
    tl.store(sums, count, inside)
    tl.store(sums + a, mean_a + gap * q, inside)
    tl.store(sums + 2 * a, second_a + second_b + square * n_a * q, inside)
    tl.store(sums + 3 * a, third, inside)
    tl.store(sums + 4 * a, fourth, inside)
    least = tl.load(others + 5 * b, inside, other=0)
    most = tl.load(others + 6 * b, inside, other=0)
    tl.store(sums + 5 * a, tl.minimum(tl.load(sums + 5 * a, inside, other=0), least), inside)
    tl.store(sums + 6 * a, tl.maximum(tl.load(sums + 6 * a, inside, other=0), most), inside)
    for number in tl.static_range(7, 9):
        more = tl.load(others + number * b, inside, other=0)
        tl.store(sums + number * a, tl.load(sums + number * a, inside, other=0) + more, inside)


@triton.jit(do_not_specialize=["rows"])
def hash_rows(addresses, hashes, factors, rows, width, stride,
              KIND: tl.constexpr, STEP: tl.constexpr,
              R: tl.constexpr, C: tl.constexpr):  # fmt: skip
    """The sum of factors times bits of each row: int64 `L x N`. 0.0 and -0.0 are equal."""
    layer = tl.program_id(1).to(tl.int64)
    row = tl.program_id(0) * R + tl.arange(0, R)
    real = row < rows
    at = rows_at(tl.load(addresses + layer), KIND, STEP) + row.to(tl.int64)[:, None] * stride
    sums = tl.zeros([R, C], tl.int64)
    for start in range(0, width, C):
        column = start + tl.arange(0, C)
        inside = column < width
        value = tl.load(at + column[None, :], real[:, None] & inside[None, :], other=0)
        bits = (value.to(tl.float32) + 0.0).to(tl.int32, bitcast=True).to(tl.int64)
        sums += bits * tl.load(factors + column, inside, other=0)[None, :]
    tl.store(hashes + layer * rows + row, tl.sum(sums, 1), real)
