"""Kernels in Triton that read a batch's rows once. `fused` launches them.

A program owns some neurons of a layer and takes the rows in order, a tile at a time: so programs
need neither atomics nor each other, and the result does not depend on their order.

What all kernels take: `addresses`, int64 `L`, where each layer's rows begin; `rows`, their number;
`width`, the neurons of a layer; `stride`, from one row to the next; `KIND`, their dtype; `STEP`,
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
_LEAST = tl.constexpr(-(1 << 31))


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
def first_step(span):
    """The largest power of two that is at most a span of 0 to 2^63 - 1, or 1."""
    step = span * 0 + 1
    while step <= span // 2:
        step *= 2
    return step


@triton.jit
def largest(code, place, k):
    """Which are the `k` largest of int32 codes, ties by int64 places: bool `W`.

    Also the least of them, and the largest place that it has. Both are found bit by bit.
    """
    limit = tl.min(code.to(tl.int64))
    step = first_step(tl.max(code.to(tl.int64)) - limit)
    while step > 0:
        if tl.sum((code >= limit + step).to(tl.int32)) >= k:
            limit += step
        step = step // 2
    above, equal = code > limit, code == limit
    wanted = k - tl.sum(above.to(tl.int32))
    # The `wanted`-th place of equal ones.
    last = tl.max(tl.where(equal, place, _FIRST))
    if tl.sum(equal.to(tl.int32)) > wanted:
        least = tl.min(tl.where(equal, place, _EMPTY))
        step = first_step(last - least)
        last = least
        while step > 0:
            if tl.sum((equal & (place < last + step)).to(tl.int32)) < wanted:
                last += step
            step = step // 2
    chosen = above | (equal & (place < last))
    same = equal & (place == last)
    rest = k - tl.sum(chosen.to(tl.int32))
    chosen = chosen | (same & (tl.cumsum(same.to(tl.int32), 0) <= rest))
    return chosen, limit.to(tl.int32), last


@triton.jit
def copies(code, place, row_hash, values, places, hashes, count):
    """Which entries have the value and the hash of one of smaller place: bool `W`.

    `values`, `places` and `hashes` are where the `count` entries are kept.
    """
    short = (row_hash ^ (row_hash >> 32)).to(tl.int32)
    alike = tl.zeros_like(short)
    for slot in range(0, count):
        other = tl.load(hashes + slot)
        alike += (short == (other ^ (other >> 32)).to(tl.int32)).to(tl.int32)
    copy = place < _FIRST
    # Each is like itself.
    if tl.max(tl.where(place < _EMPTY, alike, 0)) > 1:
        for slot in range(0, count):
            same = (row_hash == tl.load(hashes + slot)) & (tl.load(places + slot) < place)
            copy = copy | (same & (code == in_order(tl.load(values + slot))))
    return copy


@triton.jit(noinline=True)
def clear(values, places, hashes, used, bound, bound_place, columns, k, slots, few,
          DISTINCT: tl.constexpr, W: tl.constexpr):  # fmt: skip
    """Reduce the buffers of the first `columns` neurons that have more than `few` entries to their
    `k` largest values.

    With `DISTINCT`, the `k` largest of rows with different hashes stay too, and give the bound.
    """
    tl.debug_barrier()
    slot = tl.arange(0, W)
    for column in range(0, columns):
        count = tl.load(used + column)
        if count > few:
            begin = column * slots
            real = slot < count
            value = tl.load(values + begin + slot, real, other=float("-inf"))
            place = tl.load(places + begin + slot, real, other=_EMPTY)
            code = in_order(value)
            chosen, limit, latest = largest(code, place, k)
            full = tl.max(tl.where(chosen, place, _FIRST)) < _EMPTY
            row_hash = place
            if DISTINCT:
                row_hash = tl.load(hashes + begin + slot, real, other=0)
                copy = copies(code, place, row_hash, values + begin, places + begin,
                              hashes + begin, count)  # fmt: skip
                other = tl.where(copy, _EMPTY, place)
                different, limit, latest = largest(tl.where(copy, _LEAST, code), other, k)
                full = tl.max(tl.where(different, other, _FIRST)) < _EMPTY
                chosen = (chosen | different) & (place < _EMPTY)
            to = begin + tl.cumsum(chosen.to(tl.int32), 0) - 1
            # No thread may write before all have read.
            tl.debug_barrier()
            tl.store(values + to, value, chosen & real)
            tl.store(places + to, place, chosen & real)
            if DISTINCT:
                tl.store(hashes + to, row_hash, chosen & real)
                tl.store(used + column, tl.sum(chosen.to(tl.int64)))
                # Without `k` of them, an earlier bound stays: all in the buffer exceed it.
                if full:
                    tl.store(bound + column, as_value(limit))
                    tl.store(bound_place + column, latest)
            else:
                rest = (slot >= k) & (slot < slots)
                tl.store(values + begin + slot, tl.full([W], float("-inf"), tl.float32), rest)
                tl.store(places + begin + slot, tl.full([W], _EMPTY, tl.int64), rest)
                tl.store(used + column, k.to(tl.int64))
                tl.store(bound + column, tl.where(full, as_value(limit), float("nan")))
                tl.store(bound_place + column, latest)
    tl.debug_barrier()


@triton.jit
def state_at(state, which, layer, KIND: tl.constexpr):
    """Where a layer's part of the state begins."""
    return tl.load(state + which * tl.num_programs(1) + layer).to(tl.pointer_type(KIND))


