"""Arguments of edits do what they say, or are refused with what would be right."""

from __future__ import annotations

import inspect
import json
import linecache
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.interventions.masks import neuron_numbers, range_edit
from neuronwidgets.interventions.positions import (
    as_json,
    from_json,
    position_indices,
    token_positions,
)


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.emb, self.layer = nn.Embedding(9, 4), nn.Linear(4, 4)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.layer(self.emb(ids))


IDS = torch.tensor([[1, 2, 3, 4, 5], [5, 4, 3, 2, 1]])


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    return Tokens().eval()


def moved(model: nn.Module, **options: Any) -> list[int]:
    """The positions at which steering changes the output."""
    with torch.no_grad():
        base = model(IDS)
        with nw.steer(model, "layer", np.ones(4), 2.0, **options):
            change = (model(IDS) - base).abs().amax((0, 2))
    return torch.nonzero(change > 1e-3).flatten().tolist()


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        (None, [0, 1, 2, 3, 4]), (-1, [4]), (2, [2]), ([0, -1], [0, 4]), ((1, 1, -4), [1]),
        (slice(2, None), [2, 3, 4]), (slice(None, None, 2), [0, 2, 4]), (range(1, 3), [1, 2]),
        (np.array([0, 3]), [0, 3]), (torch.tensor([1]), [1]), (np.int64(2), [2]), ([9, 1], [1]),
        ([], []),
    ],
)  # fmt: skip
def test_positions(model: nn.Module, positions: Any, expected: list[int]) -> None:
    assert moved(model, positions=positions) == expected


@pytest.mark.parametrize(
    "positions", [[False, True], np.array([True] * 5), torch.tensor([True]), True, [0.5], "all"]
)
def test_positions_that_are_none_are_refused(model: nn.Module, positions: Any) -> None:
    with pytest.raises(ValueError, match="positions must be whole numbers"):
        moved(model, positions=positions)


def test_positions_in_a_file() -> None:
    for given in (None, (1, -2), slice(2, None), slice(None, -1, 2)):
        assert from_json(as_json(token_positions(given))) == given
    assert position_indices(slice(-2, None), 5, torch.device("cpu")).tolist() == [3, 4]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "3", None, [1.0, 2.0], True])
def test_numbers_that_are_not_finite_are_refused(model: nn.Module, value: Any) -> None:
    with (
        pytest.raises(ValueError, match="strength must be a finite number, got"),
        nw.steer(model, "layer", np.ones(4), value),
    ):
        pass
    with (
        pytest.raises(ValueError, match="factor must be a finite number, got"),
        nw.mask_neurons(model, "layer", [1], replacement="factor", factor=value),
    ):
        pass


def masked(model: nn.Module, neurons: Any, **options: Any) -> list[int]:
    """The neurons that are zero."""
    with torch.no_grad(), nw.mask_neurons(model, "layer", neurons, **options):
        return torch.nonzero((model(IDS) == 0).all(0).all(0)).flatten().tolist()


def test_neurons_of_a_layer(model: nn.Module) -> None:
    assert masked(model, [1, 3]) == [1, 3]
    assert masked(model, 2) == [2]
    assert masked(model, np.array([0])) == masked(model, torch.tensor([0])) == [0]
    assert masked(model, range(2)) == [0, 1]
    assert masked(model, []) == []
    with torch.no_grad(), nw.mask_neurons(model, "layer", [1], replacement="factor", factor=0.5):
        halved = model(IDS)
    with torch.no_grad():
        torch.testing.assert_close(halved[..., 1], model(IDS)[..., 1] / 2)
    with pytest.raises(IndexError, match="neuron 4 is not in layer 'layer', which has 4 neurons"):
        masked(model, [4])
    for neurons in ([1.5], [-1], ["a"], [1, 1], [[1, 2]]):
        with pytest.raises(ValueError, match="neurons"):
            masked(model, neurons)
    for options, words in {
        ("mean",): "needs the neurons' means: capture layer 'layer' and pass nw.ranges",
        ("zero", 0.5): "factor=0.5 has no effect with replacement='zero': pass replacement='fac",
    }.items():
        with pytest.raises(ValueError, match=words):
            masked(model, [1], **dict(zip(("replacement", "factor"), options, strict=False)))
    with (
        pytest.raises(ValueError, match="neurons are given twice"),
        nw.mask_neurons(model, "layer", [1], neurons=[2]),
    ):
        pass


def test_neurons_as_users_have_them() -> None:
    # A mask is read as a mask, if it has the layer's length.
    assert neuron_numbers([False, True, True], 3).tolist() == [1, 2]
    with pytest.raises(ValueError, match=r"whole numbers \(or a mask of 4 booleans\), got bool"):
        neuron_numbers([False, True, True], 4)
    with pytest.raises(ValueError, match="got float64"):
        neuron_numbers([2.7])


