"""Targets of training data as labels: classes in any form, and what is no class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets as hf
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import neuronwidgets as nw
from neuronwidgets.models.outputs import tensor_of

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
    return tensor_of(kept[0], layer).numpy()


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


class Rows(Dataset[Any]):
    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Any:
        return self.rows[i]


Y = torch.arange(120) % 5
ONE_HOT = nn.functional.one_hot(Y, 7)
SEVERAL = ONE_HOT + torch.eye(7, dtype=torch.int64)[[6] * 60 + [5] * 60] * (Y > 1)[:, None]
IMAGES = torch.rand(120, 3, 5, 5, generator=torch.Generator().manual_seed(1))


def forms(y: torch.Tensor) -> list[Any]:
    """Vectors with targets, in all forms of data."""
    pairs = list(zip(X, y, strict=True))
    return [
        TensorDataset(X, y),
        DataLoader(TensorDataset(X, y), 16),
        pairs,
        [(x.numpy(), target.numpy()) for x, target in pairs],
        [(X[:50], y[:50]), (X[50:], y[50:])],
        [{"x": X, "label": y}],
        Rows([{"x": x, "label": target} for x, target in pairs]),
        Rows([{"x": x, "label": target.tolist()} for x, target in pairs]),
    ]


@pytest.mark.parametrize("dtype", [torch.int64, torch.float32, torch.bool])
def test_one_hot_targets_are_labels(model: nn.Module, dtype: torch.dtype) -> None:
    for data in forms(ONE_HOT.to(dtype)):
        acts = read(model, data, label_names=list("abcdefg"))
        assert acts.labels is not None
        assert acts.labels.tolist() == Y.tolist()


@pytest.mark.parametrize(
    ("targets", "words"),
    [(SEVERAL, "rows of zeros and ones"), (VALUES[:, None], "measurements")],
)
def test_several_classes_or_a_column_of_measurements_are_no_labels(
    model: nn.Module, targets: torch.Tensor, words: str
) -> None:
    """The first batches of the first are one-hot by chance."""
    for data in forms(targets):
        with pytest.warns(UserWarning, match=f"targets are {words}.*Pass labels=") as w:
            acts = read(model, data)
        assert (len(w), acts.labels) == (1, None)
        assert read(model, data, labels=Y).labels is not None


def test_one_hot_targets_of_images() -> None:
    """Also of as many classes as images have colours."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3))
    hot = nn.functional.one_hot(Y % 3)
    expected = hooked(net, "0", IMAGES).mean((2, 3))
    for data, labels in (
        (TensorDataset(IMAGES, hot), Y % 3),
        (DataLoader(TensorDataset(IMAGES, hot), 16), Y % 3),
        ([{"image": x, "label": y} for x, y in zip(IMAGES, hot, strict=True)], Y % 3),
        (list(zip(IMAGES, ONE_HOT, strict=True)), Y),
    ):
        acts = nw.capture(net, data, layer="0")
        np.testing.assert_allclose(acts.values, expected, atol=1e-5)
        assert acts.labels is not None
        assert acts.labels.tolist() == labels.tolist()


def test_one_hot_targets_of_texts_and_ids(bert: Any, bert_tokenizer: Any) -> None:
    texts = ["the cat sat", "a dog ran", "the dog", "a cat"]
    hot, labels = torch.eye(5)[[2, 0, 1, 1]], [2, 0, 1, 1]
    encoded = bert_tokenizer(texts, padding="max_length", max_length=5, return_tensors="pt")
    for data in (
        list(zip(texts, hot, strict=True)),
        list(zip(texts, hot.int().tolist(), strict=True)),
        hf.Dataset.from_dict({"text": texts, "labels": hot.tolist()}),
        DataLoader(Rows(list(zip(texts, hot, strict=True))), 2),
        [{**encoded, "labels": hot}],
    ):
        acts = nw.capture(bert, data, layer="encoder.layer.1", tokenizer=bert_tokenizer)
        assert acts.labels is not None
        assert [int(acts.label_names[i]) for i in acts.labels] == labels
    # Labels of tokens, of which each text has one that is 1.
    tags = [{**encoded, "labels": hot.long()}]
    assert nw.capture(bert, tags, layer="encoder.layer.1").labels is None


INDEX = torch.arange(120) + 1000
PATHS = [f"{i}.png" for i in range(120)]


def rows_and_batches(*columns: Any) -> list[Any]:
    rows = list(zip(*columns, strict=True))
    return [Rows(rows), DataLoader(Rows(rows), 16), rows]


