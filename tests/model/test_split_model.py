"""All neurons of a model, from two passes over the data, as from a capture of each layer."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertModel, PreTrainedTokenizerBase

import neuronwidgets as nw
from neuronwidgets.layer_splits.pipeline import Pipeline
from tests.model.split_models import TEXTS, same_as_by_layer

RNG = np.random.default_rng(1)
ROWS = RNG.normal(size=(300, 12)).astype("f4")
BERT = ["encoder.layer.0.intermediate", "encoder.layer.1"]


@pytest.fixture(scope="module")
def model() -> nn.Module:
    """Two layers; of the first, neuron 3 is dead, and 5 and 6 fire on few samples."""
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 8), nn.GELU(), nn.Linear(8, 2))
    with torch.no_grad():
        made[0].bias[3] = -100
        for neuron, active in (5, 12), (6, 1):
            strongest = made[0](torch.from_numpy(ROWS))[:, neuron].sort(descending=True).values
            made[0].bias[neuron] -= strongest[active]
    return made


def run(model: nn.Module, data: Any, *args: Any, **options: Any) -> nw.ModelSplits:
    return nw.split_model(model, data, *args, progress=False, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"labels": [str(i % 3) for i in range(300)]},
        {"refined": True, "threshold": 0.8},
        {"method": "average", "metric": "euclidean", "scores": ["kurtosis", "active"]},
        {"scores": (), "min_size": 3},
    ],
)
def test_arrays(model: nn.Module, options: dict[str, Any]) -> None:
    splits = run(model, ROWS, None, 20, batch_size=32, **options)
    assert list(splits) == ["1", "3"]
    same_as_by_layer(splits, model, ROWS, 20, batch_size=32, **options)
    assert splits["1"].tops[[3, 5, 6, 7]].tolist() == [0, 12, 1, 20]


def test_labels_that_are_read_once(model: nn.Module) -> None:
    labels = [str(i % 3) for i in range(300)]
    splits = run(model, ROWS, "1", 20, labels=iter(labels))
    same_as_by_layer(splits, model, ROWS, 20, labels=labels)


@pytest.mark.parametrize("kinds", [4, 30])
def test_copies_count_once_unless_there_are_few_kinds(model: nn.Module, kinds: int) -> None:
    data = ROWS[RNG.integers(0, kinds, 300)]
    same_as_by_layer(run(model, data, "1", 20, batch_size=300), model, data, 20, batch_size=300)


def test_a_layer_without_an_active_neuron_and_one_of_one_neuron() -> None:
    torch.manual_seed(0)
    dead = nn.Sequential(nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 1), nn.Identity())
    with torch.no_grad():
        dead[0].bias.fill_(-100)
    splits = run(dead, ROWS, ["1"], 20)
    assert (splits["1"].tops == 0).all()
    same_as_by_layer(splits, dead, ROWS, 20)
    one = nn.Sequential(nn.Linear(12, 1), nn.ReLU())
    same_as_by_layer(run(one, ROWS, None, 20), one, ROWS, 20)
    # As many samples as are asked for.
    same_as_by_layer(run(one, ROWS[:20], ["0"], 20), one, ROWS[:20], 20)


@pytest.mark.parametrize(
    "options",
    [
        {"pooling": "token"},
        {"pooling": "token", "labels": [str(i % 4) for i in range(90)]},
        {"pooling": "token", "labels": [text.split() for text in TEXTS]},
        {"pooling": "mean", "labels": [i % 4 for i in range(90)], "label_names": list("abcd")},
        {"pooling": "max", "long": "windows", "overlap": 2, "max_length": 8},
    ],
)
def test_texts(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase, options: dict[str, Any]
) -> None:
    options = {"tokenizer": bert_tokenizer, "batch_size": 8, "first": True, "draws": 5} | options
    splits = run(bert, TEXTS, BERT, 15, **options)
    same_as_by_layer(splits, bert, TEXTS, 15, **options)
    acts = splits[BERT[1]].acts
    whole = nw.capture(
        bert, TEXTS, BERT[1], progress=False, **{k: v for k, v in options.items() if k != "draws"}
    )
    direction = np.linspace(-1, 1, 16)
    row = len(acts) // 2
    (other,) = whole.samples.rows_of(acts.samples.dataset_indices([row]))
    mine, theirs = acts.tokens([row], direction), whole.tokens([int(other)], direction)
    np.testing.assert_allclose(mine[0], theirs[0], atol=1e-5)


def test_empty_texts_are_left_out_with_one_warning(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase
) -> None:
    texts = ["" if i % 9 == 0 else text for i, text in enumerate(TEXTS)]
    options: dict[str, Any] = {
        "tokenizer": bert_tokenizer, "batch_size": 8, "pooling": "mean",
        "labels": [i % 4 for i in range(90)],
    }  # fmt: skip
    with pytest.warns(UserWarning, match="10 of 90 texts are empty") as caught:
        splits = run(bert, texts, [BERT[0]], 10, **options)
    assert [str(w.message)[:20] for w in caught] == ["10 of 90 texts are e"]
    with pytest.warns(UserWarning, match="10 of 90 texts are empty"):
        same_as_by_layer(splits, bert, texts, 10, **options)


def test_ready_batches_with_labels_that_appear_late(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase
) -> None:
    data = [
        dict(
            bert_tokenizer(TEXTS[i : i + 6], return_tensors="pt", padding=True),
            labels=[f"label {99 - i}"] * 6,
        )
        for i in range(0, 90, 6)
    ]
    same_as_by_layer(run(bert, data, BERT, 10, "mean"), bert, data, 10, pooling="mean")


@pytest.mark.parametrize("pooling", ["token", "max"])
def test_images(pooling: str) -> None:
    torch.manual_seed(0)
    images = RNG.integers(0, 255, (60, 9, 9, 3), np.uint8)
    convolutions = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.ReLU())
    options = {"pooling": pooling, "batch_size": 8, "draws": 5}
    splits = run(convolutions, images, None, 12, **options)
    same_as_by_layer(splits, convolutions, images, 12, **options)
    acts = splits["1"].acts
    image = acts.samples.images[0]
    np.testing.assert_array_equal(image, images[acts.samples.dataset_index_of(0)[0]])


def test_the_input_of_down_projections_is_split() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate, self.up, self.down = nn.Linear(12, 24), nn.Linear(12, 24), nn.Linear(24, 12)
            self.act = nn.SiLU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.down(self.act(self.gate(x)) * self.up(x))

    torch.manual_seed(0)
    gated = nn.Sequential(Gated(), Gated())
    splits = run(gated, ROWS, top=20)
    assert list(splits) == ["0.down", "1.down"]
    same_as_by_layer(splits, gated, ROWS, 20, at="input")


def test_a_folder_opens_again_and_is_not_computed_again(
    model: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(model, ROWS, None, 20, out=tmp_path / "splits")
    assert first.path == tmp_path / "splits"
    loaded = nw.ModelSplits.load(tmp_path / "splits")
    assert loaded.layers == ("1", "3")
    assert loaded.samples == 300
    np.testing.assert_array_equal(loaded["3"].Z, first["3"].Z)
    assert loaded["3"] is loaded["3"]
    frame = loaded.to_frame()
    assert list(frame["layer"]) == ["1"] * 20 + ["3"] * 8
    assert "2 layers" in repr(loaded)
    # All is on disk: the model is not run, and no tree is made.
    monkeypatch.setattr(Pipeline, "block", None)
    monkeypatch.setattr(nn.Linear, "forward", None)
    again = run(model, ROWS, None, 20, out=tmp_path / "splits")
    np.testing.assert_array_equal(again["1"].vectors, first["1"].vectors)
    with pytest.raises(KeyError, match="'4' is not in this split of a model, which has '1', '3'"):
        loaded["4"]


def test_other_settings_and_other_data_are_refused(model: nn.Module, tmp_path: Path) -> None:
    run(model, ROWS, "3", 20, out=tmp_path, scores=())
    with pytest.raises(nw.StoreError, match="other threshold"):
        run(model, ROWS, "3", 20, out=tmp_path, scores=(), threshold=2.0)
    with pytest.raises(nw.StoreError, match="something else"):
        run(model, ROWS, "3", 30, out=tmp_path, scores=())
    with pytest.raises(nw.StoreError, match="first batch differs"):
        run(model, ROWS[::-1].copy(), "3", 20, out=tmp_path, scores=())


def test_the_modes_of_a_notebook_change_nothing(model: nn.Module) -> None:
    options: dict[str, Any] = {"labels": [str(i % 3) for i in range(300)], "draws": 3}
    with torch.inference_mode(), np.errstate(all="raise"):
        splits = run(model, ROWS, None, 20, **options)
    same_as_by_layer(splits, model, ROWS, 20, **options)


@pytest.mark.parametrize("batch", [4, 15])
def test_a_stopped_call_goes_on(
    model: nn.Module, tmp_path: Path, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the first pass, which has ten batches, and in the second."""
    forward, batches = nn.GELU.forward, 0

    def stop(module: nn.GELU, x: torch.Tensor) -> torch.Tensor:
        nonlocal batches
        batches += 1
        if batches == batch:
            raise KeyboardInterrupt
        return forward(module, x)

    options: dict[str, Any] = {"batch_size": 30, "out": tmp_path / "splits", "scores": ()}
    monkeypatch.setattr(nn.GELU, "forward", stop)
    stopped = pytest.warns(UserWarning, match="stopped after 90 of 300")
    with stopped if batch < 10 else nullcontext(), pytest.raises(KeyboardInterrupt):
        run(model, ROWS, None, 20, **options)
    again = run(model, ROWS, None, 20, **options)
    del options["out"]
    whole = run(model, ROWS, None, 20, **options)
    for name in whole:
        np.testing.assert_array_equal(again[name].Z, whole[name].Z)
        np.testing.assert_array_equal(again[name].index, whole[name].index)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "int8"])
