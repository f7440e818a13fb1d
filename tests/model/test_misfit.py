"""Data that do not fit a model's first layer, in our words and not in torch's."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from transformers import BertConfig, BertModel, CanineConfig, CanineModel

import neuronwidgets as nw
from neuronwidgets.models.misfit import unknown_ids
from tests.pretended_device import on_device, pretended_device

RNG = np.random.default_rng(0)


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).random(shape, dtype=np.float32)


def convolving(channels: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.ReLU()).eval()


LINEAR = nn.Sequential(nn.Linear(64, 4), nn.ReLU()).eval()
SERIES = nn.Sequential(nn.Conv1d(5, 4, 3), nn.ReLU()).eval()
WORDS = nn.Sequential(nn.Embedding(10, 4), nn.ReLU()).eval()
MOVED = r"has channels on the last axis: move them, numpy\.moveaxis\(data, -1, 1\)"


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        (convolving(3), floats(6, 8, 8, 3), rf"3 channels on axis 1 \(B x C x H x W\).*{MOVED}"),
        (convolving(3), torch.tensor(floats(6, 8, 8, 3)), MOVED),
        (convolving(3), [torch.tensor(floats(6, 8, 8, 3))], MOVED),
        (convolving(1), floats(6, 8, 8, 1), rf"takes 1 channel on axis 1.*{MOVED}"),
        (SERIES, floats(6, 9, 5), rf"takes 5 channels on axis 1 \(B x C x T\).*{MOVED}"),
        (convolving(3), list(floats(6, 8, 8, 3)), r"looks like a single sample.*numpy\.stack"),
        (convolving(1), floats(6, 8, 8), r"has no axis of channels: pass data\[:, None\]"),
        (convolving(3), [Image.new("L", (8, 8))], r"the data has 1: convert.*convert\('RGB'\)"),
        (convolving(1), [Image.new("RGB", (8, 8))], r"the data has 3: convert.*convert\('L'\)"),
        (convolving(4), floats(6, 3, 8, 8), "takes 4 channels.*, 6 x 3 x 8 x 8, has 3"),
        (convolving(3), floats(6, 64), "takes 3 channels.* and the data is 6 x 64"),
        (convolving(3), torch.zeros(6, 3, 8, 8, dtype=torch.int64).split(2), "int64.*float32"),
        (LINEAR, RNG.integers(0, 256, (6, 64), np.uint8), "whole numbers are read as token ids"),
        (LINEAR, RNG.integers(0, 256, (6, 64)), r"pass data\.astype\('float32'\).*255"),
        (LINEAR, [torch.zeros(6, 64, dtype=torch.uint8)], r"the data is uint8"),
        (LINEAR, floats(6, 8, 8), r"64 numbers.*the shape 8 x 8: flatten them, data\.reshape"),
        (LINEAR, floats(6, 63), "takes 64 numbers on the last axis, and the data has 63"),
        (WORDS, floats(6, 5), "takes token ids, whole numbers, and the data is float32"),
        (WORDS, RNG.integers(0, 10, (6, 5)) + 9, r"ids 0 to 9 and the data holds 1\d"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(model: nn.Module, data: Any, message: str) -> None:
    layer = rf"{type(model[0]).__name__} '0', the model's first layer,"
    pattern = rf"Sequential could not run on this data \(.*{layer}.*{message}"
    with pytest.raises(RuntimeError, match=pattern):
        nw.capture(model, data, "1", progress=False)


def test_a_model_that_moves_the_channels_itself_is_left_alone() -> None:
    class LastFirst(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = convolving(3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x.permute(0, 3, 1, 2))

    images = floats(6, 8, 8, 3)
    acts = nw.capture(LastFirst(), images, "inner.1", progress=False)
    assert acts.shape == (6, 4)


def test_other_failures_are_the_models_own() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("out of ideas")

    with pytest.raises(RuntimeError, match=r"Odd could not run on this data.*: out of ideas"):
        nw.capture(Odd(), floats(3, 4), "first", progress=False)
    without = nn.Sequential(nn.ReLU(), nn.Flatten(5))
    with pytest.raises(RuntimeError, match=r"Sequential could not run on this data.*Dimension"):
        nw.capture(without, floats(3, 4), "1", progress=False)


def test_masks_and_gradients_say_it_too() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 4), nn.Tanh(), nn.Linear(4, 2)).eval()
    acts = nw.capture(model, floats(8, 64), "1", labels=[0, 1] * 4, progress=False)
    wrong = floats(8, 63)
    with pytest.raises(RuntimeError, match="takes 64 numbers on the last axis"):
        nw.evaluate_masks(model, wrong, nw.ranges(acts), labels=[0, 1] * 4, progress=False)
    with pytest.raises(RuntimeError, match="takes 64 numbers on the last axis"):
        nw.salient(acts, 0, "gradient", model=model, data=wrong)


@pytest.mark.parametrize("layer", [4, None, 1.5, ["1", 4], [None], ("0", 2)])
def test_a_layer_is_a_name(layer: Any) -> None:
    with pytest.raises(TypeError, match=r"layer must be a name, got .*lists all 2 names"):
        nw.capture(LINEAR, floats(3, 64), layer, progress=False)


def test_a_layer_may_be_the_module_itself() -> None:
    data = floats(5, 64)
    named = nw.capture(LINEAR, data, "1", progress=False)
    given = nw.capture(LINEAR, data, LINEAR[1], progress=False)
    assert given.layer == "1"
    np.testing.assert_array_equal(given.values, named.values)
    several = nw.capture(LINEAR, data, [LINEAR[0], "1"], progress=False)
    assert list(several) == ["0", "1"]
    with nw.ablate(LINEAR, LINEAR[1], np.ones(4)) as edit:
        assert edit.layer == "1"
    with nw.steer(LINEAR, LINEAR[1], np.ones(4), 2.0) as edit:
        assert edit.layer == "1"
    with nw.mask_neurons(LINEAR, LINEAR[1], [1, 3]) as masked:
        assert masked.layer == "1"
    with pytest.raises(TypeError, match=r"layer must be a name, got 1 \(int\)"):
        nw.mask_neurons(LINEAR, 1, [3]).__enter__()
    with pytest.raises(ValueError, match="layer is a ReLU that does not exist in Sequential"):
        nw.capture(LINEAR, data, nn.ReLU(), progress=False)
    with pytest.raises(ValueError, match="layer must be one layer or several different ones"):
        nw.capture(LINEAR, data, ["1", LINEAR[1]], progress=False)
    with pytest.raises(TypeError, match=r"layer must be a name, got 4 \(int\)"):
        nw.Activations.from_arrays(data, layer=4)


def test_a_model_without_weights() -> None:
    model = nn.Sequential(nn.Linear(8, 4), nn.ReLU()).to("meta")
    with pytest.raises(RuntimeError, match="the device 'meta', which holds no numbers: load them"):
        nw.capture(model, torch.zeros(3, 8), "1", progress=False)


def small_bert(**settings: int) -> BertModel:
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
    return BertModel(BertConfig(vocab_size=20, num_hidden_layers=1, **sizes, **settings)).eval()


@pytest.mark.parametrize("bad", [-1, 20])
def test_ids_are_looked_at_before_a_device_gets_them(bad: int) -> None:
    # A GPU that looks up such an id is lost to the process.
    pretended_device()
    model, ids = on_device(small_bert()), torch.tensor([[3, 4], [5, bad]])
    with pytest.raises(
        RuntimeError,
        match=r"BertModel could not run on this data \(2 x 2 int64\): Embedding "
        rf"'embeddings.word_embeddings' takes the token ids 0 to 19 and the data holds {bad}:",
    ):
        nw.capture(model, [{"input_ids": ids}], "encoder.layer.0", progress=False)


def test_ids_that_a_model_takes_out_or_changes_are_left_alone() -> None:
    ids = torch.tensor([[3, 20, 21]])
    reason = unknown_ids(small_bert(), {"input_ids": ids})
    assert reason is not None
    assert "holds 21" in reason
    assert unknown_ids(small_bert(image_token_id=21, audio_token_index=20), ids) is None
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
    hashing = CanineModel(CanineConfig(num_hidden_layers=1, num_hash_buckets=10, **sizes))
    assert unknown_ids(hashing, ids) is None
    assert unknown_ids(nn.Sequential(nn.Embedding(10, 4)), ids) is None

    class Own(nn.Module):
        def get_input_embeddings(self, ids: torch.Tensor) -> torch.Tensor:
            return ids

    assert unknown_ids(Own(), ids) is None
    for other in (ids.float(), ids[:, :0], ids > 3, None, {"inputs_embeds": ids}):
        assert unknown_ids(small_bert(), other) is None


def test_a_gpu_that_stopped_is_said_with_the_way_out() -> None:
    class Stopped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("CUDA error: device-side assert triggered\nSearch for")

    with pytest.raises(RuntimeError, match=r"Stopped could not run.*restart the kernel, and"):
        nw.capture(Stopped(), floats(3, 4), "first", progress=False)


class Pair(nn.Module):
    """Takes two inputs, as FT-Transformer, diffusion models and graph networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.act = nn.Linear(6, 4), nn.ReLU()

    def forward(self, numbers: torch.Tensor, kinds: torch.Tensor, scale: float = 1) -> torch.Tensor:
        return self.act(self.fc(torch.cat([numbers, kinds], 1) * scale))


