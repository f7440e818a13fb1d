"""Rows in float16 and bfloat16: as the model gave them, and as if they were widened first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.activations.store.encode import as_array
from neuronwidgets.activations.store.shards import read_shard
from neuronwidgets.capturing.first import FirstTokens
from neuronwidgets.capturing.forward import ForwardPasses
from neuronwidgets.capturing.reader import LayerReader
from neuronwidgets.capturing.rows import LayerRows, ToHost
from neuronwidgets.data.batch import Batch
from neuronwidgets.models.pooling import POOLINGS

DTYPES = ("float32", "bfloat16", "float16", "float64")
HALVES = ("bfloat16", "float16")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


class Widened(nn.Module):
    """What captures did to all rows before they pooled them."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.float()


class Texts(nn.Module):
    """Token ids -> a layer, the same in float32."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.fc, self.wide = nn.Embedding(40, 24), nn.Linear(24, 70), Widened()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.wide(self.fc(self.embed(input_ids)))


class Images(nn.Module):
    """Images -> a layer whose neurons are no last axis, the same in float32."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.wide = nn.Conv2d(3, 70, 3), Widened()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.wide(self.fc(x))


def texts(padded: bool = True) -> list[dict[str, torch.Tensor]]:
    generator, batches = torch.Generator().manual_seed(0), []
    for length in (9, 5, 12):
        ids = torch.randint(0, 40, (6, length), generator=generator)
        real = torch.arange(length) < length - torch.arange(6)[:, None] % 4
        batches.append(
            {"input_ids": ids, "attention_mask": (real if padded else real | True).int()}
        )
    return batches


def made(kind: str, dtype: str) -> tuple[nn.Module, list[Any]]:
    """A model in `dtype` and its data."""
    torch.manual_seed(0)
    if kind == "images":
        data = [torch.randn(4, 3, 8, 7).to(getattr(torch, dtype)) for _ in range(3)]
        return Images().to(getattr(torch, dtype)).eval(), data
    return Texts().to(getattr(torch, dtype)).eval(), texts(kind == "padded")


def read(model: nn.Module, data: Any, layer: Any, pooling: str, **options: Any) -> Any:
    return nw.capture(model, data, layer, pooling, progress=False, first=True, **options)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["padded", "unpadded", "images"])
def test_the_bits_are_those_of_rows_widened_first(kind: str, dtype: str, pooling: str) -> None:
    model, data = made(kind, dtype)
    both = read(model, data, ["fc", "wide"], pooling)
    alone = read(model, data, "fc", pooling)
    assert alone.values.dtype == np.float32
    for acts in (alone, both["fc"]):
        np.testing.assert_array_equal(acts.values, both["wide"].values)


@pytest.mark.parametrize("pooling", ["mean", "token"])
@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("stored", ["float32", "bfloat16", "float16", "int8"])
def test_so_are_the_bytes_on_disk(stored: str, dtype: str, pooling: str, tmp_path: Path) -> None:
    model, data = made("padded", dtype)
    read(model, data, ["fc", "wide"], pooling, out=tmp_path, dtype=stored)
    mine, widened = (path.read_bytes() for path in sorted(tmp_path.rglob("*.safetensors")))
    assert mine == widened


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_only_means_are_widened_before_the_collectors(dtype: str, pooling: str) -> None:
    model, data = made("padded", dtype)
    reader = LayerReader(model, {"fc": model.get_submodule("fc")})
    passes = ForwardPasses(reader, pooling, 1, FirstTokens(["fc"], pooling, True))
    ids, mask = data[0].values()
    batch = Batch(data[0], len(ids), mask.bool())
    with torch.no_grad():
        (rows,) = passes(batch, np.arange(len(ids)), None)
    kept = dtype in HALVES and pooling != "mean"
    assert rows.values.dtype == (getattr(torch, dtype) if kept else torch.float32)


