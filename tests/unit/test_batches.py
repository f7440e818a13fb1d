"""Whatever users have as data -> batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import datasets as hf
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset
from transformers import (
    CLIPImageProcessor,
    PreTrainedTokenizerBase,
    VisionTextDualEncoderProcessor,
    Wav2Vec2FeatureExtractor,
)

from neuronwidgets.data.batch import Batch
from neuronwidgets.data.batches import batches

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (5, 8, 6, 3), dtype=np.uint8)
GREY = RGB[..., 0].copy()
FLOAT = np.moveaxis(RGB, -1, 1).astype(np.float32) / 255
TEXTS = ["the cat sat", "play", "the 🧠 players, playing 日本"]


def all_of(data: Any, **options: Any) -> list[Batch]:
    source = batches(data, **({"batch_size": 2} | options))
    made = list(source.batches)
    if source.total is not None:
        assert sum(batch.size for batch in made) == source.total
    return made


def inputs(made: list[Batch]) -> torch.Tensor:
    return torch.cat([batch.inputs for batch in made])


@pytest.mark.parametrize(
    "data",
    [
        RGB,
        list(RGB),
        torch.tensor(RGB),
        np.moveaxis(RGB, -1, 1),
        [Image.fromarray(image) for image in RGB],
        (Image.fromarray(image) for image in RGB),
        np.concatenate([RGB, np.full_like(RGB[..., :1], 255)], axis=-1),
        [Image.fromarray(image).convert("RGBA") for image in RGB],
        list(torch.tensor(RGB).movedim(-1, 1)),
    ],
)
def test_images_become_float_channels_first_and_are_shown(data: Any) -> None:
    made = all_of(data)
    torch.testing.assert_close(inputs(made), torch.tensor(FLOAT))
    assert [batch.size for batch in made] == [2, 2, 1]
    np.testing.assert_array_equal([image for batch in made for image in batch.images], RGB)


@pytest.mark.parametrize("data", [GREY, list(GREY), [Image.fromarray(i) for i in GREY]])
def test_grey_images_have_one_channel(data: Any) -> None:
    made = all_of(data)
    torch.testing.assert_close(inputs(made), torch.tensor(GREY[:, None] / np.float32(255)))
    np.testing.assert_array_equal([image for batch in made for image in batch.images], GREY)


@pytest.mark.parametrize(
    "data",
    [
        FLOAT * 3 - 1,
        (FLOAT * 3 - 1).astype(np.float64),
        torch.tensor(FLOAT * 3 - 1, requires_grad=True),
        list(FLOAT * 3 - 1),
        list(torch.tensor(FLOAT * 3 - 1)),
        TensorDataset(torch.tensor(FLOAT * 3 - 1), torch.arange(5)),
        hf.Dataset.from_dict({"pixel_values": (FLOAT * 3 - 1).tolist()}),
        hf.Dataset.from_dict({"pixel_values": (FLOAT * 3 - 1).tolist()}).with_format("torch"),
    ],
)
def test_floats_reach_the_model_as_they_are_and_are_shown(data: Any) -> None:
    made = all_of(data)
    torch.testing.assert_close(inputs(made), torch.tensor(FLOAT * 3 - 1))
    assert [image.shape for batch in made for image in batch.images] == [(8, 6, 3)] * 5


def test_vectors_ids_and_bools() -> None:
    vectors = RNG.normal(size=(5, 3)).astype(np.float32)
    for data in (vectors, list(vectors), torch.tensor(vectors), list(torch.tensor(vectors))):
        torch.testing.assert_close(inputs(all_of(data)), torch.tensor(vectors))
    half = [torch.tensor(v).bfloat16().requires_grad_() for v in vectors]
    torch.testing.assert_close(inputs(all_of(half)), torch.tensor(vectors).bfloat16().float())
    assert inputs(all_of(vectors > 0)).dtype == torch.float32
    ids = RNG.integers(0, 9, (5, 4))
    for data in (ids, ids.astype(np.int32), torch.tensor(ids), list(torch.tensor(ids))):
        made = all_of(data)
        assert inputs(made).tolist() == ids.tolist()
        assert inputs(made).dtype == torch.int64
        assert all(batch.mask is not None and batch.mask.all() for batch in made)


def test_a_transform_makes_the_input_and_the_originals_are_shown() -> None:
    seen = []

    def transform(images: Any) -> torch.Tensor:
        seen.extend(images)
        return torch.zeros(len(images), 2)

    pictures = [Image.fromarray(image) for image in RGB]
    made = all_of(pictures, transform=transform)
    assert seen == pictures
    assert inputs(made).shape == (5, 2)
    np.testing.assert_array_equal(made[0].images, RGB[:2])
    assert inputs(all_of(RNG.normal(size=(5, 3)), transform=torch.tensor)).shape == (5, 3)


def test_an_image_processor_makes_the_input() -> None:
    processor = CLIPImageProcessor(
        size={"height": 4, "width": 4}, crop_size={"height": 4, "width": 4}
    )
    for data in (RGB, GREY, [Image.fromarray(image) for image in RGB]):
        made = all_of(data, processor=processor)
        assert [batch.inputs["pixel_values"].shape for batch in made][-1] == (1, 3, 4, 4)
        assert len(made[0].images) == 2


def test_a_processors_tokenizer_makes_texts(bert_tokenizer: PreTrainedTokenizerBase) -> None:
    processor = VisionTextDualEncoderProcessor(CLIPImageProcessor(), bert_tokenizer)
    (made,) = all_of(["the cat"], processor=processor)
    assert made.inputs["input_ids"].tolist() == [[2, 4, 5, 3]]


class Pairs(Dataset):
    """A torch `Dataset` without `__iter__`, of images and labels."""

    def __init__(self, images: list[Any], labels: list[Any]) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[Any, Any]:
        return self.images[i], self.labels[i]


class Mappings(Pairs):
    def __getitem__(self, i: int) -> dict[str, Any]:
        return {"pixel_values": self.images[i], "label": self.labels[i]}


class Streamed(IterableDataset):
    def __iter__(self) -> Iterator[tuple[torch.Tensor, int]]:
        return zip(torch.tensor(FLOAT), range(5), strict=True)


def labels(made: list[Batch]) -> list[Any]:
    return [
        label.item() if hasattr(label, "item") else label
        for batch in made
        for label in batch.labels or ()
    ]


@pytest.mark.parametrize(
    "data",
    [
        Pairs(list(torch.tensor(FLOAT)), list(range(5))),
        Pairs([Image.fromarray(image) for image in RGB], list(torch.arange(5))),
        Pairs(list(RGB), list(np.arange(5))),
        list(zip(FLOAT, np.arange(5), strict=True)),
        TensorDataset(torch.tensor(FLOAT), torch.arange(5)),
        Mappings(list(torch.tensor(FLOAT)), list(range(5))),
        Streamed(),
        DataLoader(TensorDataset(torch.tensor(FLOAT), torch.arange(5)), batch_size=3),
        DataLoader(Streamed(), batch_size=3),
        DataLoader(
            TensorDataset(torch.tensor(FLOAT), torch.arange(5)),
            batch_sampler=[[0, 1, 2], [3, 4]],
        ),
        [(FLOAT[:3], np.arange(3)), (FLOAT[3:], np.arange(3, 5))],
        [[torch.tensor(FLOAT[:3]), [0, 1, 2]], [torch.tensor(FLOAT[3:]), [3, 4]]],
        [{"pixel_values": torch.tensor(FLOAT), "labels": torch.arange(5)}],
        [({"pixel_values": torch.tensor(FLOAT)}, torch.arange(5))],
        hf.Dataset.from_dict(
            {"img": list(RGB), "label": list(range(5))},
            features=hf.Features({"img": hf.Image(), "label": hf.Value("int64")}),
        ),
    ],
)
def test_labels_come_along_with_the_data(data: Any) -> None:
    made = all_of(data)
    assert labels(made) == [0, 1, 2, 3, 4]
    first = made[0].inputs
    tensor = first["pixel_values"] if isinstance(first, dict) else first
    torch.testing.assert_close(tensor[0], torch.tensor(FLOAT[0]))
    assert isinstance(first, torch.Tensor) or set(first) == {"pixel_values"}


@pytest.mark.parametrize("label", [0.5, "cat", None, np.float32(1)])
def test_any_scalar_is_a_label(label: Any) -> None:
    made = all_of([(image, label) for image in torch.tensor(FLOAT)])
    assert labels(made) == [label] * 5


@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 4, 5), (3,), (2, 4)])
def test_batches_of_a_loader_are_batches_whatever_their_shape(shape: tuple[int, ...]) -> None:
    rows = torch.randn(shape[0] * 2, *shape[1:])
    made = all_of(DataLoader(TensorDataset(rows), batch_size=shape[0]))
    assert [tuple(batch.inputs[0].shape) for batch in made] == [shape, shape]
    assert [batch.size for batch in made] == [shape[0]] * 2


@pytest.mark.parametrize("shape", [(), (4,), (4, 5), (2, 4, 5)])
def test_rows_of_a_torch_dataset_are_samples_whatever_their_shape(shape: tuple[int, ...]) -> None:
    rows = torch.randn(5, *shape)
    for data in (TensorDataset(rows), TensorDataset(rows, torch.arange(5), torch.zeros(5))):
        torch.testing.assert_close(inputs(all_of(data)), rows)


def test_a_column_of_a_loader_is_labels_and_measurements_are_none() -> None:
    x, y = torch.zeros(4, 3), torch.tensor([[1.0], [0.0], [1.0], [1.0]])
    (batch,) = all_of(DataLoader(TensorDataset(x, y), 4))
    assert list(batch.labels or ()) == [1.0, 0.0, 1.0, 1.0]
    (batch,) = all_of(DataLoader(TensorDataset(x, y / 3), 4))
    assert batch.labels is None


def test_the_number_of_samples_is_known_where_it_can_be() -> None:
    data = TensorDataset(torch.zeros(5, 2))

    def total(data: Any) -> int | None:
        return batches(data).total

    assert total(DataLoader(data, batch_size=2)) == 5
    assert total(DataLoader(data, batch_size=2, drop_last=True)) is None
    assert total(DataLoader(data, batch_size=2, sampler=[0, 1, 2])) == 3
    assert total([torch.zeros(2, 2), torch.zeros(3, 2)]) is None
    assert total(x for x in torch.zeros(5, 2)) is None
    assert total(list(torch.zeros(5, 2))) == 5


def test_ready_batches_keep_their_masks_and_shape() -> None:
    ids = torch.tensor([[1, 2, 0], [3, 4, 5]])
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    (made,) = all_of([{"input_ids": ids, "attention_mask": mask, "label": torch.tensor([1, 0])}])
    assert set(made.inputs) == {"input_ids", "attention_mask"}
    assert made.mask is not None
    assert made.mask.tolist() == mask.bool().tolist()
    assert made.labels == [1, 0]
    (tuple_of,) = all_of([(torch.zeros(2, 3), torch.ones(2, 3), torch.ones(2))])
    assert len(tuple_of.inputs) == 3
    # Targets per token are no labels of samples.
    (language,) = all_of([{"input_ids": ids, "labels": ids}])
    assert language.labels is None


# What is refused


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ([], ValueError, "data is empty"),
        ((), ValueError, "data is empty"),
        (np.zeros((0, 3)), ValueError, "data is empty"),
        (torch.zeros(0, 3), ValueError, "data is empty"),
        (iter([]), ValueError, "data is empty"),
        (hf.Dataset.from_dict({"text": []}), ValueError, "data is empty"),
        (DataLoader(TensorDataset(torch.zeros(0, 2))), ValueError, "data is empty"),
        (TensorDataset(torch.zeros(0, 2)), ValueError, "data is empty"),
        ("text", TypeError, "a single string; pass a list of strings"),
        (5, TypeError, "data must be a list of strings, .* got a int"),
        (None, TypeError, "data must be a list of strings, .* got a NoneType"),
        ({"input_ids": torch.zeros(1, 2)}, TypeError, r"data is a mapping.*\[data\]"),
        (
            hf.DatasetDict({"train": hf.Dataset.from_dict({"text": TEXTS})}),
            TypeError,
            r"splits 'train': pass one, as data\['train'\]",
        ),
        (pd.DataFrame({"text": TEXTS}), TypeError, r"a table: pass one column.*\['text'\]"),
        (pd.DataFrame({"a": [0.5]}), TypeError, r"of numbers their array, data.to_numpy"),
        (hf.Dataset.from_dict({"a": [[0.5]]}), ValueError, r"pass the column as an array"),
        (
            torch.nested.as_nested_tensor([torch.zeros(2, 3)], layout=torch.jagged),
            TypeError,
            r"a nested tensor: pass .* data.unbind\(\)",
        ),
        (TEXTS, ValueError, "no tokenizer is given: pass tokenizer="),
        (np.array(TEXTS), ValueError, "no tokenizer is given"),
        (pd.Series(TEXTS), ValueError, "no tokenizer is given"),
        (
            hf.Dataset.from_dict({"a": [1]}),
            ValueError,
            r"a column of texts .* got the columns \['a'\]",
        ),
        ([RGB[0], GREY[0, 1:]], ValueError, "the images have different shapes"),
        ([torch.zeros(3), torch.zeros(4)], ValueError, r"different shapes \(\(3,\), \(4,\)\)"),
        (np.zeros((2, 3, 4), int), ValueError, "must be token ids, B x T, .*pass images as uint8"),
        (np.zeros((2, 3), complex), TypeError, "an array of numbers or texts, got complex128"),
        ([object()], TypeError, "data must hold strings, .* got a object"),
        ([[1.0, 2], [3, 4]], TypeError, r"lists of numbers: pass an array .*numpy.array\(data\)"),
        ([([1.0, 2], "a")], TypeError, "lists of numbers: .* and the labels as labels="),
        ([{"a": 1}], TypeError, "a mapping without a tensor"),
    ],
)
def test_what_is_no_data_is_refused(data: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        all_of(data)


@pytest.mark.parametrize("option", ["batch_size", "max_length"])
@pytest.mark.parametrize("size", [0, -1, 2.5, True, "3"])
def test_sizes_are_whole_numbers(option: str, size: Any) -> None:
    with pytest.raises(ValueError, match=f"{option} must be a positive integer, got {size!r}"):
        batches(RGB, **{option: size})


# Order


def test_texts_of_like_length_come_together_within_a_window(
    bert_tokenizer: PreTrainedTokenizerBase,
) -> None:
    options: Any = {"processor": bert_tokenizer, "batch_size": 2}
    texts = ["the cat " * n for n in (1, 9, 2, 8, 3, 7, 4, 6, 5, 1, 9)]
    for data, numbers in ((texts, None), (iter(texts), None), (streamed(texts), range(11))):
        made = list(batches(data, by_length=True, sort_window=3, **options).batches)
        places = [batch.dataset_index.tolist() for batch in made if batch.dataset_index is not None]
        assert places == [[1, 3], [5, 4], [2, 0], [10, 7], [8, 6], [9]]
        assert [text for batch in made for text in batch.texts] == [
            texts[i] for place in places for i in place
        ]
        if numbers is not None:
            assert labels(made) == [i for place in places for i in place]
        widths = [batch.inputs["input_ids"].shape[1] for batch in made]
        assert widths[:3] == sorted(widths[:3], reverse=True)
    in_order = list(batches(texts, **options).batches)
    assert all(batch.dataset_index is None for batch in in_order)


def streamed(texts: list[str]) -> Any:
    rows = {"text": texts, "label": list(range(len(texts)))}
    return hf.Dataset.from_dict(rows).to_iterable_dataset()


def test_a_bad_text_is_named_by_its_place_in_the_data(
    bert_tokenizer: PreTrainedTokenizerBase,
) -> None:
    texts = ["cat", "the cat sat", 7, "the cat", "mat"]
    with pytest.raises(TypeError, match=r"holds a int among its texts \(7, sample 2\)"):
        list(batches(texts, processor=bert_tokenizer, batch_size=2, by_length=True).batches)


@pytest.mark.parametrize("lengths", [(400, 400), (400, 300)])
def test_sounds_for_a_feature_extractor_are_refused(lengths: tuple[int, int]) -> None:
    sounds = [np.ones(n, np.float32) for n in lengths]
    data: Any = np.stack(sounds) if lengths[0] == lengths[1] else sounds
    with pytest.raises(ValueError, match=r"prepares sounds, .* \[extractor\(sound, sampling_rate"):
        all_of(data, processor=Wav2Vec2FeatureExtractor())