@pytest.mark.parametrize(
    "more",
    [(Y, INDEX), (Y.tolist(), PATHS), (Y.tolist(), INDEX.tolist(), PATHS), (PATHS, Y)],
    ids=["index", "path", "both", "path first"],
)
def test_an_index_or_a_path_is_no_label_and_no_input(model: nn.Module, more: Any) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    pictures = [Image.fromarray(x.byte().numpy()) for x in IMAGES.movedim(1, 3) * 255]
    for data in rows_and_batches(X, *more):
        acts = read(model, data)
        assert acts.labels is not None
        assert acts.labels.tolist() == Y.tolist()
    shown = torch.stack([torch.from_numpy(np.array(x)) for x in pictures]).movedim(3, 1) / 255
    for heads, x in ((IMAGES, IMAGES), (pictures, shown)):
        for data in rows_and_batches(heads, *more)[:: 1 if heads is IMAGES else 2]:
            acts = nw.capture(net, data, layer="1")
            np.testing.assert_allclose(acts.values, hooked(net, "1", x).mean((2, 3)), atol=1e-5)
            assert acts.labels is not None
            assert acts.labels.tolist() == Y.tolist()


def test_an_index_that_equals_a_length_is_no_length() -> None:
    net = nn.Sequential(nn.Embedding(9, 4))
    ids, y, index = torch.randint(1, 9, (8, 5)), torch.arange(8) % 3, torch.arange(8)
    acts = nw.capture(net, DataLoader(TensorDataset(ids, y, index), 1), layer="0")
    assert acts.labels is not None
    assert acts.labels.tolist() == y.tolist()


def test_names_of_classes_before_an_index_are_labels(model: nn.Module) -> None:
    for data in rows_and_batches(X, ["abcde"[i] for i in Y], INDEX):
        acts = read(model, data)
        assert acts.labels is not None
        assert acts.labels.tolist() == Y.tolist()


@pytest.mark.parametrize("target", [X > 0, [{"box": x} for x in X]])
def test_a_data_set_of_other_targets_is_its_first_part(model: nn.Module, target: Any) -> None:
    rows = list(zip(X, target, INDEX.tolist(), strict=True))
    assert read(model, Rows(rows)).labels is None


def test_lengths_before_labels_are_no_labels() -> None:
    """Nor where all samples of a batch have one length."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 4), nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True))
    x, y = torch.randn(6, 3, 5), Y[:6]
    for lengths in (torch.tensor([3, 3, 3, 3, 3, 3]), torch.tensor([3, 3, 1, 2, 3, 1])):
        steps = torch.arange(3) < lengths[:, None]
        rows = x * steps[..., None]
        for data in (
            TensorDataset(rows, lengths, y),
            DataLoader(TensorDataset(rows, lengths, y), 3),
        ):
            acts = nw.capture(net, data, layer="0")
            out = hooked(net, "0", rows) * steps[..., None].numpy()
            expected = out.sum(1) / lengths[:, None].numpy()
            np.testing.assert_allclose(acts.values, expected, atol=1e-5)
            assert acts.labels is not None
            assert acts.labels.tolist() == y.tolist()


@pytest.mark.parametrize("labels", [Y, torch.rand(120), ONE_HOT.float(), None])
@pytest.mark.parametrize("index", [False, True])
def test_token_types_are_an_input(bert: Any, labels: torch.Tensor | None, index: bool) -> None:
    torch.manual_seed(0)
    steps = torch.arange(7)
    mask = (steps < torch.tensor([7, 3, 5, 6, 2, 4])[:, None]).long()
    types = (steps > torch.tensor([2, 2, 3, 4, 6, 1])[:, None]).long() * mask
    ids = torch.randint(5, 9, (6, 7)) * mask
    more = [] if labels is None else [labels[:6]]
    more += [INDEX[:6]] if index and more else []
    out = hooked(bert, "encoder.layer.1", ids, mask, types) * mask[..., None].numpy()
    expected = out.sum(1) / mask.sum(1, keepdim=True).numpy()
    for parts in ((ids, mask, types), (ids, types, mask)):
        data = TensorDataset(*parts, *more)
        for form in (data, DataLoader(data, 4), [data[i] for i in range(6)], [data[:4], data[4:]]):
            acts = nw.capture(bert, form, layer="encoder.layer.1", first=True)
            np.testing.assert_allclose(acts.values, expected, atol=1e-5)
            assert (acts.labels is None) == (labels is None)
            if labels is Y:
                assert acts.labels is not None
                assert acts.labels.tolist() == Y[:6].tolist()
