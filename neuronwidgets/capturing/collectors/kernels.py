"""Kernels in Triton that read a batch's rows once. `fused` launches them.

A program owns some neurons of a layer and takes the rows in order, a tile at a time: so programs
need neither atomics nor each other, and the result does not depend on their order.

What all kernels take: `addresses`, int64 `L`, where each layer's rows begin; `rows`, their number;
`width`, the neurons of a layer; `stride`, from one row to the next; `KIND`, the rows' dtype; `STEP`,
a power of two that divides all addresses, in bytes; `R` and `C`, the rows and columns of a tile.
"""

# mypy: ignore-errors

from __future__ import annotations

import torch
import triton
import triton.language as tl

KINDS = {torch.float32: tl.float32, torch.float16: tl.float16, torch.bfloat16: tl.bfloat16}
"""Triton's name of each dtype that rows have."""

_EMPTY = tl.constexpr((1 << 63) - 1)
_FIRST = tl.constexpr(-(1 << 63))


@triton.jit
def rows_at(address, KIND: tl.constexpr, STEP: tl.constexpr):
    """The rows that begin at an address, of which the compiler knows what divides it."""
    return tl.multiple_of(address.to(tl.pointer_type(KIND)), STEP)


@triton.jit
def in_order(values):
    """int32 that are in the order of float32 values. 0.0 and -0.0 are equal."""
    bits = (values + 0.0).to(tl.int32, bitcast=True)
    return tl.where(bits < 0, bits ^ 0x7FFFFFFF, bits)


@triton.jit
def as_value(code):
    """The value of an `in_order`."""
    return tl.where(code < 0, code ^ 0x7FFFFFFF, code).to(tl.float32, bitcast=True)


@triton.jit
def largest(code, place, k, N: tl.constexpr):
    """Which of each row are the `k` largest: bool `N x W` of int32 codes and int64 places.

    Ties go to the smaller place. Also the least code of those, and the largest place with it.
    """
    limit = tl.full([N], -(1 << 31), tl.int32)
    for bit in range(32):
        higher = limit + (tl.full([N], 1, tl.int32) << (31 - bit))
        enough = tl.sum((code >= higher[:, None]).to(tl.int32), 1) >= k
        limit = tl.where(enough, higher, limit)
    above, equal = code > limit[:, None], code == limit[:, None]
    wanted = k - tl.sum(above.to(tl.int32), 1)
    last = tl.full([N], _EMPTY, tl.int64)
    if tl.max(tl.sum(equal.to(tl.int32), 1) - wanted) > 0:
        last = tl.full([N], _FIRST, tl.int64)
        for bit in range(64):
            higher = last + (tl.full([N], 1, tl.int64) << (63 - bit))
            before = equal & (place < higher[:, None])
            last = tl.where(tl.sum(before.to(tl.int32), 1) < wanted, higher, last)
    chosen = above | (equal & (place < last[:, None]))
    same = equal & (place == last[:, None])
    rest = k - tl.sum(chosen.to(tl.int32), 1)
    chosen = chosen | (same & (tl.cumsum(same.to(tl.int32), 1) <= rest[:, None]))
    latest = tl.max(tl.where(chosen & equal, place, _FIRST), 1)
    return chosen, limit, latest


@triton.jit
def clear_top(values, places, bound, bound_place, columns, k, slots,
              C: tl.constexpr, W: tl.constexpr, G: tl.constexpr):  # fmt: skip
    """Reduce the buffers of the first `columns` neurons to their `k` largest values."""
    tl.debug_barrier()
    slot = tl.arange(0, W)
    for start in range(0, tl.minimum(columns, C), G):
        column = start + tl.arange(0, G)
        inside = column < tl.minimum(columns, C)
        at = column[:, None] * slots + slot[None, :]
        real = inside[:, None] & (slot < slots)[None, :]
        value = tl.load(values + at, real, other=float("-inf"))
        place = tl.load(places + at, real, other=_EMPTY)
        chosen, limit, latest = largest(in_order(value), place, k, G)
        full = tl.max(tl.where(chosen, place, _FIRST), 1) < _EMPTY
        to = column[:, None] * slots + tl.cumsum(chosen.to(tl.int32), 1) - 1
        # No thread may write before all have read.
        tl.debug_barrier()
        tl.store(values + to, value, chosen & real)
        tl.store(places + to, place, chosen & real)
        rest = real & (slot >= k)[None, :]
        tl.store(values + at, tl.full([G, W], float("-inf"), tl.float32), rest)
        tl.store(places + at, tl.full([G, W], _EMPTY, tl.int64), rest)
        tl.store(bound + column, tl.where(full, as_value(limit), float("nan")), inside)
        tl.store(bound_place + column, latest, inside)
    tl.debug_barrier()