def test_arguments_that_the_data_lack_are_named() -> None:
    numbers, kinds = torch.rand(5, 3), torch.rand(5, 3)
    said = r"forward\(numbers, kinds, scale\) also needs 'kinds'.*\[\(numbers, kinds\)\]"
    for data in (numbers, [{"numbers": numbers}]):
        with pytest.raises(RuntimeError, match=said):
            nw.capture(Pair(), data, "act", progress=False)
    for data in ([{"numbers": numbers, "kinds": kinds}], [(numbers, kinds)]):
        assert nw.capture(Pair(), data, "act", progress=False).values.shape == (5, 4)


def test_token_ids_of_a_model_whose_first_argument_is_an_image() -> None:
    class Towers(nn.Module):
        """As open_clip's CLIP."""

        def __init__(self) -> None:
            super().__init__()
            self.visual, self.table, self.act = nn.Conv2d(3, 4, 2), nn.Embedding(9, 4), nn.ReLU()

        def forward(self, image: Any = None, text: Any = None) -> Any:
            seen = None if image is None else self.visual(image)
            return seen, None if text is None else self.act(self.table(text))

    ids = torch.randint(1, 9, (4, 5))
    with pytest.raises(RuntimeError, match=r"If they are token ids.*data=\[\{'text': ids\}\]"):
        nw.capture(Towers(), ids, "act", progress=False)
    assert nw.capture(Towers(), [{"text": ids}], "act", progress=False).values.shape == (4, 4)


