"""Targets of training data as labels: classes in any form, and what is no class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import neuronwidgets as nw

X = torch.randn(120, 5, generator=torch.Generator().manual_seed(0))
VALUES = torch.linspace(-1.3, 2.7, 120)


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4), nn.ReLU())


def hooked(model: nn.Module, layer: str, *inputs: Any) -> np.ndarray:
    """The layer's output, by a hook of torch."""
    kept = []
    handle = model.get_submodule(layer).register_forward_hook(lambda *a: kept.append(a[2]))
    with torch.no_grad():
        model.eval()(*inputs)
    handle.remove()
    return kept[0].numpy()


def read(model: nn.Module, data: Any, **options: Any) -> nw.Activations:
    acts = nw.capture(model, data, layer="1", batch_size=16, **options)
    assert isinstance(acts, nw.Activations)
    np.testing.assert_allclose(acts.values, hooked(model, "1", X[: len(acts)]), atol=1e-6)
    return acts


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize(
    "data",
    [
        TensorDataset(X, VALUES),
        DataLoader(TensorDataset(X, VALUES), 16),
        list(zip(X, VALUES.tolist(), strict=True)),
        [{"x": X, "label": VALUES}],
    ],
)
def test_targets_of_a_regression_are_no_labels(
    model: nn.Module, data: Any, stored: bool, tmp_path: Path
) -> None:
    out = {"out": tmp_path} if stored else {}
    with pytest.warns(UserWarning, match=r"targets are measurements .*no sample has a label") as w:
        acts = read(model, data, **out)
    assert (len(w), acts.labels, acts.label_names) == (1, None, ())
    if stored:  # again: the folder knows it
        assert read(model, data, **out).labels is None


def test_labels_that_the_user_gives_are_classes(model: nn.Module) -> None:
    data = TensorDataset(X, VALUES)
    with pytest.raises(ValueError, match="labels are measurements"):
        read(model, data, labels=VALUES)
    acts = read(model, data, labels=VALUES > 0)
    assert acts.labels is not None
    assert acts.labels.tolist() == (VALUES > 0).long().tolist()
    with pytest.raises(ValueError, match=r"Moments\(by_label=True\) needs labels"), \
            pytest.warns(UserWarning, match="measurements"):  # fmt: skip
        nw.capture(model, data, layer="1", collect=nw.Moments(by_label=True))
