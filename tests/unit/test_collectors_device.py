"""Collectors do not keep a device waiting: few reads and kernels, however many layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from neuronwidgets.capturing.collectors import (
    Chunk,
    Collector,
    Histogram,
    Moments,
    Reservoir,
    Top,
    chunk,
    entering,
    histogram,
    top,
)
from neuronwidgets.capturing.layer_collectors import LayerCollectors
from neuronwidgets.capturing.rows import LayerRows

WAITS = {"_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "equal", "_unique2"}
"""Operations after which the process waits for a GPU."""


class DeviceTop(Top):
    """`Top` as it works on a GPU: it makes room before it knows how many values enter."""

    _per_neuron: ClassVar[Any] = Top._per_neuron
    _ahead = True


class Operations(TorchDispatchMode):
    """Counts torch's operations, and the values of the largest float32 or float64 result."""

    def __init__(self) -> None:
        super().__init__()
        self.names, self.largest = Counter[str](), 0

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        indices = args[1] if name in ("index", "index_put", "index_put_") else ()
        if any(index is not None and index.dtype == torch.bool for index in indices):
            name = "nonzero"
        self.names[name] += 1
        if isinstance(result, torch.Tensor) and result.dtype in (torch.float32, torch.float64):
            self.largest = max(self.largest, result.numel())
        return result


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Operations, list[int]]]:
    """Operations, and how many numbers each read of the device gave."""
    reads: list[int] = []
    read = chunk.read

    def counting(numbers: torch.Tensor) -> list[Any]:
        reads.append(numbers.numel())
        return read(numbers)

    with monkeypatch.context() as patch:
        for module in (chunk, entering, histogram, top):
            patch.setattr(module, "read", counting)
        with Operations() as operations:
            yield operations, reads


def batch(
    layers: int, number: int, rows: int = 64, neurons: int = 16, dtype: torch.dtype = torch.float32
) -> list[LayerRows]:
    random = torch.Generator().manual_seed(number)
    order = np.arange(number * rows, (number + 1) * rows)
    return [
        LayerRows(
            f"layer {layer}",
            torch.randn(rows, neurons, generator=random).to(dtype),
            order // 4,
            order % 4,
            order % 3,
        )
        for layer in range(layers)
    ]


def collectors_of(layers: int, *collectors: Collector, nonfinite: str | None = None) -> Any:
    names = [f"layer {layer}" for layer in range(layers)]
    return LayerCollectors(names, collectors, nonfinite)


def same(a: Any, b: Any) -> None:
    """Equal to the bit, but for moments, which are sums in another order."""
    assert type(a) is type(b)
    if isinstance(a, np.ndarray) and a.dtype == np.float64:
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    elif isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, list):
        for one, other in zip(a, b, strict=True):
            same(one, other)
    elif hasattr(a, "__dict__"):
        for name, value in vars(a).items():
            same(value, getattr(b, name))
    else:
        assert a == b


