"""Marks of data and of weights: equal for equal ones, and for no others that were tried."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from neuronwidgets.models.fingerprint import Mark, weights_mark


def test_data_that_differ_have_other_marks() -> None:
    base = np.arange(6, dtype=np.float32)
    different: list[Any] = [
        None, 0, 1, 1.0, True, "1", b"1", "", [], [""], ["", ""], ["a", "b"], ["ab"], [["a"], "b"],
        base, base.reshape(2, 3), base.astype("f8"), base[::-1], torch.from_numpy(base).double(),
        torch.tensor(1.5), torch.zeros(0), torch.zeros(1), torch.zeros(2, dtype=torch.bfloat16),
        {"a": 1}, {"b": 1}, {"a": 1, "b": 1}, "é", "e\u0301", "\ud800", float("nan"), 1j,
        Image.new("L", (2, 3)), Image.new("L", (3, 2)), Image.new("RGB", (2, 3)),
        np.array(["a", None], object),
    ]  # fmt: skip
    marks = [Mark().add(value).hex() for value in different]
    assert len(set(marks)) == len(different)
    assert marks == [Mark().add(value).hex() for value in different]
    assert Mark().add(base[::2]).hex() == Mark().add(base[::2].copy()).hex()


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(300, 7), nn.BatchNorm1d(7), nn.Linear(7, 3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_any_changed_weight_changes_the_mark(dtype: torch.dtype) -> None:
    before = weights_mark(model().to(dtype))
    assert before == weights_mark(model().to(dtype))
    changed = model().to(dtype)
    seen = {before}
    for name, tensor in changed.state_dict().items():
        flat = tensor.view(-1)
        for place in {0, len(flat) // 2, len(flat) // 3 + 1, len(flat) - 1} - {len(flat)}:
            old = flat[place].clone()
            flat[place] += 1
            mark = weights_mark(changed)
            assert mark not in seen, (name, place)
            seen.add(mark)
            flat[place] = old
    assert weights_mark(changed) == before
    assert len({weights_mark(model().to(kind)) for kind in (torch.float32, torch.float16)}) == 2


def test_views_empty_tensors_and_those_not_in_memory() -> None:
    odd = nn.Linear(3, 3, bias=False)
    whole = torch.randn(5, 3)
    odd.weight = nn.Parameter(whole[1:4])
    other = nn.Linear(3, 3, bias=False)
    other.weight = nn.Parameter(whole[1:4].clone())
    turned = nn.Linear(3, 3, bias=False)
    turned.weight = nn.Parameter(whole[1:4].T.contiguous().T)
    assert weights_mark(odd) == weights_mark(other) == weights_mark(turned)
    empty = nn.Module()
    empty.register_buffer("none", torch.zeros(0))
    empty.register_buffer("one", torch.tensor(3, dtype=torch.int8))
    assert weights_mark(empty)
    assert weights_mark(nn.Linear(3, 3, device="meta")) != weights_mark(nn.Linear(3, 4))
    assert weights_mark(nn.Identity())
