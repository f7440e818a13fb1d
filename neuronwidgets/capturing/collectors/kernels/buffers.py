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


@triton.jit
def lowest_bit(word):
    """The number of the lowest bit of int64 that are not 0: by the exponent of its value."""
    power = (word & (0 - word)).to(tl.uint64, bitcast=True).to(tl.float64)
    return ((power.to(tl.int64, bitcast=True) >> 52) - 1023).to(tl.int32)


@triton.jit(do_not_specialize=["rows"])
def mark(addresses, state, keys, sums, marks, lowest, rows, width, stride,
         KIND: tl.constexpr, STEP: tl.constexpr, TIES: tl.constexpr, DISTINCT: tl.constexpr,
         C: tl.constexpr):  # fmt: skip
    """Mark the rows that exceed the bounds of neurons, 32 rows in a word: int32 `L x G x D`.

    NaN exceeds all. With `DISTINCT`, the first row of each new minimum is found: `lowest`, int32
    `2 x L x D`, gets the number of rows from it on, and over 1 where several rows have the minimum.
    See `fused.append` for the state.
    """
    layer = tl.program_id(1).to(tl.int64)
    blocks = tl.cdiv(width, C)
    group = tl.program_id(0) // blocks
    column = tl.program_id(0) % blocks * C + tl.arange(0, C)
    inside = column < width
    neurons = tl.num_programs(1).to(tl.int64) * width
    neuron = layer * width + column
    block = rows_at(tl.load(addresses + layer), KIND, STEP)
    limit = tl.load(state_at(state, 3, layer, tl.float32) + column, inside, other=float("inf"))
    if TIES:
        place = state_at(state, 4, layer, tl.int64) + column
        limit_place = tl.load(place, inside, other=_FIRST)
    if DISTINCT:
        old = tl.load(state_at(state, 6, layer, tl.float32) + column, inside, other=0.0)
        low = tl.load(sums + 5 * neurons + neuron, inside, other=0.0).to(tl.float32)
        less = low < old
    found = tl.zeros([C], tl.int32)
    equal = tl.zeros([C], tl.int32)
    for part in tl.static_range(4):
        number = part * 8 + tl.arange(0, 8)
        row = group * 32 + number
        at = row.to(tl.int64)[:, None] * stride + column[None, :]
        value = tl.load(block + at, (row < rows)[:, None] & inside[None, :], other=0)
        value = value.to(tl.float32)
        # "value > limit" would miss NaN, which is counted, and a limit of NaN, which is none.
        enters = (value <= limit[None, :]) == 0
        if TIES:
            key = tl.load(keys + row, row < rows, other=_EMPTY)
            enters = enters | ((value == limit[None, :]) & (key[:, None] < limit_place[None, :]))
        bit = (tl.full([8], 1, tl.int32) << number)[:, None]
        found += tl.sum(tl.where(enters, bit, 0), 0)
        if DISTINCT:
            equal += tl.sum(tl.where(value == low[None, :], bit, 0), 0)
    rest = rows - group * 32
    real = tl.where(rest < 32, (1 << tl.minimum(rest, 31)) - 1, -1)
    tl.store(marks + (layer * tl.cdiv(rows, 32) + group) * width + column, found & real, inside)
    if DISTINCT:
        equal = tl.where(less, equal & real, 0)
        if tl.max((equal != 0).to(tl.int32)) > 0:
            some = equal != 0
            left = rows - group * 32 - lowest_bit(equal.to(tl.int64) & 0xFFFFFFFF)
            several = tl.where((equal & (equal - 1)) == 0, 1, 2)
            tl.atomic_max(lowest + neuron, left, some, sem="relaxed")
            tl.atomic_add(lowest + neurons + neuron, several, some, sem="relaxed")


@triton.jit
def marks_at(marks, width, group, groups, inside):
    """The marks of 64 rows: int64 `C`. `width` is int64."""
    low = tl.load(marks + group * width, inside & (group < groups), other=0)
    high = tl.load(marks + (group + 1) * width, inside & (group + 1 < groups), other=0)
    return (low.to(tl.int64) & 0xFFFFFFFF) | (high.to(tl.int64) << 32)


