"""`capture` of images and vectors against a plain forward hook, labels, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import datasets as hf
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from transformers import (
    BertModel,
    ResNetConfig,
    ResNetModel,
    SwinConfig,
    SwinModel,
    ViTConfig,
    ViTModel,
)

from neuronwidgets import Activations, capture

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
FLOAT = torch.tensor(RGB).movedim(-1, 1).float() / 255
TEXTS = ["the cat sat", "the dog"]
VECTORS = RNG.normal(size=(7, 6)).astype(np.float32)


class CNN(nn.Module):
    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(channels, 6, 3), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Linear(6, 4)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(self.head(self.conv(x).mean((2, 3))))


class Recurrent(nn.Module):
    """Layers that answer with tuples, over channels in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(6, 8, 3, padding=1)
        self.lstm = nn.LSTM(8, 5, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lstm(self.conv(x.mT).mT)[0]


class Nothing(nn.Module):
    """No parameters at all."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.Tanh()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(x)


def seeded(make: Callable[[], nn.Module]) -> Any:
    torch.manual_seed(0)
    return make()


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def cnn() -> CNN:
    return seeded(CNN)


def read(model: nn.Module, data: Any, layer: str, **options: Any) -> Activations:
    return capture(model, data, layer, **({"progress": False, "batch_size": 2} | options))


@pytest.mark.parametrize(
    "data",
    [
        RGB,
        list(RGB),
        [Image.fromarray(image) for image in RGB],
        (Image.fromarray(image) for image in RGB),
        FLOAT,
        FLOAT.numpy(),
        TensorDataset(FLOAT, torch.arange(5)),
        DataLoader(TensorDataset(FLOAT, torch.arange(5)), batch_size=3),
        (FLOAT[i : i + 1] for i in range(5)),
        hf.Dataset.from_dict({"image": [Image.fromarray(image) for image in RGB]}),
        hf.Dataset.from_dict(
            {"image": [Image.fromarray(image) for image in RGB]}
        ).to_iterable_dataset(),
    ],
)
def test_every_kind_of_images_gives_what_a_plain_hook_gives(
    cnn: CNN, data: Any, hooked: Any
) -> None:
    acts = read(cnn, data, "conv.0")
    expected = hooked(cnn, "conv.0", FLOAT).mean((2, 3))
    np.testing.assert_allclose(acts.values, expected, atol=1e-6)
    assert acts.values.dtype == np.float32
    assert (acts.layer, acts.pooling, acts.samples.kind) == ("conv.0", "mean", "image")
    np.testing.assert_array_equal(acts.samples.images, RGB)


def test_grey_images(cnn: CNN, hooked: Any) -> None:
    grey = seeded(lambda: CNN(1))
    acts = read(grey, RGB[..., 0], "head")
    expected = hooked(grey, "head", torch.tensor(RGB[:, None, :, :, 0]).float() / 255)
    np.testing.assert_allclose(acts.values, expected, atol=1e-6)


@pytest.mark.parametrize("layer", ["conv", "conv.0", "conv.1", "conv.2"])
@pytest.mark.parametrize("pooling", ["mean", "max", "token", "last", "cls"])
def test_maps_are_reduced_over_space(cnn: CNN, layer: str, pooling: str, hooked: Any) -> None:
    maps = hooked(cnn, layer, FLOAT).flatten(2)
    expected = {
        "mean": maps.mean(2),
        "max": maps.amax(2),
        "token": maps.mT.flatten(0, 1),
        "last": maps[..., -1],
        "cls": maps[..., 0],
    }[pooling]
    acts = read(cnn, RGB, layer, pooling=pooling)
    np.testing.assert_allclose(acts.values, expected, atol=1e-6)
    if pooling == "token":
        positions = maps.shape[2]
        assert acts.samples.item is not None
        assert acts.samples.item.tolist() == np.repeat(np.arange(5), positions).tolist()
        assert acts.samples.token_of(positions + 3) == 3
        assert f"{5 * positions:,} positions of 5 images" in repr(acts)


def test_a_resnet(hooked: Any) -> None:
    config = ResNetConfig(embedding_size=4, hidden_sizes=[6, 8], depths=[1, 1], layer_type="basic")
    model = seeded(lambda: ResNetModel(config))
    acts = read(model, RGB, "encoder.stages.1")
    expected = hooked(model, "encoder.stages.1", FLOAT).mean((2, 3))
    np.testing.assert_allclose(acts.values, expected, atol=1e-5)


@pytest.mark.parametrize("pooling", ["cls", "mean", "token"])
def test_a_vision_transformer(pooling: str, hooked: Any) -> None:
    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=16,
        patch_size=8,
    )
    model = seeded(lambda: ViTModel(config))
    layer = next(
        name for name, m in model.named_modules() if name.endswith(".1") and list(m.children())
    )
    output = hooked(model, layer, FLOAT)
    # [CLS] comes first, and is a special token.
    patches = output[:, 1:]
    expected = {"cls": output[:, 0], "mean": patches.mean(1), "token": patches.flatten(0, 1)}[
        pooling
    ]
    acts = read(model, RGB, layer, pooling=pooling)
    assert acts.shape[1] == 16
    np.testing.assert_allclose(acts.values, expected, atol=1e-5)


def test_a_norm_with_its_neurons_last_in_four_dimensions(hooked: Any) -> None:
    class Windows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.LayerNorm(3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.norm(x.movedim(1, -1))

    model = Windows()
    expected = hooked(model, "norm", FLOAT).mean((1, 2))
    np.testing.assert_allclose(read(model, RGB, "norm").values, expected, atol=1e-6)


def test_a_swin_transformer(hooked: Any) -> None:
    config = SwinConfig(
        image_size=16, patch_size=2, embed_dim=8, depths=[1, 1], num_heads=[2, 2], window_size=4
    )
    model = seeded(lambda: SwinModel(config))
    acts = read(model, RGB, "encoder.layers.1")
    expected = hooked(model, "encoder.layers.1", FLOAT).mean(1)
    assert acts.shape == (5, 16)
    np.testing.assert_allclose(acts.values, expected, atol=1e-5)


def test_vectors_and_a_layer_called_with_them(hooked: Any) -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    for data in (VECTORS, list(VECTORS), torch.tensor(VECTORS), VECTORS.astype(np.float64)):
        acts = read(model, data, "1")
        expected = hooked(model, "1", torch.tensor(VECTORS))
        np.testing.assert_allclose(acts.values, expected, atol=1e-6)
        assert acts.samples.kind == "none"


@pytest.mark.parametrize("layer", ["conv", "lstm"])
def test_convolutions_in_time_and_tuples(layer: str, hooked: Any) -> None:
    model = seeded(Recurrent)
    x = torch.randn(5, 9, 6)
    output = hooked(model, layer, x)
    sequence = output.mT if layer == "conv" else output
    acts = read(model, x.numpy(), layer)
    np.testing.assert_allclose(acts.values, sequence.mean(1), atol=1e-6)
    tokens = read(model, x.numpy(), layer, pooling="token")
    np.testing.assert_allclose(tokens.values, sequence.flatten(0, 1), atol=1e-6)
    assert tokens.samples.token_of(10) == 1
    assert repr(tokens.samples) == "Samples(45 positions of 5 samples)"


def test_the_users_neuron_axis() -> None:
    x = torch.randn(4, 9, 6)
    acts = read(Nothing(), x, "act", neuron_axis=1)
    np.testing.assert_allclose(acts.values, x.tanh().mean(2), atol=1e-6)


def test_a_model_without_parameters() -> None:
    acts = read(Nothing(), VECTORS, "act")
    np.testing.assert_allclose(acts.values, np.tanh(VECTORS), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_models_get_their_dtype_and_give_float32(dtype: torch.dtype, hooked: Any) -> None:
    model = seeded(CNN).to(dtype)
    acts = read(model, RGB, "conv.0")
    expected = hooked(model, "conv.0", FLOAT.to(dtype)).float().mean((2, 3))
    assert acts.values.dtype == np.float32
    np.testing.assert_allclose(acts.values, expected, atol=1e-3)


def test_dropout_is_off_and_comes_back() -> None:
    model = seeded(CNN).train()
    one, other = (read(model, RGB, "drop").values for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert model.training


def test_labels_come_from_the_data_or_from_the_user(cnn: CNN) -> None:
    pairs = TensorDataset(FLOAT, torch.tensor([3, 1, 3, 1, 2]))
    acts = read(cnn, pairs, "head")
    assert acts.labels is not None
    assert (acts.labels.tolist(), acts.label_names) == ([2, 0, 2, 0, 1], ("1", "2", "3"))
    named = read(cnn, pairs, "head", label_names=["a", "b", "c", "d"])
    assert named.labels is not None
    assert named.labels.tolist() == [3, 1, 3, 1, 2]
    given = read(cnn, pairs, "head", labels=["x", None, "y", "x", "y"])
    assert given.labels is not None
    assert (given.labels.tolist(), given.label_names) == ([0, -1, 1, 0, 1], ("x", "y"))
    assert read(cnn, RGB, "head").labels is None
    tokens = read(cnn, pairs, "conv.2", pooling="token")
    assert tokens.labels is not None
    assert tokens.labels.tolist() == np.repeat([2, 0, 2, 0, 1], 49).tolist()


def test_labels_that_are_read_once_stay_beside_their_samples(cnn: CNN) -> None:
    for data in (RGB, (image for image in RGB)):
        acts = read(cnn, data, "head", labels=map(str, [3, 1, 3, 1, 2]))
        assert acts.labels is not None
        assert (acts.labels.tolist(), acts.label_names) == ([2, 0, 2, 0, 1], ("1", "2", "3"))
    # A label too many does not become a shift.
    with pytest.raises(ValueError, match="got 6 for 5 samples"):
        read(cnn, RGB, "head", labels=map(str, range(6)))


def test_labels_of_another_length_are_refused_before_anything_runs(cnn: CNN) -> None:
    loader = DataLoader(TensorDataset(FLOAT), batch_size=2)
    for data in (RGB, TensorDataset(FLOAT), loader, (image for image in RGB)):
        with pytest.raises(
            ValueError, match=r"labels must have one entry per sample, got 4 for (5|more) samples"
        ):
            read(cnn, data, "head", labels=[1, 2, 3, 4])


def test_what_cannot_be_captured_is_refused(cnn: CNN, bert: BertModel) -> None:
    cases: list[tuple[str, Callable[[], object]]] = [
        (
            "layer 'conv.9' does not exist in CNN. Nearest: .*'conv.0'",
            lambda: read(cnn, RGB, "conv.9"),
        ),
        ("data is empty", lambda: read(cnn, [], "head")),
        ("data is empty", lambda: read(cnn, RGB[:0], "head")),
        (
            "pooling must be one of 'mean', .* got 'average'",
            lambda: read(cnn, RGB, "head", pooling="average"),
        ),
        ("no 'token': use pooling='mean'", lambda: read(cnn, RGB, "head", pooling="token")),
        ("no tokenizer is given", lambda: read(bert, TEXTS, "pooler")),
        ("max_length must be .* got 0", lambda: read(bert, TEXTS, "pooler", max_length=0)),
        ("neuron_axis must be from -4 to 3, got 7", lambda: read(cnn, RGB, "conv", neuron_axis=7)),
        (
            "activation of sample 1, neuron 0 is NaN",
            lambda: read(Nothing(), np.array([[0], [np.nan]]), "act"),
        ),
    ]
    for message, call in cases:
        with pytest.raises(ValueError, match=message.replace("[", r"\[")):
            call()
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module, got a str"):
        capture("gpt2", TEXTS, "h.0")


def test_layers_that_answer_nothing_usable_are_refused() -> None:
    class Odd(nn.Module):
        """Each layer answers something else than a batch of activations."""

        def __init__(self) -> None:
            super().__init__()
            self.spare, self.numbers, self.flat, self.whole = (nn.Identity() for _ in range(4))
            self.text = nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.numbers(x.long())
            self.flat(x.flatten().view(-1, 1)[1:])
            self.whole(x.sum())
            self.text("text")
            return x

    for layer, message in {
        "spare": "layer 'spare' was never called while Odd ran",
        "numbers": "layer 'numbers' must return floating point numbers, got torch.int64",
        "flat": r"layer 'flat' returns shape \(\d+, 1\) for a batch of .* are unknown",
        "whole": r"layer 'whole' must return at least a batch axis .* got shape \(\)",
        "text": "layer 'text' returns a str without a tensor",
    }.items():
        with pytest.raises(ValueError, match=message):
            read(Odd(), VECTORS, layer)


def test_what_the_model_cannot_take_is_said_with_its_shape() -> None:
    model = nn.Sequential(nn.Linear(10, 4))
    with pytest.raises(
        RuntimeError, match=r"Sequential could not run on this data \(5 x 7 float32\)"
    ):
        capture(model, np.ones((5, 7), "f4"), "0", progress=False)


def test_an_rnn_with_the_batch_second() -> None:
    lstm = nn.LSTM(4, 6)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = lstm

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.rnn(x.transpose(0, 1))[0]

    x = torch.rand(5, 5, 4)
    acts = capture(Net(), [x], "rnn", pooling="last", progress=False)
    with torch.no_grad():
        np.testing.assert_allclose(acts.values, Net()(x)[-1], rtol=1e-5)
