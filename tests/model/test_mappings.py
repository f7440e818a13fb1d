"""Samples and batches that are mappings, for models of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

import neuronwidgets as nw


def read(model: nn.Module, data: Any, layer: str) -> Any:
    return nw.capture(model, data, layer, progress=False, batch_size=4)


class Named(Dataset[Any]):
    """Samples that are mappings."""

    def __init__(self, samples: list[dict[str, Any]]) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> dict[str, Any]:
        return self.samples[i]


@pytest.mark.parametrize("label", ["label", "target"])
@pytest.mark.parametrize("name", ["image", "x"])
def test_arrays_of_images_in_mappings(name: str, label: str) -> None:
    """Whether or not the model's argument has the name of the column."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())

    class Convolution(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = model

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x)

    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 6, 3), dtype=np.uint8)
    floats = torch.from_numpy(pixels).movedim(-1, 1).float() / 255
    expected = read(model, floats, "1").values
    kinds: tuple[Any, ...] = (floats,) if name == "x" else (floats, pixels)
    for images in kinds:
        rows = Named([{name: image, label: i % 2} for i, image in enumerate(images)])
        by_loader = images is floats and (name == "x" or label == "label")
        forms: list[Any] = [rows, *([DataLoader(rows, 2)] if by_loader else [])]
        forms += [rows.samples, iter(rows.samples)] if name == "image" else []
        for data in forms:
            acts = read(Convolution(), data, "layer.1")
            np.testing.assert_allclose(acts.values, expected, atol=1e-6)
            assert acts.labels.tolist() == [0, 1, 0, 1, 0]
            assert len(acts.samples.images) == 5


def test_a_model_that_reads_a_mapping_of_one_tensor_gets_it() -> None:
    class ByName(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, inputs: Any) -> torch.Tensor:
            return self.layer(inputs["image"])

    assert read(ByName(), [{"image": torch.zeros(2, 4)}], "layer").shape == (2, 3)


def test_a_mapping_for_a_model_that_reads_none() -> None:
    model = nn.Sequential(nn.Linear(4, 3))
    batch = {"image": torch.zeros(2, 4), "more": torch.zeros(2, 4)}
    with pytest.raises(RuntimeError, match=r"a mapping of 'image', 'more', .* 'input' and the lab"):
        read(model, [batch], "0")


@pytest.mark.parametrize("label", ["label", "y"])
def test_a_mapping_with_one_label_is_one_sample(label: str) -> None:
    """Its rows are not samples, nor are its label's."""
    torch.manual_seed(0)
    flat, maps = nn.Sequential(nn.Linear(4, 3)), nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    classes = ["a", None, "b", "a", "b"]
    for model, x in ((flat, torch.randn(5, 4)), (maps, torch.randn(5, 3, 4))):
        expected = model(x).detach().numpy()
        forms: list[list[Any]] = [list(x), list(x.numpy())]
        for rows in [*forms, x.tolist()] if x.ndim == 2 else forms:
            records = [{"input": row, label: name} for row, name in zip(rows, classes, strict=True)]
            for data in (records, iter(records), Named(records)):
                acts = read(model, data, str(len(model) - 1))
                np.testing.assert_allclose(acts.values, expected, atol=1e-6)
                assert acts.labels.tolist() == [0, -1, 1, 0, 1]


class OfName(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.layer = nn.Embedding(20, 6), nn.Linear(6, 4)

    def forward(self, text: torch.Tensor) -> torch.Tensor:
        return self.layer(self.embed(text)).mean(1)


class OfBatch(OfName):
    def forward(self, batch: Any) -> torch.Tensor:
        return super().forward(batch["text"])


@pytest.mark.parametrize("kind", [OfName, OfBatch])
@pytest.mark.parametrize("rows", [[[6, 7, 8], [4, 5, 6, 7], [8, 9], [7, 7, 7]], [[5, 6, 7]] * 4])
def test_ids_in_a_mapping_are_one_sample(
    kind: type[OfName], rows: list[list[int]], bert_tokenizer: Any
) -> None:
    """Its tokens are not samples."""
    torch.manual_seed(0)
    model = kind()
    with torch.no_grad():
        expected = torch.stack([model.layer(model.embed(torch.tensor(r))).mean(0) for r in rows])
    forms: list[list[Any]] = [rows, [torch.tensor(r) for r in rows], [np.array(r) for r in rows]]
    for ids in forms:
        alone = [{"text": row} for row in ids]
        named = [{"text": row, "label": i % 2} for i, row in enumerate(ids)]
        for data, labels in (
            (alone, [0, 1, 0, 1]), (iter(alone), [0, 1, 0, 1]), (Named(alone), [0, 1, 0, 1]),
            (named, None), (Named(named), None),
        ):  # fmt: skip
            acts = nw.capture(model, data, layer="layer", labels=labels, batch_size=2)
            np.testing.assert_allclose(acts.values, expected, atol=1e-6)
            assert acts.labels is not None
            assert acts.labels.tolist() == [0, 1, 0, 1]
    if kind is OfName:
        shown = nw.capture(model, alone, layer="layer", tokenizer=bert_tokenizer).samples.texts
        assert list(shown) == [bert_tokenizer.decode(r, skip_special_tokens=True) for r in rows]


def test_columns_of_ids_stay_a_batch() -> None:
    class Towers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.user, self.item, self.layer = (
                nn.Embedding(9, 4), nn.Embedding(9, 4), nn.Linear(4, 2),
            )  # fmt: skip

        def forward(self, user: torch.Tensor, item: torch.Tensor) -> torch.Tensor:
            return self.layer(self.user(user) * self.item(item))

    columns = {"user": torch.arange(5), "item": torch.arange(5)}
    for batch in (columns, {**columns, "label": torch.arange(5)}):
        assert read(Towers(), [batch], "layer").shape == (5, 2)
    flat = nn.Sequential(nn.Embedding(9, 4))
    assert read(flat, [{"x": torch.arange(5), "label": torch.arange(5)}], "0").shape == (5, 4)


def test_token_ids_are_a_first_argument_of_any_name(bert_tokenizer: Any) -> None:
    """As of TransformerLens, whose forward knows the mask by its name."""
    masks: list[torch.Tensor | None] = []

    class Bridge(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.act = nn.Embedding(len(bert_tokenizer), 6), nn.ReLU()

        def forward(
            self, input: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs: Any
        ) -> torch.Tensor:
            masks.append(attention_mask)
            return self.act(self.embed(input))

    model, texts = Bridge(), ["one", "one two three"]
    acts = nw.capture(model, texts, "act", tokenizer=bert_tokenizer, progress=False)
    assert len(acts) == 2
    assert all(mask is not None for mask in masks)
