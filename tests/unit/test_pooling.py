"""From a layer's raw output to rows of neurons, against naive loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import neuronwidgets as nw
from neuronwidgets.models.outputs import tensor_of
from neuronwidgets.models.pooling import pooled

LENGTH, WIDTH = 7, 4
REAL = [7, 4, 3, 5, 2]


def padded(left: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Values with NaN at padding, the mask, and the content (first and last real token special;
    the last text has nothing but special tokens)."""
    values = torch.randn(len(REAL), LENGTH, WIDTH, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(len(REAL), LENGTH, dtype=torch.bool)
    content = mask.clone()
    for row, real in enumerate(REAL):
        start = LENGTH - real if left else 0
        mask[row, start : start + real] = True
        content[row, start + 1 : start + real - 1] = True
    values[~mask] = torch.nan
    return values, mask, content


def naive(
    values: torch.Tensor, mask: torch.Tensor, content: torch.Tensor, pooling: str
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    rows, where = [], []
    for i in range(len(values)):
        real = [p for p in range(LENGTH) if mask[i, p]]
        inner = [p for p in real if content[i, p]] or real
        tokens = values[i].double().numpy()
        if pooling == "mean":
            rows.append(sum(tokens[p] for p in inner) / len(inner))
        elif pooling == "max":
            rows.append(np.array([max(tokens[p][d] for p in inner) for d in range(WIDTH)]))
        elif pooling == "last":
            rows.append(tokens[real[-1]])
        elif pooling == "cls":
            rows.append(tokens[real[0]])
        else:
            rows.extend(tokens[p] for p in inner)
            where.extend((i, p) for p in inner)
    return np.array(rows), where


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("pooling", ["mean", "max", "last", "cls", "token"])
def test_units_are_the_naive_loops(pooling: str, left: bool) -> None:
    values, mask, content = padded(left)
    rows, where = pooled(values, pooling, mask, content, "fc")
    expected, places = naive(values, mask, content, pooling)
    np.testing.assert_allclose(rows, expected, atol=1e-6)
    assert (where is not None) == (pooling == "token")
    if where is not None:
        assert [tuple(place) for place in where.tolist()] == places


@pytest.mark.parametrize("pooling", ["mean", "max", "last", "cls", "token"])
def test_without_a_mask_or_with_one_of_another_length_every_position_counts(pooling: str) -> None:
    values = torch.randn(2, 5, 3)
    other = torch.zeros(2, 9, dtype=torch.bool)
    rows, _ = pooled(values, pooling, None, None, "fc")
    again, _ = pooled(values, pooling, other, other, "fc")
    torch.testing.assert_close(rows, again)
    expected = {
        "mean": values.mean(1),
        "max": values.amax(1),
        "last": values[:, -1],
        "cls": values[:, 0],
        "token": values.flatten(0, 1),
    }
    torch.testing.assert_close(rows, expected[pooling])


def widened_first(values: torch.Tensor, read: torch.Tensor, pooling: str) -> torch.Tensor:
    """The mean or the maximum of positions that are all made float32, and copied, before."""
    wide, read = values.float(), read[..., None]
    if pooling == "max":
        return wide.masked_fill(~read, -torch.inf).amax(1)
    return wide.masked_fill(~read, 0).sum(1) / read.float().sum(1)


@pytest.mark.parametrize("pooling", ["mean", "max"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("order", ["positions", "neurons", "a part"])
@pytest.mark.parametrize("whole", [True, False])
def test_the_bits_are_those_of_rows_widened_and_copied(
    pooling: str, dtype: torch.dtype, order: str, whole: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    if order == "neurons":  # as of a convolution
        values = torch.randn(5, 70, 121, generator=generator).to(dtype).transpose(1, 2)
    else:
        values = torch.randn(5, 122, 70, generator=generator).to(dtype)[:, 1:]
        values = values.contiguous() if order == "positions" else values
    mask = torch.ones(5, 121, dtype=torch.bool)
    if not whole:
        mask[:, 100:] = torch.rand(5, 21, generator=generator) < 0.5
        values = values.masked_fill(~mask[..., None], torch.nan) if order != "a part" else values
    rows, _ = pooled(values, pooling, mask, None, "fc")
    assert rows.dtype == (dtype if pooling == "max" else torch.float32)
    assert torch.equal(rows.float(), widened_first(values, mask, pooling))


@pytest.mark.parametrize("pooling", ["mean", "max", "last", "cls"])
def test_a_row_of_padding_has_nothing_to_reduce(pooling: str) -> None:
    mask = torch.tensor([[True, True], [False, False]])
    with pytest.raises(ValueError, match=f"row 1 of a batch is padding only.*no '{pooling}'"):
        pooled(torch.zeros(2, 2, 3), pooling, mask, mask, "fc")


def test_a_row_of_padding_has_no_tokens() -> None:
    mask = torch.tensor([[True, True], [False, False]])
    rows, where = pooled(torch.zeros(2, 2, 3), "token", mask, mask, "fc")
    assert where is not None
    assert where.tolist() == [[0, 0], [0, 1]]
    assert rows.shape == (2, 3)


def test_one_vector_per_sample_is_a_row() -> None:
    values = torch.randn(4, 3)
    for pooling in ("mean", "max"):
        rows, where = pooled(values, pooling, None, None, "fc")
        assert rows is values
        assert where is None
    for pooling in ("token", "last", "cls"):
        with pytest.raises(ValueError, match=f"no '{pooling}': use pooling='mean'"):
            pooled(values, pooling, None, None, "fc")


def test_the_tensor_of_an_output() -> None:
    tensor = torch.zeros(2, 3)
    for output in (tensor, (tensor, None), [None, tensor], {"a": None, "b": tensor}):
        assert tensor_of(output, "fc") is tensor
    for output in (None, "text", (None,), {}, 3.0):
        with pytest.raises(ValueError, match=r"layer 'fc' returns a .* without a tensor"):
            tensor_of(output, "fc")


def test_the_former_word_works_and_warns() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 2))
    with pytest.warns(DeprecationWarning, match="unit= is deprecated.*use pooling="):
        acts = nw.capture(model, torch.zeros(4, 5, 3), "0", unit="max", progress=False)
    assert acts.pooling == "max"
    with pytest.warns(DeprecationWarning, match="use Activations.pooling"):
        assert acts.unit == "max"
    with pytest.raises(TypeError, match="pass pooling= only"):
        nw.capture(model, torch.zeros(4, 5, 3), "0", unit="max", pooling="max")
