"""Each neuron's largest values, in a buffer that is cleared when it is full."""

# mypy: ignore-errors

from __future__ import annotations

import triton
import triton.language as tl

from neuronwidgets.capturing.collectors.kernels.rows import rows_at

_EMPTY = tl.constexpr((1 << 63) - 1)
_FIRST = tl.constexpr(-(1 << 63))
_LEAST = tl.constexpr(-(1 << 31))


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