@pytest.mark.parametrize("dtype", HALVES)
def test_a_store_has_the_bits_that_the_model_gave(dtype: str, tmp_path: Path) -> None:
    model, data = made("unpadded", dtype)
    read(model, data, "fc", "token", out=tmp_path, dtype=dtype)
    with torch.no_grad():
        given = [model.fc(model.embed(batch["input_ids"])).flatten(0, 1) for batch in data]
    (path,) = tmp_path.rglob("*.safetensors")
    np.testing.assert_array_equal(read_shard(path)["values"], as_array(torch.cat(given)))


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("stored", [True, False])
def test_a_cpu_copies_nothing(dtype: str, stored: bool) -> None:
    values = torch.randn(5, 4).to(getattr(torch, dtype))
    rows = LayerRows("fc", values, np.arange(5), None)
    ((_, (host,)),) = ToHost(dtype if stored else None, "refuse").push(None, [rows])
    assert np.shares_memory(host.arrive(), as_array(values))
    assert not host.own
    assert host.nbytes == host.arrive().nbytes == 5 * 4 * 2
    # A GPU's memory is not held by what was read from it.
    assert not host.rows.values.numel()


@pytest.mark.parametrize("dtype", HALVES)
def test_finite_rows_are_told_by_their_bits(dtype: str) -> None:
    kind = getattr(torch, dtype)
    most = torch.finfo(kind)
    special = [0.0, -0.0, most.max, most.min, most.tiny, -most.smallest_normal, torch.inf,
               -torch.inf, torch.nan]  # fmt: skip
    values = torch.zeros(len(special), 3, dtype=kind)
    values[:, 1] = torch.tensor(special, dtype=kind)
    negative = values.clone()
    negative[:, 1] = (negative[:, 1].view(torch.int16) | -32768).view(kind)
    values = torch.cat([values, negative, torch.randn(50, 3).to(kind)])
    rows = LayerRows("fc", values, np.arange(len(values)), None)
    assert torch.equal(rows.finite(), values.float().isfinite().all(1))
    assert not LayerRows("fc", values.T, np.arange(3), None).finite()[1]


def test_means_of_float16_are_summed_in_float32() -> None:
    values = torch.full((2, 9, 3), 60_000.0, dtype=torch.float16)
    acts = read(nn.Sequential(nn.Identity()), [values], "0", "mean", neuron_axis=2)
    np.testing.assert_array_equal(acts.values, values[:, 0].float())


@pytest.mark.parametrize("dtype", HALVES)
def test_rows_that_are_not_finite_are_left_out(dtype: str, tmp_path: Path) -> None:
    model, data = made("images", dtype)
    data[1][2] = torch.nan
    for options in ({}, {"out": tmp_path, "dtype": dtype}):
        acts = read(model, data, "fc", "max", nonfinite="exclude", **options)
        expected = read(model, data, "wide", "max", nonfinite="exclude")
        assert acts.excluded.tolist() == [[6, -1]]
        np.testing.assert_array_equal(np.asarray(acts.values), expected.values)


@needs_gpu
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_gpu_gives_what_the_cpu_gives(dtype: str, pooling: str, tmp_path: Path) -> None:
    kind = getattr(torch, dtype)
    generator = torch.Generator().manual_seed(0)
    data = [torch.randn(8, 6, 33, generator=generator).to(kind) for _ in range(7)]
    cpu = nn.Sequential(nn.Identity())
    gpu = nn.Sequential(nn.Linear(1, 1)).to("cuda", kind)
    gpu[0].forward = lambda x: x
    options: dict[str, Any] = {"neuron_axis": 2, "batch_axis": 0}
    expected = read(cpu, data, "0", pooling, **options).values
    found = read(gpu, data, "0", pooling, **options).values
    if pooling != "mean":
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    for stored in ("float32", "bfloat16", "float16"):
        acts = read(gpu, data, "0", pooling, out=tmp_path / stored, dtype=stored, **options)
        narrow = torch.from_numpy(found).to(getattr(torch, stored)).float()
        np.testing.assert_array_equal(np.asarray(acts.values), narrow)


@needs_gpu
def test_a_gpu_holds_no_rows_that_have_left_it() -> None:
    width, count = 4096, 40
    model = nn.Sequential(nn.Linear(8, width)).to("cuda", torch.bfloat16)
    data = [torch.randn(512, 8).bfloat16() for _ in range(count)]
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    acts = nw.capture(model, data, "0", progress=False)
    used = torch.cuda.max_memory_allocated() - before
    assert len(acts) == 512 * count
    assert used < 10 * 512 * width * 2
