"""The kernels of a GPU give what the plain way gives: on a GPU, or in Triton's interpreter."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

if not torch.cuda.is_available():
    # Before Triton is imported: kernels then run on the CPU, in NumPy.
    os.environ["TRITON_INTERPRET"] = "1"
pytest.importorskip("triton")

from triton.runtime import interpreter

from neuronwidgets.capturing.collectors import Chunk, Collector, Histogram, Moments, Top, fused
from neuronwidgets.capturing.layer_collectors import LayerCollectors
from neuronwidgets.capturing.rows import LayerRows
from neuronwidgets.layer_splits.candidates import Candidates
from neuronwidgets.layer_splits.statistics import Mean

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
Blocks = Callable[[torch.Generator], list[torch.Tensor]]


def normal(
    random: torch.Generator, rows: int = 50, neurons: int = 2, layers: int = 2
) -> list[torch.Tensor]:
    return [torch.randn(rows, neurons, generator=random) for _ in range(layers)]


def with_values(*special: float) -> Blocks:
    def blocks(random: torch.Generator) -> list[torch.Tensor]:
        made = normal(random)
        for block in made:
            block[torch.rand(block.shape, generator=random) < 0.2] = special[0]
            for value in special[1:]:
                block[torch.rand(block.shape, generator=random) < 0.1] = value
        return made

    return blocks


def sliced(random: torch.Generator) -> list[torch.Tensor]:
    return [torch.randn(100, 6, generator=random)[::2, 1:3] for _ in range(2)]


CASES: dict[str, Blocks] = {
    "normal": normal,
    "bfloat16": lambda random: [block.bfloat16() for block in normal(random)],
    "float16": lambda random: [block.half() for block in normal(random)],
    "float64": lambda random: [block.double() for block in normal(random)],
    "NaN": with_values(torch.nan),
    "NaN and infinite": with_values(torch.nan, torch.inf, -torch.inf),
    "mostly -inf": lambda random: [block.fill_(-torch.inf) for block in normal(random)],
    "all NaN": lambda random: [block.fill_(torch.nan) for block in normal(random)],
    "zeros": with_values(0.0, -0.0),
    "all equal": lambda random: [torch.full((50, 2), 0.25)],
    "duplicates": lambda random: [block.round() for block in normal(random)],
    "ascending": lambda random: [block.sort(0).values for block in normal(random)],
    "descending": lambda random: [block.sort(0).values.flip(0) for block in normal(random)],
    "one row": lambda random: normal(random, rows=1),
    "one neuron": lambda random: normal(random, neurons=1, layers=1),
    "no neuron": lambda random: normal(random, neurons=0),
    "many neurons": lambda random: normal(random, rows=40, neurons=17, layers=1),
    "many rows": lambda random: normal(random, rows=300, neurons=33, layers=2),
    "strides": sliced,
    "columns": lambda random: [block.T.contiguous().T for block in normal(random)],
    "different strides": lambda random: [normal(random)[0], sliced(random)[0]],
    "unaligned": lambda random: [torch.randn(101, generator=random)[1:].view(50, 2)],
    "large": lambda random: [block * 1e38 for block in normal(random)],
    "far from 0": lambda random: [1e4 + block for block in normal(random)],
}
every_case = pytest.mark.parametrize("case", CASES)


@pytest.fixture(autouse=True)
def newer_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """From NumPy 2.4 on, an array of one number is none, which Triton's interpreter relies on."""
    patched = interpreter._patch_lang_tensor

    def patch(tensor: Any, scope: Any) -> None:
        patched(tensor, scope)
        scope.set_attr(tensor, "__index__", lambda self: int(self.handle.data.item()))

    monkeypatch.setattr(interpreter, "_patch_lang_tensor", patch)