@pytest.mark.parametrize("make", [lambda: DeviceTop(5), Moments, lambda: Histogram(16)])
def test_nothing_waits_and_layers_share_kernels(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kernels, waits = [], []
    for layers in (1, 12):
        collectors = collectors_of(layers, make())
        for number in range(12):
            collectors.add(batch(layers, number))
        rows = batch(layers, 12)
        with counted(monkeypatch) as (operations, reads):
            collectors.add(rows)
        assert not WAITS & {*operations.names}
        kernels.append(operations.names.total())
        waits.append(len(reads))
        assert sum(reads) <= 3
    assert waits[0] == waits[1] <= 2
    assert kernels[1] <= 3 * kernels[0]


def test_all_collectors_of_a_pass_wait_three_times(monkeypatch: pytest.MonkeyPatch) -> None:
    collectors = collectors_of(12, DeviceTop(5), Moments(), Histogram(16))
    for number in range(12):
        collectors.add(batch(12, number))
    rows = batch(12, 12)
    with counted(monkeypatch) as (operations, reads):
        collectors.add(rows)
    assert not WAITS & {*operations.names}
    assert len(reads) == 3


def test_narrow_batches_are_widened_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    collectors = collectors_of(5, DeviceTop(40), Moments(), Histogram(16))
    sizes = 1024, 1024, torch.bfloat16
    for number in range(2):
        collectors.add(batch(5, number, *sizes))
    rows = batch(5, 2, *sizes)
    with counted(monkeypatch) as (operations, _):
        collectors.add(rows)
    values = 5 * 1024 * 1024
    assert 0 < operations.largest <= chunk.scratch(torch.device("cpu")) < values


@pytest.mark.parametrize("nonfinite", [None, "exclude"])
@pytest.mark.parametrize("odd", [False, True])
def test_layers_side_by_side_are_as_each_by_itself(nonfinite: str | None, odd: bool) -> None:
    kinds = Top(7), Moments(), Moments(by_label=True), Histogram(16), Reservoir(9)
    together = collectors_of(3, *kinds, nonfinite=nonfinite)
    alone = [collectors_of(3, *kinds, nonfinite=nonfinite) for _ in range(3)]
    for number in range(9):
        rows = batch(3, number)
        if odd and number % 4 == 2:
            rows[1].values[5, 3], rows[1].values[6, 2] = torch.nan, torch.inf
        # As after a pass that did not fit into memory.
        rows += batch(3, 100 + number, rows=7) if number == 5 else []
        together.add(rows)
        for layer, collectors in enumerate(alone):
            collectors.add(rows[layer::3])
        if number == 3:
            together.resume(together.state())
        if number in (4, 8):
            for layer, collectors in enumerate(alone):
                name = f"layer {layer}"
                same(together.results(name), collectors.results(name))


def test_a_subclass_keeps_a_state_of_its_own() -> None:
    class Batches(Moments):
        def add(self, chunk: Chunk) -> None:
            super().add(chunk)
            self.batches = [*getattr(self, "batches", []), len(chunk.blocks)]

    collectors = collectors_of(2, Batches())
    collectors.add(batch(2, 0))
    assert [one[0].batches for one in collectors.collectors.values()] == [[1], [1]]


@pytest.mark.parametrize("share", [1.0, 0.01, 1e-4])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("room", ["enough", "too little"])
def test_a_guess_finds_what_asking_finds(share: float, ties: bool, room: str) -> None:
    random = torch.Generator().manual_seed(0)
    values = torch.randn(2, 301, 9, generator=random).mul(4).round()
    values[:, 7, 2:4] = torch.nan
    order = torch.arange(301)
    rows = Chunk([*values], order.flip(0), order % 3)
    limit = torch.full((18,), 11.0 if room == "enough" else -3.0)
    limit[5] = torch.nan
    bound = entering.Bound(limit, torch.full((18,), 100 << 24), ties)
    used = torch.arange(18)
    asked, guessed = (entering.entering(rows, bound, used, share, ahead) for ahead in (False, True))
    assert asked is not None
    assert guessed is not None
    wide = torch.cat([*values], 1)
    enters = (wide > limit) | limit.isnan() & ~wide.isnan()
    if ties:
        enters |= (wide == limit) & (rows.key[:, None] < 100 << 24)
    row, neuron = enters.nonzero().T
    expected = {*zip(neuron.tolist(), wide[enters].tolist(), rows.key[row].tolist(), strict=True)}
    for found in (asked, guessed):
        columns = found.neuron, found.values, found.keys
        assert {*zip(*(column.tolist() for column in columns), strict=True)} == expected
        assert len(found.neuron) == len(expected)
        assert found.counts.tolist() == enters.sum(0).tolist()
        assert found.nan.tolist() == wide.isnan().sum(0).tolist()
        assert found.fullest == int((used + enters.sum(0)).amax())


@pytest.mark.parametrize("kind", ["normal", "relu", "rising", "falling", "nan", "constant"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_top_that_guesses_is_top(kind: str, dtype: torch.dtype) -> None:
    random = torch.Generator().manual_seed(0)
    rows = torch.randn(4000, 6, generator=random)
    order = torch.arange(4000)
    change = {
        "normal": lambda: rows,
        "relu": lambda: rows.relu(),
        "rising": lambda: rows + order[:, None] / 9,
        "falling": lambda: rows - order[:, None] / 9,
        "nan": lambda: torch.where(torch.rand(rows.shape, generator=random) < 0.3, torch.nan, rows),
        "constant": lambda: torch.ones_like(rows),
    }
    rows = change[kind]().to(dtype)
    asks, guesses = Top(20), DeviceTop(20)
    for part in order.split(333):
        for one in (asks, guesses):
            one.add(Chunk([rows[part, :3], rows[part, 3:]], part // 7, part % 7))
    same(asks.result(), guesses.result())