def test_a_buffer_without_numbers_is_named() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.act = nn.Linear(6, 4), nn.ReLU()
            self.register_buffer("scale", torch.ones(4, device="meta"))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.act(self.fc(x) * self.scale)

    with pytest.raises(RuntimeError, match="the buffer 'scale' is on the device 'meta'"):
        nw.capture(Scaled(), floats(5, 6), "act", progress=False)


def test_what_a_model_asserts_is_said_with_the_data() -> None:
    class Asserting(nn.Module):
        def __init__(self, *said: str) -> None:
            super().__init__()
            self.said, self.act = said, nn.ReLU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise AssertionError(*self.said)

    for said in (("Input height (64) doesn't match",), ()):
        expected = re.escape(said[0] if said else "AssertionError")
        with pytest.raises(RuntimeError, match=rf"this data \(5 x 6 float32\): {expected}"):
            nw.capture(Asserting(*said), floats(5, 6), "act", progress=False)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (torch.zeros(3, 4), r"forward\(x, lengths\) also needs 'lengths'.*\[\(x, lengths\)\]"),
        (
            [{"x": torch.zeros(3, 4), "lengths": torch.ones(3), "index": torch.ones(3)}],
            r"forward\(x, lengths\) does not take 'index'\. Leave such fields out",
        ),
        (
            [(torch.zeros(3, 4), torch.ones(3), torch.zeros(3, 2), torch.ones(3))],
            r"forward\(x, lengths\) takes 2 inputs, and the batch has 3",
        ),
    ],
)
def test_arguments_that_forward_lacks_or_does_not_take(data: Any, message: str) -> None:
    class OfLengths(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
            return self.first(x) / lengths[:, None]

    with pytest.raises(RuntimeError, match=f"OfLengths could not run on this data .*{message}"):
        nw.capture(OfLengths(), data, "first", progress=False)


def test_the_part_of_a_model_that_takes_texts_alone_can_be_called() -> None:
    class Tower(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])

    class Vision(Tower):
        def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
            return pixel_values

    class Text(Tower):
        def forward(self, input_ids: Any, attention_mask: Any = None) -> Any:
            return input_ids

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.vision, self.text = Vision(), Text()

        def forward(self, input_ids: Any, attention_mask: Any, pixel_values: Any = None) -> Any:
            return pixel_values.sum() + self.text(input_ids)

    ids = torch.ones(2, 3, dtype=torch.long)
    data = [{"input_ids": ids, "attention_mask": ids}]
    with pytest.raises(ValueError, match=r"model\.text; nw\.layers\(model\.text\)"):
        nw.capture(Both(), data, "text", progress=False)
