"""Layers that answer several times in a pass, and edits that never run."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw

RNG = np.random.default_rng(0)
X = RNG.random((60, 3, 12, 12)).astype("f4")
LABELS = np.arange(60) % 3


class Block(nn.Module):
    """One ReLU for two convolutions, as in torchvision's ResNet; `wide` as in its bottlenecks."""

    def __init__(self, channels: int, wide: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, wide, 3, padding=1)
        self.conv2 = nn.Conv2d(wide, channels, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.conv2(self.relu(self.conv1(x))) + x)


class Net(nn.Module):
    def __init__(self, wide: int = 8) -> None:
        super().__init__()
        self.stem, self.block = nn.Conv2d(3, 8, 3, padding=1), Block(8, wide)
        self.fc = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.block(self.stem(x)).mean((2, 3)))


def net(wide: int = 8) -> Net:
    torch.manual_seed(0)
    return Net(wide).eval()


def zeroed(model: nn.Module, x: torch.Tensor, call: int) -> torch.Tensor:
    """The model's output with one answer of its ReLU set to zero, by hand."""
    calls = 0

    def hook(_module: nn.Module, _args: Any, out: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return out * 0 if calls - 1 == call else out

    handle = model.get_submodule("block.relu").register_forward_hook(hook)
    found = model(x)
    handle.remove()
    return found


def edited_passes(
    model: nn.Module, layer: str, x: torch.Tensor, passes: int, **options: Any
) -> None:
    width = model.get_submodule(layer).weight.shape[0] if layer != "block.relu" else 8
    with torch.no_grad(), nw.ablate(model, layer, np.ones(width), **options):
        for _ in range(passes):
            model(x)


@pytest.mark.parametrize("wide", [8, 5])
@pytest.mark.parametrize("call", [0, 1])
def test_masks_edit_the_call_that_was_captured(wide: int, call: int, tmp_path: Path) -> None:
    model, x = net(wide), torch.from_numpy(X)
    acts = nw.capture(model, X, "block.relu", labels=LABELS, call=call, progress=False)
    assert acts.call == call
    assert acts.shape[1] == (8 if call else wide)
    stored = nw.Activations.load(acts.save(tmp_path / "acts"))
    ranges = nw.ranges(stored)
    assert ranges.call == call
    with torch.no_grad():
        right = zeroed(model, x, call)
        with nw.mask_neurons(model, ranges, 0, top=1.0, replacement="zero") as edit:
            torch.testing.assert_close(model(x), right)
            # Every pass begins anew.
            torch.testing.assert_close(model(x[:7]), right[:7])
        nw.save_intervention(edit, tmp_path / "edit.safetensors")
        with nw.applied(model, nw.load_intervention(tmp_path / "edit.safetensors")):
            torch.testing.assert_close(model(x), right)
        with nw.ablate(model, "block.relu", np.ones(acts.shape[1]), call=call):
            assert not torch.equal(model(x), right)


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize("call", [0, 1])
def test_evaluation_masks_the_call_that_was_captured(call: int, resume: bool) -> None:
    model = net()
    acts = nw.capture(model, X[:30], "block.relu", labels=LABELS[:30], call=call, progress=False)
    ranges = nw.ranges(acts)
    report = nw.evaluate_masks(
        model,
        X[30:],
        ranges,
        top=1.0,
        replacement="zero",
        labels=LABELS[30:],
        resume=resume,
        progress=False,
    )
    with torch.no_grad():
        sure = zeroed(model, torch.from_numpy(X[30:]), call).softmax(1)
    expected = sure[torch.arange(30), torch.from_numpy(LABELS[30:])]
    # The neuron mask of label 0 is the same for all labels: every neuron, to zero.
    place = 1 + len(ranges.label_names)
    np.testing.assert_allclose(report.confidence[place], expected, atol=1e-5)


def test_several_answers_are_said_once() -> None:
    model, x = net(), torch.from_numpy(X)
    words = (
        r"layer 'block.relu' is called 2 times in one pass of Net: its first call is read\. Pass"
    )
    with pytest.warns(UserWarning, match=words) as said:
        acts = nw.capture(model, X, "block.relu", batch_size=8, progress=False)
    assert len(said) == 1
    assert acts.call == 0
    words = "answers 2 times in one pass of Net, and every answer was edited: pass call=0 to 1"
    with pytest.warns(UserWarning, match=words):
        edited_passes(model, "block.relu", x, 2)
    # Nothing to say of layers that answer once, or of a call that was chosen.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nw.capture(model, X, ["stem", "block"], progress=False)
        nw.capture(model, X, "block.relu", call=1, progress=False)
        with torch.no_grad(), nw.ablate(model, "block.relu", np.ones(8), call=1):
            model(x)


def test_the_pass_that_counts_calls_keeps_what_the_layer_gave() -> None:
    # The ReLU works in place on what the convolution gave.
    model, x = net(), torch.from_numpy(X)
    with torch.no_grad():
        right = model.block.conv1(model.stem(x)).mean((2, 3))
    acts = nw.capture(model, X, "block.conv1", progress=False)
    np.testing.assert_allclose(acts.values, right, atol=1e-6)


def test_what_fails_above_the_layer_does_not_matter() -> None:
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(4, 5), nn.ReLU())

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.body(x)
            raise NotImplementedError("no head yet")

    x = RNG.normal(size=(6, 4)).astype("f4")
    model = Half().eval()
    acts = nw.capture(model, x, "body.0", progress=False)
    with torch.no_grad():
        np.testing.assert_allclose(acts.values, model.body[0](torch.from_numpy(x)), atol=1e-6)