@triton.jit(do_not_specialize=["rows"])
def append(addresses, state, keys, row_hashes, sums, rows, width, stride, k, slots, few,
           KIND: tl.constexpr, STEP: tl.constexpr, TIES: tl.constexpr, DISTINCT: tl.constexpr,
           R: tl.constexpr, C: tl.constexpr, W: tl.constexpr):  # fmt: skip
    """Append what exceeds the bound of its neuron to its buffer of `slots`, at most `W`.

    When a buffer is full, those of more than `few` entries are cleared. So many rows as a tile has
    must then fit: `R` is at most `slots - few`. `state` is where each layer's part of the state
    begins: int64 `S x L`; see `fused.append`.

    With `DISTINCT`, entries have their rows' hashes, int64 `L x N`, and the minimum of each neuron
    in `sums` is compared with the one before.
    """
    layer = tl.program_id(1).to(tl.int64)
    first = tl.program_id(0) * C
    own = tl.arange(0, C)
    column = first + own
    inside = column < width
    values = state_at(state, 0, layer, tl.float32) + first.to(tl.int64) * slots
    places = state_at(state, 1, layer, tl.int64) + first.to(tl.int64) * slots
    used = state_at(state, 2, layer, tl.int64) + first
    bound = state_at(state, 3, layer, tl.float32) + first
    bound_place = state_at(state, 4, layer, tl.int64) + first
    hashes = places
    limit = tl.load(bound + own, inside, other=float("inf"))
    limit_place = tl.load(bound_place + own, inside, other=_FIRST)
    count = tl.load(used + own, inside, other=0).to(tl.int32)
    nans = tl.zeros([C], tl.int32)
    if DISTINCT:
        hashes = state_at(state, 5, layer, tl.int64) + first.to(tl.int64) * slots
        row_hashes += layer * rows
        least = state_at(state, 6, layer, tl.float32) + column
        old = tl.load(least, inside, other=0.0)
        lowest = sums + 5 * tl.num_programs(1).to(tl.int64) * width + layer * width + column
        low = tl.load(lowest, inside, other=0.0).to(tl.float32)
        less = inside & (low < old)
        searching = tl.max(less.to(tl.int32)) > 0
        lowest_row = tl.full([C], 0x7FFFFFFF, tl.int32)
        lows = tl.zeros([C], tl.int32)
    block = rows_at(tl.load(addresses + layer), KIND, STEP)
    step = tl.full([], R, tl.int64) * stride
    row = tl.arange(0, R)
    at = row[:, None] * stride + column[None, :]
    coming = tl.load(block + at, (row < rows)[:, None] & inside[None, :], other=float("-inf"))
    buffer = own[None, :] * slots
    for start in range(0, rows, R):
        real = (start + row < rows)[:, None] & inside[None, :]
        value = coming.to(tl.float32)
        # On its way while this tile is looked at.
        block += step
        ahead = (start + R + row < rows)[:, None] & inside[None, :]
        coming = tl.load(block + at, ahead, other=float("-inf"))
        if DISTINCT:  # noqa: SIM102
            if searching:
                equal = (value == low[None, :]) & real
                lows += tl.sum(equal.to(tl.int32), 0)
                there = tl.where(equal, (start + row)[:, None], 0x7FFFFFFF)
                lowest_row = tl.minimum(lowest_row, tl.min(there, 0))
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
                tl.store(used + own, count.to(tl.int64), inside)
                clear(values, places, hashes, used, bound, bound_place,
                      tl.minimum(width - first, C), k, slots, few, DISTINCT, W)  # fmt: skip
                limit = tl.load(bound + own, inside, other=float("inf"))
                limit_place = tl.load(bound_place + own, inside, other=_FIRST)
                count = tl.load(used + own, inside, other=0).to(tl.int32)
                enters = ((value <= limit[None, :]) == 0) & real & (is_nan == 0)
                if TIES:
                    earlier = key[:, None] < limit_place[None, :]
                    enters = enters | ((value == limit[None, :]) & earlier & real)
                more = tl.sum(enters.to(tl.int32), 0)
            to = buffer + count[None, :] + tl.cumsum(enters.to(tl.int32), 0) - 1
            tl.store(values + to, value, enters)
            tl.store(places + to, tl.broadcast_to(key[:, None], [R, C]), enters)
            if DISTINCT:
                row_hash = tl.load(row_hashes + start + row, start + row < rows, other=0)
                tl.store(hashes + to, tl.broadcast_to(row_hash[:, None], [R, C]), enters)
            count += more
    tl.store(used + own, count.to(tl.int64), inside)
    if DISTINCT:
        least_place = state_at(state, 7, layer, tl.int64) + column
        shared = state_at(state, 8, layer, tl.int8) + column
        tl.store(least, low, less)
        tl.store(least_place, tl.load(keys + lowest_row, less, other=0), less)
        several = tl.where(less, (lows > 1).to(tl.int8), 1)
        tl.store(shared, several, inside & (low <= old))
    else:
        nan = state_at(state, 5, layer, tl.int64) + column
        tl.store(nan, tl.load(nan, inside, other=0) + nans, inside)


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