@triton.jit(do_not_specialize=["rows"])
def top(addresses, keys, values, places, used, bound, bound_place, nan,
        rows, width, stride, k, slots,
        KIND: tl.constexpr, STEP: tl.constexpr, TIES: tl.constexpr,
        R: tl.constexpr, C: tl.constexpr, W: tl.constexpr, G: tl.constexpr):  # fmt: skip
    """Append what exceeds the bound of its neuron to its buffer of `slots`, at most `W`.

    A buffer that is full is cleared, `G` neurons at a time. See `Top` for the state. `R` is at most
    `slots - k`: so many fit into a buffer that was cleared.
    """
    layer = tl.program_id(1).to(tl.int64)
    start_column = tl.program_id(0) * C
    column = start_column + tl.arange(0, C)
    inside = column < width
    first = layer * width + start_column
    neuron = layer * width + column
    block = rows_at(tl.load(addresses + layer), KIND, STEP)
    limit = tl.load(bound + neuron, inside, other=float("inf"))
    limit_place = tl.load(bound_place + neuron, inside, other=_FIRST)
    count = tl.load(used + neuron, inside, other=0).to(tl.int32)
    nans = tl.zeros([C], tl.int32)
    step = tl.full([], R, tl.int64) * stride
    row = tl.arange(0, R)
    at = row[:, None] * stride + column[None, :]
    coming = tl.load(block + at, (row < rows)[:, None] & inside[None, :], other=float("-inf"))
    buffer = (column - start_column)[None, :] * slots
    values += first * slots
    places += first * slots
    for start in range(0, rows, R):
        real = (start + row < rows)[:, None] & inside[None, :]
        value = coming.to(tl.float32)
        # On its way while this tile is looked at.
        block += step
        ahead = (start + R + row < rows)[:, None] & inside[None, :]
        coming = tl.load(block + at, ahead, other=float("-inf"))
        # "value > limit" would miss NaN, which is counted, and a limit of NaN.
        enters = ((value <= limit[None, :]) == 0) & real
        if TIES:
            key = tl.load(keys + start + row, start + row < rows, other=_EMPTY)
            earlier = key[:, None] < limit_place[None, :]
            enters = enters | ((value == limit[None, :]) & earlier & real)
        if tl.max(enters.to(tl.int32)) > 0:
            key = tl.load(keys + start + row, start + row < rows, other=_EMPTY)
            is_nan = (value != value) & real
            nans += tl.sum(is_nan.to(tl.int32), 0)
            enters = enters & (is_nan == 0)
            more = tl.sum(enters.to(tl.int32), 0)
            if tl.max(count + more) > slots:
                clear_top(values, places, bound + first, bound_place + first, width - start_column,
                          k, slots, C, W, G)  # fmt: skip
                limit = tl.load(bound + neuron, inside, other=float("inf"))
                limit_place = tl.load(bound_place + neuron, inside, other=_FIRST)
                count = tl.where(inside, k, 0)
                enters = ((value <= limit[None, :]) == 0) & real & (is_nan == 0)
                if TIES:
                    earlier = key[:, None] < limit_place[None, :]
                    enters = enters | ((value == limit[None, :]) & earlier & real)
                more = tl.sum(enters.to(tl.int32), 0)
            to = buffer + count[None, :] + tl.cumsum(enters.to(tl.int32), 0) - 1
            tl.store(values + to, value, enters)
            tl.store(places + to, tl.broadcast_to(key[:, None], [R, C]), enters)
            count += more
    tl.store(used + neuron, count.to(tl.int64), inside)
    tl.store(nan + neuron, tl.load(nan + neuron, inside, other=0) + nans, inside)


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
    coming = tl.load(block + at, real, other=0)
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
        coming = tl.load(block + at, (start + R + row < rows)[:, None] & inside[None, :], other=0)
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


@triton.jit(do_not_specialize=["rows"])
def count_bins(addresses, counts, exponent, first, rows, width, stride, bins,
               KIND: tl.constexpr, STEP: tl.constexpr,
               R: tl.constexpr, C: tl.constexpr):  # fmt: skip
    """Count finite values in the bins that `widen` made."""
    layer = tl.program_id(1).to(tl.int64)
    column = tl.program_id(0) * C + tl.arange(0, C)
    inside = column < width
    neuron = layer * width + column
    block = rows_at(tl.load(addresses + layer), KIND, STEP)
    scale = power(-tl.load(exponent + neuron, inside, other=0)).to(tl.float32)
    begin = tl.load(first + neuron, inside, other=0).to(tl.float32)
    own = counts + (neuron * bins)[None, :]
    ones = tl.full([R, C], 1, tl.int64)
    step = tl.full([], R, tl.int64) * stride
    row = tl.arange(0, R)
    at = row[:, None] * stride + column[None, :]
    for start in range(0, rows, R):
        real = (start + row < rows)[:, None] & inside[None, :]
        # What is not there counts as little as what is not finite.
        value = tl.load(block + at, real, other=float("nan")).to(tl.float32)
        block += step
        place = tl.floor(value * scale[None, :]) - begin[None, :]
        finite = tl.abs(value) < float("inf")
        place = tl.where(finite, place, 0.0).to(tl.int32)
        tl.atomic_add(own + place, ones, finite, sem="relaxed")
