"""The same split of a model on Ray actors, two of them on this machine, one of which may die."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertModel, PreTrainedTokenizerBase

import neuronwidgets as nw
from neuronwidgets.capturing.to_disk import ShardLimits
from neuronwidgets.layer_splits import ray as on_ray
from neuronwidgets.layer_splits import split_model as split_module
from tests.model.split_models import TEXTS

DATA = np.random.default_rng(0).normal(size=(160, 12)).astype("f4")
RAY = {"engine": "ray", "workers": 2}

pytestmark = pytest.mark.usefixtures("cluster")


@pytest.fixture(autouse=True)
def small_shards(shard_limits: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shard_limits(batches=3)
    monkeypatch.setattr(on_ray, "WINDOW", 3)
    monkeypatch.setattr(split_module, "ShardLimits", partial(ShardLimits, batches=3))


class Mortal(nn.Module):
    """Kills its process where a file says so; the file says so once for each number of passes."""

    def __init__(self, folder: Path, deaths: tuple[int, ...]) -> None:
        super().__init__()
        self.fc, self.act = nn.Linear(12, 20), nn.ReLU()
        self.folder, self.deaths, self.passes = str(folder), deaths, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.passes += 1
        mark = f"{self.folder}/{self.passes}"
        if self.passes in self.deaths and not os.path.exists(mark):
            open(mark, "w").close()
            os._exit(1)
        return self.act(self.fc(x))


def same_bytes(two: nw.ModelSplits, one: nw.ModelSplits, files: Any) -> None:
    """The folders have the same tops, rows and trees."""
    mine, other = files(two.path), files(one.path)
    for kind in ("tops/", "rows/", "splits/"):
        names = sorted(name for name in other if name.startswith(kind))
        assert sorted(name for name in mine if name.startswith(kind)) == names
        assert [name for name in names if mine[name] != other[name]] == []


def test_two_workers_split_as_one_process(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase, tmp_path: Path, files: Any
) -> None:
    layers = ["encoder.layer.0.intermediate", "encoder.layer.1", "encoder.layer.2"]
    options: dict[str, Any] = {
        "pooling": "token", "labels": [str(i % 4) for i in range(90)], "draws": 5, "first": True,
        "tokenizer": bert_tokenizer, "batch_size": 6, "progress": False,
    }  # fmt: skip
    one = nw.split_model(bert, TEXTS, layers, 12, out=tmp_path / "one", **options)
    two = nw.split_model(bert, TEXTS, layers, 12, out=tmp_path / "two", **options, **RAY)
    same_bytes(two, one, files)
    name = layers[1]
    np.testing.assert_array_equal(two[name].vectors, one[name].vectors)
    for score, column in one[name].scores.items():
        np.testing.assert_allclose(two[name].scores[score], column, rtol=1e-9, err_msg=score)


def test_a_worker_that_dies_costs_its_part(tmp_path: Path, files: Any) -> None:
    torch.manual_seed(0)
    (tmp_path / "marks").mkdir()
    options: dict[str, Any] = {"batch_size": 8, "progress": False, "scores": ()}
    mortal = Mortal(tmp_path / "marks", (4, 6))
    two = nw.split_model(mortal, DATA, ["act"], 8, out=tmp_path / "two", **options, **RAY)
    assert {path.name for path in (tmp_path / "marks").iterdir()} == {"4", "6"}
    mortal.deaths = ()
    one = nw.split_model(mortal, DATA, ["act"], 8, out=tmp_path / "one", **options)
    same_bytes(two, one, files)


def test_what_a_worker_cannot_do_is_raised(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 6), nn.ReLU())
    options: dict[str, Any] = {"batch_size": 8, "progress": False, "scores": ()}
    nw.split_model(model, DATA, ["1"], 8, out=tmp_path, **options)
    with pytest.raises(nw.StoreError, match="other threshold"):
        nw.split_model(model, DATA, ["1"], 8, out=tmp_path, threshold=1.0, **options, **RAY)