def test_rows_in_fewer_bytes(model: nn.Module, dtype: str, tmp_path: Path) -> None:
    whole = run(model, ROWS, ["3"], 20, scores=())["3"]
    splits = run(model, ROWS, ["3"], 20, scores=(), dtype=dtype, out=tmp_path)
    rounded = splits["3"]
    np.testing.assert_array_equal(rounded.index, whole.index)
    np.testing.assert_array_equal(rounded.activations, whole.activations)
    assert rounded.acts is not None
    assert rounded.acts.values.stored_dtype == dtype
    np.testing.assert_allclose(rounded.acts.values[:], whole.acts.values[:], atol=0.02)
    np.testing.assert_allclose(rounded.Z[:, -1, 2], whole.Z[:, -1, 2], rtol=0.05)


class Turning:
    """Data that gives other samples each time."""

    def __init__(self) -> None:
        self.turns = 0

    def __iter__(self) -> Any:
        self.turns += 1
        rows = torch.from_numpy(ROWS if self.turns == 1 else ROWS[:100])
        return iter(rows.split(50))


def test_data_that_changes_between_the_passes_is_noticed(model: nn.Module) -> None:
    with pytest.raises(nw.StoreError, match="rows of layer '1' came when data was read again"):
        run(model, Turning(), ["1"], 20)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"data": iter([ROWS])}, TypeError, "readable twice"),
        ({"layers": ["1", "1"]}, ValueError, "layers must be one layer or several different"),
        ({"layers": "9"}, ValueError, "9"),
        ({"top": 1}, ValueError, "top must be"),
        ({"top": 400}, ValueError, "top must be at most 300, got 400"),
        ({"method": "kmeans"}, ValueError, "one neuron at a time"),
        ({"scores": ["wasserstein"]}, ValueError, "'wasserstein' here"),
        ({"scores": ["beauty"]}, ValueError, "score must be one of"),
        ({"engine": "wood"}, ValueError, "engine must be"),
        ({"dtype": "float8"}, ValueError, "dtype must be"),
    ],
)
def test_refusals(
    model: nn.Module, arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        run(**{"model": model, "data": ROWS} | arguments)


def test_shuffled_data_is_refused(model: nn.Module) -> None:
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.from_numpy(ROWS)), 10, shuffle=True
    )
    with pytest.raises(ValueError, match="shuffle=False"):
        run(model, loader, ["1"], 20)


def test_memory_bounds_the_blocks_in_work(
    model: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    acts = nw.Activations.from_arrays(ROWS)
    layer = nw.split_layer(acts, 20, progress=False)
    torch.set_num_threads(4)
    try:
        pipeline = Pipeline(acts, layer.targets, layer.settings, torch.device("cpu"), memory=1.0)
        monkeypatch.setattr(pipeline, "size", 2)
        working, most = 0, 0
        block = pipeline.block

        def counted(*args: Any) -> Any:
            nonlocal working, most
            working += 1
            most = max(most, working)
            try:
                return block(*args)
            finally:
                working -= 1

        monkeypatch.setattr(pipeline, "block", counted)
        assert sum(map(len, pipeline.blocks())) == 12
        assert most == 1
    finally:
        torch.set_num_threads(1)
