"""What holds for every collector: the same result for any batches, order and merging."""

from __future__ import annotations

import inspect
import pickle
import re
import textwrap
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neuronwidgets.capturing.collectors import (
    Chunk,
    Coactivation,
    Collector,
    Histogram,
    Moments,
    Reservoir,
    Rows,
    Top,
    fused,
)
from neuronwidgets.capturing.collectors.chunk import POSITIONS
from neuronwidgets.capturing.layer_collectors import LayerCollectors

Make = Callable[[], Collector]
KINDS: dict[str, Make] = {
    "top": lambda: Top(4),
    "top all": lambda: Top(1000),
    "moments": Moments,
    "moments by label": lambda: Moments(by_label=True),
    "histogram": lambda: Histogram(16),
    "reservoir": lambda: Reservoir(10),
    "coactivation": Coactivation,
    "rows": Rows,
}
every = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)


def example() -> type[Collector]:
    """The collector that the docstring of `Collector` shows."""
    text = inspect.getdoc(Collector) or ""
    found = re.search(r"^    class Active.*?(?=^\S)", text, re.M | re.S)
    assert found
    source = textwrap.dedent(found[0])
    assert len([line for line in source.splitlines() if line.strip()]) <= 10
    exec(source, globals())  # here, so that pickle finds it
    return globals()["Active"]


KINDS["example"] = example()


def same(a: Any, b: Any) -> None:
    """Equal results, up to rounding in float64."""
    assert type(a) is type(b)
    if hasattr(a, "__dataclass_fields__"):
        for field in fields(a):
            same(getattr(a, field.name), getattr(b, field.name))
    elif isinstance(a, np.ndarray) and a.dtype == np.float64:
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
    else:
        np.testing.assert_array_equal(a, b)


def chunk(count: int = 5, neurons: int = 3, **columns: Any) -> Chunk:
    rows = torch.randn(count, neurons, generator=torch.Generator().manual_seed(1))
    order = torch.arange(count)
    return Chunk(rows, **({"sample": order, "position": order, "label": order} | columns))


@every
@given(seed=st.integers(0, 10**9), cut=st.integers(0, 10**9))
def test_batches_order_and_merging_do_not_matter(
    make: Make, rows_of: Any, tear: Any, seed: int, cut: int
) -> None:
    rows = rows_of(seed)
    whole = make()
    whole.add(rows)
    same(whole.result(), tear(make, rows, cut).result())


@every
def test_merging_leaves_the_other_as_it_was(make: Make) -> None:
    first, second, third = make(), make(), make()
    second.add(chunk())
    third.add(chunk())
    before = pickle.dumps(second.result())
    first.merge(second)
    first.merge(make())
    same(first.result(), second.result())
    first.add(chunk())
    third.merge(second)
    assert pickle.dumps(second.result()) == before
    same(first.result(), third.result())


@every
def test_rows_may_change_afterwards(make: Make) -> None:
    one, other, rows = make(), make(), chunk()
    one.add(rows)
    other.add(chunk())
    result = one.result()
    kept = pickle.dumps(result)
    rows.rows.fill_(9)
    for column in (rows.sample, rows.position, rows.label):
        assert column is not None
        column.fill_(7)
    same(one.result(), other.result())
    one.add(rows)
    assert pickle.dumps(result) == kept


@every
def test_empty_chunks_change_nothing(make: Make) -> None:
    one, other = make(), make()
    other.add(chunk())
    one.add(chunk(0))
    one.add(chunk())
    one.add(chunk(0))
    same(one.result(), other.result())


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_narrow_rows_are_as_their_float32(make: Make, dtype: torch.dtype) -> None:
    narrow = chunk().rows.to(dtype)
    one, other = make(), make()
    order = torch.arange(5)
    one.add(Chunk(narrow, order, order, order))
    other.add(Chunk(narrow.float(), order, order, order))
    same(one.result(), other.result())


@every
def test_rows_in_any_layout(make: Make) -> None:
    one, other, rows = make(), make(), chunk(60, 5)
    flipped = Chunk(rows.rows.T.contiguous().T, rows.sample, rows.position, rows.label)
    for _ in range(2):
        one.add(flipped)
        other.add(rows)
    same(one.result(), other.result())


