"""Histograms, whose bins are widened on the device."""

# mypy: ignore-errors

from __future__ import annotations

import triton
import triton.language as tl

from neuronwidgets.capturing.collectors.kernels.rows import rows_at


@triton.jit
def exponent_of(value):
    """The least `e` with `|value| < 2^e`, of a float64 that is not 0: int64."""
    return ((value.to(tl.int64, bitcast=True) >> 52) & 0x7FF) - 1022


@triton.jit
def power(exponent):
    """`2^e` in float64: its bits are the exponent's."""
    return ((exponent + 1023) << 52).to(tl.float64, bitcast=True)


@triton.jit
def grid(least, most, bins, finest):
    """See `histogram.grid`; bins are not narrower than `2^finest`."""
    none = least > most
    low = tl.where(none, 0.0, least).to(tl.float64)
    high = tl.where(none, 0.0, most).to(tl.float64)
    span = (high - low) / bins.to(tl.float64)
    size = tl.maximum(tl.abs(low), tl.abs(high))
    exponent = tl.where(span > 0, exponent_of(span), finest)
    exponent = tl.maximum(tl.maximum(exponent, exponent_of(size) - 24), finest)
    exponent = tl.where(size > 0, exponent, finest)
    first, last = tl.floor(low / power(exponent)), tl.floor(high / power(exponent))
    exponent += (last - first >= bins).to(tl.int64)
    return exponent, tl.floor(low / power(exponent)).to(tl.int64)


@triton.jit
def widen(sums, counts, excluded, least, most, exponent, first, neurons, bins, finest,
          B: tl.constexpr, G: tl.constexpr):  # fmt: skip
    """Widen the bins of `G` neurons to hold a batch of which `power_sums` made the sums.

    See `Histogram` for the state. There are at most `B` bins.
    """
    neuron = tl.program_id(0) * G + tl.arange(0, G)
    inside = neuron < neurons
    sums += neuron
    step = tl.full([], 1, tl.int64) * neurons
    low = tl.load(sums + 5 * step, inside, other=float("inf")).to(tl.float32)
    low = tl.minimum(tl.load(least + neuron, inside, other=float("inf")), low)
    high = tl.load(sums + 6 * step, inside, other=float("-inf")).to(tl.float32)
    high = tl.maximum(tl.load(most + neuron, inside, other=float("-inf")), high)
    out = tl.load(sums + 8 * step, inside, other=0).to(tl.int64)
    old_exponent = tl.load(exponent + neuron, inside, other=0)
    old_first = tl.load(first + neuron, inside, other=0)
    new_exponent, new_first = grid(low, high, bins, finest)
    tl.store(least + neuron, low, inside)
    tl.store(most + neuron, high, inside)
    tl.store(excluded + neuron, tl.load(excluded + neuron, inside, other=0) + out, inside)
    tl.store(exponent + neuron, new_exponent, inside)
    tl.store(first + neuron, new_first, inside)
    changed = inside & ((new_exponent != old_exponent) | (new_first != old_first))
    if tl.max(changed.to(tl.int32)) > 0:
        place = tl.arange(0, B)
        begin = counts + neuron.to(tl.int64)[:, None] * bins
        real = changed[:, None] & (place < bins)[None, :]
        count = tl.load(begin + place[None, :], real, other=0)
        # A shift to the right is the floor of a division by a power of two.
        by = tl.minimum(new_exponent - old_exponent, 62)[:, None]
        to = ((old_first[:, None] + place[None, :]) >> by) - new_first[:, None]
        # All must be read before bins are emptied, and these emptied before they are filled.
        tl.debug_barrier()
        tl.store(begin + place[None, :], tl.zeros([G, B], tl.int64), real)
        tl.debug_barrier()
        # Bins without a count may be outside.
        tl.atomic_add(begin + to, count, real & (count > 0), sem="relaxed")


@triton.jit
def put(counts, more, lost, bins, inside, B: tl.constexpr):
    """Add a neuron's counts, of which `lost` in the first bin are of what does not count."""
    place = tl.arange(0, B)
    more = more.to(tl.int64) - tl.where(place == 0, lost, 0)
    real = (place < bins) & inside
    tl.store(counts + place, tl.load(counts + place, real, other=0) + more, real)


@triton.jit(do_not_specialize=["rows"])
def count_bins(addresses, counts, exponent, first, sums, rows, width, stride, bins,
               KIND: tl.constexpr, STEP: tl.constexpr,
               R: tl.constexpr, B: tl.constexpr):  # fmt: skip
    """Count finite values of 8 neurons in the bins that `widen` made. There are at most `B`."""
    layer = tl.program_id(1).to(tl.int64)
    first_column = tl.program_id(0) * 8
    column = first_column + tl.arange(0, 8)
    inside = column < width
    neuron = layer * width + column
    block = rows_at(tl.load(addresses + layer), KIND, STEP)
    scale = power(-tl.load(exponent + neuron, inside, other=0)).to(tl.float32)
    begin = tl.load(first + neuron, inside, other=0).to(tl.float32)
    step = tl.full([], R, tl.int64) * stride
    row = tl.arange(0, R)
    at = row[:, None] * stride + column[None, :]
    in_0 = tl.zeros([B], tl.int32)
    in_1, in_2, in_3, in_4, in_5, in_6, in_7 = in_0, in_0, in_0, in_0, in_0, in_0, in_0
    real = (row < rows)[:, None] & inside[None, :]
    coming = tl.load(block + at, real, other=float("nan"))
    for start in range(0, rows, R):
        value = coming.to(tl.float32)
        block += step
        ahead = (start + R + row < rows)[:, None] & inside[None, :]
        coming = tl.load(block + at, ahead, other=float("nan"))
        place = tl.floor(value * scale[None, :]) - begin[None, :]
        # What does not count is counted in the first bin, and taken out at the end.
        place = tl.where(tl.abs(value) < float("inf"), place, 0.0).to(tl.int32)
        even, odd = tl.split(tl.reshape(place, [R, 4, 2]))
        of_04, of_26 = tl.split(tl.reshape(even, [R, 2, 2]))
        of_15, of_37 = tl.split(tl.reshape(odd, [R, 2, 2]))
        of_0, of_4 = tl.split(of_04)
        of_2, of_6 = tl.split(of_26)
        of_1, of_5 = tl.split(of_15)
        of_3, of_7 = tl.split(of_37)
        in_0 += tl.histogram(of_0, B)
        in_1 += tl.histogram(of_1, B)
        in_2 += tl.histogram(of_2, B)
        in_3 += tl.histogram(of_3, B)
        in_4 += tl.histogram(of_4, B)
        in_5 += tl.histogram(of_5, B)
        in_6 += tl.histogram(of_6, B)
        in_7 += tl.histogram(of_7, B)
    sums += layer * width + first_column
    counts += (layer * width + first_column) * bins
    all_rows = tl.cdiv(rows, R) * R
    for number in tl.static_range(8):
        more = (in_0, in_1, in_2, in_3, in_4, in_5, in_6, in_7)[number]
        here = first_column + number < width
        lost = all_rows - tl.load(sums + number, here, other=0.0).to(tl.int64)
        put(counts + number * bins, more, lost, bins, here, B)