# Edits that never run


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.att, self.h = nn.MultiheadAttention(16, 4, batch_first=True), nn.Linear(16, 4)
        self.spare = nn.Linear(16, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.h(self.att(x, x, x, need_weights=False)[0][:, 0])


def test_an_edit_that_never_runs_is_said_with_the_reason() -> None:
    torch.manual_seed(0)
    model, x = Attention().eval(), torch.randn(5, 3, 16)
    for layer, reason in {
        "att.out_proj": "uses this part's weights without calling it; edit the attention itself",
        "spare": "the forward pass does not call this module",
    }.items():
        words = f"the edit of layer '{layer}' never ran in 2 passes of Attention: .*{reason}"
        with pytest.warns(UserWarning, match=words):
            edited_passes(model, layer, x, 2)
    with pytest.warns(UserWarning, match="it is of call 3, and the layer answered 1 times"):
        edited_passes(model, "h", x, 1, call=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # No pass: an edit may be made to be saved.
        with nw.ablate(model, "spare", np.ones(16)):
            pass
        # A part of the model that is called alone.
        with torch.no_grad(), nw.ablate(model, "h", np.ones(4)):
            model.h(x[:, 0])
        # What fails has a reason of its own.
        with pytest.raises(AssertionError):
            edited_passes(model, "spare", x[..., :3], 1)


def test_an_edit_after_a_pass_that_was_broken_off() -> None:
    """A capture inside an edit ends its passes early; an interrupt does, too."""
    model, x = net(), torch.from_numpy(X)
    direction = np.eye(8)[2]

    class Stop(BaseException):
        pass

    def stop(_module: nn.Module, _args: Any) -> None:
        raise Stop

    with torch.no_grad(), nw.ablate(model, "block", direction):
        inside = nw.capture(model, X, "block.conv2", progress=False)
        handle = model.fc.register_forward_pre_hook(stop)
        with pytest.raises(Stop):
            model(x)
        handle.remove()
        edited = model(x)
    plain = nw.capture(model, X, "block.conv2", progress=False)
    np.testing.assert_array_equal(inside.values, plain.values)
    with torch.no_grad(), nw.ablate(model, "block", direction):
        torch.testing.assert_close(edited, model(x))
    from torch.overrides import _get_current_function_mode_stack

    assert not _get_current_function_mode_stack()


def test_several_layers_where_one_is_needed() -> None:
    both = nw.capture(net(), X[:20], ["block.relu", "block"], call=0, progress=False)
    words = r"acts holds 2 layers \('block.relu', 'block'\): pass one of them, acts\['block.relu'\]"
    for use in (
        lambda: nw.split(both, 0),
        lambda: nw.split_layer(both),
        lambda: nw.SplitExplorer(both, 0),
        lambda: nw.ranges(both),
        lambda: nw.RangeExplorer(both),
    ):
        with pytest.raises(TypeError, match=words):
            use()


def test_labels_are_passed_by_name() -> None:
    with pytest.raises(
        TypeError, match=r"pooling must be one of 'mean'.*, got a ndarray\. Pass labels"
    ):
        nw.capture(net(), X[:20], "block.relu", LABELS[:20], progress=False)
