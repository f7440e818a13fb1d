"""Fingerprints of data and of weights: equal for equal ones, and for no others that were tried."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from neuronwidgets.models.fingerprint import Fingerprint, weights_fingerprint


def test_data_that_differ_have_other_fingerprints() -> None:
    base = np.arange(6, dtype=np.float32)
    different: list[Any] = [
        None, 0, 1, 1.0, True, "1", b"1", "", [], [""], ["", ""], ["a", "b"], ["ab"], [["a"], "b"],
        base, base.reshape(2, 3), base.astype("f8"), base[::-1], torch.from_numpy(base).double(),
        torch.tensor(1.5), torch.zeros(0), torch.zeros(1), torch.zeros(2, dtype=torch.bfloat16),
        {"a": 1}, {"b": 1}, {"a": 1, "b": 1}, "é", "e\u0301", "\ud800", float("nan"), 1j,
        Image.new("L", (2, 3)), Image.new("L", (3, 2)), Image.new("RGB", (2, 3)),
        np.array(["a", None], object),
    ]  # fmt: skip
    fingerprints = [Fingerprint().add(value).hex() for value in different]
    assert len(set(fingerprints)) == len(different)
    assert fingerprints == [Fingerprint().add(value).hex() for value in different]
    assert Fingerprint().add(base[::2]).hex() == Fingerprint().add(base[::2].copy()).hex()


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(300, 7), nn.BatchNorm1d(7), nn.Linear(7, 3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_any_changed_weight_changes_the_fingerprint(dtype: torch.dtype) -> None:
    before = weights_fingerprint(model().to(dtype))
    assert before == weights_fingerprint(model().to(dtype))
    changed = model().to(dtype)
    seen = {before}
    for name, tensor in changed.state_dict().items():
        flat = tensor.view(-1)
        for place in {0, len(flat) // 2, len(flat) // 3 + 1, len(flat) - 1} - {len(flat)}:
            old = flat[place].clone()
            flat[place] += 1
            mark = weights_fingerprint(changed)
            assert mark not in seen, (name, place)
            seen.add(mark)
            flat[place] = old
    assert weights_fingerprint(changed) == before
    assert (
        len({weights_fingerprint(model().to(kind)) for kind in (torch.float32, torch.float16)}) == 2
    )


def test_views_empty_tensors_and_those_not_in_memory() -> None:
    odd = nn.Linear(3, 3, bias=False)
    whole = torch.randn(5, 3)
    odd.weight = nn.Parameter(whole[1:4])
    other = nn.Linear(3, 3, bias=False)
    other.weight = nn.Parameter(whole[1:4].clone())
    turned = nn.Linear(3, 3, bias=False)
    turned.weight = nn.Parameter(whole[1:4].T.contiguous().T)
    assert weights_fingerprint(odd) == weights_fingerprint(other) == weights_fingerprint(turned)
    empty = nn.Module()
    empty.register_buffer("none", torch.zeros(0))
    empty.register_buffer("one", torch.tensor(3, dtype=torch.int8))
    assert weights_fingerprint(empty)
    assert weights_fingerprint(nn.Linear(3, 3, device="meta")) != weights_fingerprint(
        nn.Linear(3, 4)
    )
    assert weights_fingerprint(nn.Identity())