def test_masks_of_a_label_take_the_same_neurons(model: nn.Module) -> None:
    acts = nw.capture(model, IDS, "layer", labels=["a", "b"] * 1, progress=False)
    values = np.concatenate([acts.values, acts.values + 0.1])
    acts = nw.Activations.from_arrays(values, labels=["a", "b", "a", "b"], layer="layer")
    ranges = nw.ranges(acts)
    with torch.no_grad():
        with nw.mask_neurons(
            model, ranges, "a", neurons=[False, True, False, True], replacement="zero"
        ):
            mask = model(IDS)
        with nw.mask_neurons(model, "layer", [1, 3]):
            torch.testing.assert_close(mask, model(IDS))
    with (
        pytest.raises(TypeError, match="ranges must be what nw"),
        nw.mask_range(model, acts, "a"),
    ):
        pass


def test_an_edit_with_a_slice_is_saved(model: nn.Module, tmp_path: Path) -> None:
    with nw.steer(model, "layer", np.ones(4), 2.0, positions=slice(3, None)) as edit:
        path = nw.save_intervention(edit, tmp_path / "edit.safetensors")
    with torch.no_grad():
        base = model(IDS)
        with nw.applied(model, nw.load_intervention(path)):
            change = (model(IDS) - base).abs().amax((0, 2))
    assert (change > 1e-3).tolist() == [False] * 3 + [True] * 2


@pytest.fixture(scope="module")
def ranges() -> nw.Ranges:
    values = np.random.default_rng(0).standard_normal((8, 4), np.float32)
    return nw.ranges(nw.Activations.from_arrays(values, labels=["a", "b"] * 4, layer="layer"))


def _mask_range(model: Any, ranges: Any, **options: Any) -> Any:
    with nw.mask_range(model, ranges, "a", top=2, **options) as edit:
        return edit.replacement


def _mask_neurons(model: Any, ranges: Any, **options: Any) -> Any:
    with nw.mask_neurons(model, ranges, "a", top=2, **options) as edit:
        return edit.replacement


def _range_edit(model: Any, ranges: Any, **options: Any) -> Any:
    return range_edit(ranges, "a", top=2, **options).replacement


def _ablate(model: Any, ranges: Any, **options: Any) -> Any:
    with nw.ablate(model, "layer", np.ones(4), **options) as edit:
        return edit.level


def _evaluate_masks(model: Any, ranges: Any, **options: Any) -> Any:
    torch.manual_seed(0)
    net = nn.Sequential()
    net.layer = nn.Linear(4, 4)
    net.out = nn.Linear(4, 2)
    data = np.ones((4, 4), np.float32)
    report = nw.evaluate_masks(net.eval(), data, ranges, labels=["a", "b"] * 2, classes=["a", "b"],
                               progress=False, **options)  # fmt: skip
    return report.confidence.tolist()


@pytest.mark.parametrize(
    "call", [_mask_range, _mask_neurons, _range_edit, _ablate, _evaluate_masks]
)
def test_the_former_keyword_of_replacement(
    model: nn.Module, ranges: nw.Ranges, call: Callable[..., Any]
) -> None:
    new = call(model, ranges, replacement="zero")
    with pytest.warns(
        DeprecationWarning, match="^to= is deprecated .*: use replacement="
    ) as record:
        assert call(model, ranges, to="zero") == new
    (warning,) = record
    # The warning names the line of the call.
    assert warning.filename == __file__
    line = linecache.getline(__file__, warning.lineno)
    assert any(name in line for name in ("nw.", "range_edit"))
    assert "to" not in inspect.signature(nw.mask_range).parameters
    with pytest.raises(TypeError, match="pass replacement= only"):
        call(model, ranges, to="zero", replacement="zero")


def test_the_former_attribute_and_the_key_in_files(ranges: nw.Ranges, tmp_path: Path) -> None:
    edit = range_edit(ranges, "a", top=2, replacement="mean")
    with pytest.warns(DeprecationWarning, match="NeuronEdit.replacement") as record:
        assert edit.to == "mean"
    assert record[0].filename == __file__
    path = nw.save_intervention(edit, tmp_path / "edit")
    # Version 0.1 reads this key.
    header = path.read_bytes()[8 : 8 + int.from_bytes(path.read_bytes()[:8], "little")]
    assert json.loads(json.loads(header)["__metadata__"]["fields"])["to"] == "mean"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = nw.load_intervention(path)
    assert loaded.replacement == "mean"  # type: ignore[union-attr]