@pytest.fixture(autouse=True)
def forced(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether kernels are used."""
    kernels = [True]
    monkeypatch.setattr(fused, "usable", lambda device: kernels[0] and device.type == DEVICE)
    return kernels


def chunks(case: str, batches: int = 2, order: Any = range(2)) -> list[Chunk]:
    made = []
    for number in range(batches):
        blocks = CASES[case](torch.Generator().manual_seed(number))
        at = torch.arange(len(blocks[0])) + len(blocks[0]) * number
        made.append(([block.to(DEVICE) for block in blocks], at // 7, at % 7))
    return [Chunk(*made[number], lasting=True) for number in order]


def both(make: Callable[[], Collector], parts: list[Chunk], forced: list[bool]) -> list[Collector]:
    """A collector by kernels and one in the plain way, on the CPU."""
    one, other = make(), make()
    for part in parts:
        forced[0] = True
        one.add(part)
        forced[0] = False
        other.add(part.to("cpu"))
    return [one, other]


def same_tops(one: Collector, other: Collector) -> None:
    mine, its = one.result(), other.result()
    for name in ("values", "sample", "position", "nan"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(its, name), name)
    assert mine.seen == its.seen


@pytest.mark.parametrize(
    "case",
    [name for name in CASES if name not in ("normal", "float16", "all NaN", "large", "far from 0")],
)
def test_top(case: str, forced: list[bool]) -> None:
    one, other = both(lambda: Top(16), chunks(case), forced)
    same_tops(one, other)


@pytest.mark.parametrize("k", [9, 40, 300])
def test_top_of_any_size(k: int, forced: list[bool]) -> None:
    one, other = both(lambda: Top(k), chunks("duplicates"), forced)
    same_tops(one, other)


@every_case
def test_moments(case: str, forced: list[bool]) -> None:
    one, other = both(Moments, chunks(case), forced)
    mine, its = one.result(), other.result()
    for name in ("count", "least", "most", "active", "excluded"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(its, name), name)
    for name in ("mean", "variance", "skewness", "kurtosis"):
        np.testing.assert_allclose(getattr(mine, name), getattr(its, name), 1e-9, 1e-9, name)


def test_moments_if_the_first_rows_are_unlike_the_rest(forced: list[bool]) -> None:
    rows = 1e3 + torch.randn(2000, 2, dtype=torch.float64, generator=torch.Generator())
    rows = rows.float()
    rows[:16] = 0
    one, other = both(Moments, [Chunk(rows.to(DEVICE), torch.arange(2000))], forced)
    for name in ("mean", "variance", "skewness", "kurtosis"):
        mine, its = getattr(one.result(), name), getattr(other.result(), name)
        np.testing.assert_allclose(mine, its, 1e-9, 1e-9, name)


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("case", ["normal", "bfloat16", "float64", "far from 0", "strides"])
def test_mean(case: str, absolute: bool, forced: list[bool]) -> None:
    one, other = both(lambda: Mean(absolute), chunks(case), forced)
    np.testing.assert_allclose(one.result(), other.result(), 1e-12, 1e-12)


@every_case
def test_histogram(case: str, forced: list[bool]) -> None:
    one, other = both(lambda: Histogram(37), chunks(case), forced)
    mine, its = one.result(), other.result()
    for name in ("counts", "start", "width", "least", "most", "excluded"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(its, name), name)


@pytest.mark.parametrize("case", ["duplicates", "NaN and infinite"])
def test_top_in_any_order(case: str, forced: list[bool]) -> None:
    one, other = both(lambda: Top(16), chunks(case, order=[1, 0]), forced)
    same_tops(one, other)
    backward = []
    for part in chunks(case):
        blocks = [block.flip(0) for block in part.blocks]
        assert part.position is not None
        backward.append(Chunk(blocks, part.sample.flip(0), part.position.flip(0), lasting=True))
    one, other = both(lambda: Top(16), backward, forced)
    same_tops(one, other)


@pytest.mark.parametrize("first", [0, 1])
def test_top_changes_its_way_and_merges(first: int, forced: list[bool]) -> None:
    parts = chunks("duplicates", 4, [0, 1, 2, 3])
    _, whole = both(lambda: Top(20), parts, forced)
    changing, rest = Top(20), Top(20)
    for number, part in enumerate(parts[:3]):
        forced[0] = number % 2 == first
        changing.add(part if forced[0] else part.to("cpu"))
    forced[0] = first == 1
    for part in parts[3:]:
        rest.add(part)
    stored = pickle.loads(pickle.dumps(changing))
    stored.merge(rest)
    same_tops(stored, whole)


def same_candidates(one: Collector, other: Collector) -> None:
    mine, its = one.result(), other.result()
    for name in ("keys", "activations", "least", "minimum", "shared", "first"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(its, name), name)
    assert mine.seen == its.seen


def with_copies(random: torch.Generator) -> list[torch.Tensor]:
    """Rows of which most are copies."""
    return [block[torch.randint(25, (50,), generator=random)] for block in normal(random)]


CASES["copies"] = with_copies


@pytest.mark.parametrize(
    "case",
    [
        "bfloat16",
        "float64",
        "zeros",
        "all equal",
        "ascending",
        "one row",
        "many rows",
        "strides",
        "copies",
    ],
)
def test_candidates(case: str, forced: list[bool]) -> None:
    made = []
    for kernels in (True, False):
        forced[0] = kernels
        first = CASES[case](torch.Generator())
        layers = [f"layer {number}" for number in range(len(first))]
        collecting = LayerCollectors(layers, [Candidates(8)], None)
        for part in chunks(case):
            position = None if part.position is None else part.position.cpu().numpy()
            rows = [
                LayerRows(layer, block, part.sample.cpu().numpy(), position)
                for layer, block in zip(layers, part.blocks, strict=True)
            ]
            collecting.add(rows)
        made.append([collecting.collectors[layer][0] for layer in layers])
    for one, other in zip(*made, strict=True):
        same_candidates(one, other)


@pytest.mark.parametrize("case", ["copies"])
def test_candidates_in_any_order_merge(case: str, forced: list[bool]) -> None:
    parts = [next(part.layers()) for part in chunks(case, 4, [3, 1, 0, 2])]
    one, other = both(lambda: Candidates(8), parts, forced)
    same_candidates(one, other)
    merged, rest = Candidates(8), Candidates(8)
    for number, part in enumerate(parts):
        forced[0] = number % 2 == 0
        (merged if number < 2 else rest).add(part if forced[0] else part.to("cpu"))
    stored = pickle.loads(pickle.dumps(merged))
    assert set(vars(stored)) == set(vars(other))
    stored.merge(rest)
    same_candidates(stored, other)