def test_a_chunk_on_another_device_reads_its_keys_here(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = chunk(6, sample=torch.arange(6), position=torch.arange(6)).to("meta")
    assert rows.device == rows.key.device == rows.position.device == torch.device("meta")
    assert rows.span == (0, 5 * (POSITIONS + 1))
    assert rows.ascending
    assert [len(part) for part in rows.doubling(1)] == [1, 1, 2, 2]
    assert [part.span[0] // POSITIONS for part in rows.doubling(1)] == [0, 1, 2, 4]
    assert [*rows.doubling(6)] == [rows]
    monkeypatch.setattr(fused, "rows_at_once", lambda neurons: 12 // neurons)
    assert [len(part) for part in rows.doubling(6)] == [4, 2]


@every
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_the_same_on_a_gpu(make: Make) -> None:
    one, other = make(), make()
    for part in range(4):
        rows = chunk(600, 5, sample=torch.arange(600) + 600 * part)
        one.add(rows)
        other.add(rows.to("cuda"))
    same(one.result(), other.result())
    stored = pickle.loads(pickle.dumps(other))
    stored.add(rows)
    one.add(rows)
    same(one.result(), stored.result())


@every
def test_inference_mode_and_autocast_do_not_matter(make: Make) -> None:
    one, other = make(), make()
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        one.add(chunk(600))
        one.merge(make())
    one.result()
    one.add(chunk(600))
    other.add(chunk(600))
    other.add(chunk(600))
    same(one.result(), other.result())


@pytest.mark.parametrize("make", [m for n, m in KINDS.items() if n not in ("example",)])
def test_what_does_not_belong_together_is_refused(make: Make) -> None:
    with pytest.raises(ValueError, match="has seen no rows"):
        make().result()
    one, other = make(), make()
    one.add(chunk())
    with pytest.raises(ValueError, match="3 neurons, as the rows before, got 4"):
        one.add(chunk(neurons=4))
    with pytest.raises(ValueError, match="has no positions and the rows before had some"):
        one.add(chunk(position=None))
    other.add(chunk(neurons=4))
    with pytest.raises(ValueError, match=r"other collector must have 3 neurons, .* got 4"):
        one.merge(other)
    with pytest.raises(TypeError, match=r"only a .* got a Active"):
        one.merge(example()())


@pytest.mark.parametrize(
    ("one", "other", "name"),
    [
        (Top(3), Top(4), "k"),
        (Moments(), Moments(by_label=True), "by_label"),
        (Histogram(16), Histogram(32), "bins"),
        (Reservoir(5), Reservoir(5, seed=1), "seed"),
        (Coactivation(), Coactivation(1), "threshold"),
    ],
)
def test_other_settings_do_not_merge(one: Collector, other: Collector, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be equal to merge, got .* here"):
        one.merge(other)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"rows": torch.zeros(3)}, "rows must be floats, .* got torch.float32 of shape \\(3,\\)"),
        ({"rows": torch.zeros(2, 2, dtype=torch.int64)}, "rows must be floats, .* got torch.int64"),
        (
            {"sample": torch.arange(3)},
            "sample must have .* the 2 rows, got torch.int64 of shape \\(3,\\)",
        ),
        ({"position": torch.zeros(2)}, "position must have .* got torch.float32"),
        ({"label": torch.zeros(2, 1, dtype=torch.int64)}, "label must have one whole number"),
    ],
)
def test_a_wrong_chunk_is_refused(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Chunk(**({"rows": torch.zeros(2, 2), "sample": torch.arange(2)} | columns))


@pytest.mark.parametrize("bad", [0, -1, 1.5, True, "3"])
@pytest.mark.parametrize("make", [Top, Histogram, Reservoir])
def test_a_wrong_size_is_refused(make: Callable[[Any], Collector], bad: Any) -> None:
    with pytest.raises(ValueError, match=r"must be (a positive|an) integer"):
        make(bad)


def test_the_example_counts() -> None:
    one = example()()
    one.add(Chunk(torch.tensor([[2.0, 0], [2, 2], [0, 0], [0, 0]]), torch.arange(4)))
    np.testing.assert_allclose(one.result(), [0.5, 0.25])


def test_states_of_version_0_1_are_read() -> None:
    """Its package was called `capture`."""
    collectors = LayerCollectors(["fc"], [], None)
    collectors.resume(b"cneuronwidgets.capture.collectors.top\nTop\n.")
    assert collectors.collectors is Top