@triton.jit(do_not_specialize=["rows"])
def append(addresses, state, keys, row_hashes, marks, lowest, sums, rows, width, stride, k, slots,
           few, KIND: tl.constexpr, STEP: tl.constexpr, DISTINCT: tl.constexpr, C: tl.constexpr,
           W: tl.constexpr):  # fmt: skip
    """Append what `mark` has marked to the buffers of `C` neurons, of `slots` (at most `W`) each.

    When one is full, those of more than `few` entries are cleared. `state` is where each layer's
    part of the state begins: int64 `S x L`; see `fused.append`. With `DISTINCT`, entries have
    their rows' hashes, int64 `L x N`, and minima are taken over.
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
    if DISTINCT:
        hashes = state_at(state, 5, layer, tl.int64) + first.to(tl.int64) * slots
        row_hashes += layer * rows
    count = tl.load(used + own, inside, other=0).to(tl.int32)
    nans = tl.zeros([C], tl.int32)
    block = rows_at(tl.load(addresses + layer), KIND, STEP) + column
    groups = tl.cdiv(rows, 32)
    marks += layer * groups * width + column
    buffer = own * slots
    wide = tl.full([], 1, tl.int64) * width
    # On its way while the one before is looked at.
    next_low = marks_at(marks, wide, 0, groups, inside)
    next_high = marks_at(marks, wide, 2, groups, inside)
    for group in range(0, groups, 4):
        low, high = next_low, next_high
        next_low = marks_at(marks, wide, group + 4, groups, inside)
        next_high = marks_at(marks, wide, group + 6, groups, inside)
        while tl.max(((low | high) != 0).to(tl.int32)) > 0:
            # The first marked row of each neuron.
            in_low = low != 0
            enters = in_low | (high != 0)
            row = group * 32 + lowest_bit(tl.where(in_low, low, high)) + tl.where(in_low, 0, 64)
            high = tl.where(in_low, high, high & (high - 1))
            low &= low - 1
            if tl.max(tl.where(enters, count, 0)) >= slots:
                tl.store(used + own, count.to(tl.int64), inside)
                clear(values, places, hashes, used, bound, bound_place,
                      tl.minimum(width - first, C), k, slots, few, DISTINCT, W)  # fmt: skip
                count = tl.load(used + own, inside, other=0).to(tl.int32)
            to = buffer + count
            value = tl.load(block + row.to(tl.int64) * stride, enters, other=0).to(tl.float32)
            nans += (value != value).to(tl.int32)
            enters = enters & (value == value)
            tl.store(values + to, value, enters)
            tl.store(places + to, tl.load(keys + row, enters, other=0), enters)
            if DISTINCT:
                tl.store(hashes + to, tl.load(row_hashes + row, enters, other=0), enters)
            count += enters.to(tl.int32)
    tl.store(used + own, count.to(tl.int64), inside)
    if DISTINCT:
        neurons = tl.num_programs(1).to(tl.int64) * width
        neuron = layer * width + column
        least = state_at(state, 6, layer, tl.float32) + column
        least_place = state_at(state, 7, layer, tl.int64) + column
        shared = state_at(state, 8, layer, tl.int8) + column
        old = tl.load(least, inside, other=0.0)
        low_value = tl.load(sums + 5 * neurons + neuron, inside, other=0.0).to(tl.float32)
        less = inside & (low_value < old)
        row = rows - tl.load(lowest + neuron, less, other=1)
        several = tl.load(lowest + neurons + neuron, less, other=0) > 1
        tl.store(least, low_value, less)
        tl.store(least_place, tl.load(keys + row, less, other=0), less)
        tl.store(shared, tl.where(less, several.to(tl.int8), 1), inside & (low_value <= old))
    else:
        nan = state_at(state, 5, layer, tl.int64) + column
        tl.store(nan, tl.load(nan, inside, other=0) + nans, inside)


@triton.jit
def clear_buffers(state, width, k, slots, few, DISTINCT: tl.constexpr, W: tl.constexpr):
    """Clear the buffers of more than `few` entries, one of a neuron in each program."""
    layer = tl.program_id(1).to(tl.int64)
    column = tl.program_id(0)
    begin = column.to(tl.int64) * slots
    values = state_at(state, 0, layer, tl.float32) + begin
    places = state_at(state, 1, layer, tl.int64) + begin
    used = state_at(state, 2, layer, tl.int64) + column
    hashes = places
    if DISTINCT:
        hashes = state_at(state, 5, layer, tl.int64) + begin
    bound = state_at(state, 3, layer, tl.float32) + column
    bound_place = state_at(state, 4, layer, tl.int64) + column
    if tl.load(used) > few:
        clear(values, places, hashes, used, bound, bound_place, 1, k, slots, few, DISTINCT, W)
