"""The same capture on Ray actors, two of them on this machine, one of which may die."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw

if TYPE_CHECKING:  # an actor that loads `Mortal` imports this file
    from transformers import BertModel, PreTrainedTokenizerBase

WORDS = ["the", "cat", "sat", "on", "mat", "play"]
RNG = np.random.default_rng(0)
TEXTS = [" ".join(RNG.choice(WORDS, n)) for n in RNG.integers(1, 20, 70)]
LABELS = [str(RNG.choice(["a", "b", "c"])) for _ in TEXTS]
LAYERS = ["encoder.layer.0.intermediate", "encoder.layer.1"]


pytestmark = pytest.mark.usefixtures("cluster")


@pytest.fixture(autouse=True)
def small_shards(shard_limits: Any) -> None:
    shard_limits(batches=3)


def read(model: nn.Module, data: Any, layer: Any, **options: Any) -> Any:
    return nw.capture(model, data, layer, progress=False, **{"batch_size": 4} | options)


def test_two_workers_do_what_one_process_does(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase, tmp_path: Path, files: Any
) -> None:
    options = {"tokenizer": bert_tokenizer, "pooling": "token", "labels": LABELS}
    collect = [nw.Top(5), nw.Rows()]
    one = read(bert, TEXTS, LAYERS, collect=collect, out=tmp_path / "one", **options)
    two = read(bert, TEXTS, LAYERS, collect=collect, out=tmp_path / "two",
               engine="ray", workers=2, **options)  # fmt: skip
    stored = [files(tmp_path / name) for name in ("one", "two")]
    # Collectors that were merged hold the same in other pieces.
    one_file, two_file = ({k: v for k, v in s.items() if "state" not in k} for s in stored)
    assert one_file == two_file
    for name in LAYERS:
        assert two[name].samples == one[name].samples == 70
        np.testing.assert_array_equal(two[name][0].values, one[name][0].values)
        np.testing.assert_array_equal(two[name][0].sample, one[name][0].sample)
        np.testing.assert_array_equal(np.asarray(two[name][1].values), one[name][1].values)


class Mortal(nn.Module):
    """Kills its process once where it sees a 7: its file says that it did."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.fc, self.file = nn.Linear(3, 4), str(file)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if bool((x == 7).any()) and not os.path.exists(self.file):
            open(self.file, "w").close()
            os._exit(1)
        return self.fc(x)


DATA = RNG.normal(size=(80, 3)).astype("f4")


def test_a_worker_that_dies_costs_a_retry(tmp_path: Path, files: Any) -> None:
    torch.manual_seed(0)
    data = DATA.copy()
    data[50, 1] = 7
    model = Mortal(tmp_path / "died")
    found = read(model, data, "fc", out=tmp_path / "acts", engine="ray", workers=2)
    assert (tmp_path / "died").exists()
    expected = read(model, data, "fc", out=tmp_path / "one")
    np.testing.assert_array_equal(np.asarray(found.values), np.asarray(expected.values))
    shards = {k: v for k, v in files(tmp_path / "acts").items() if k != "manifest.json"}
    assert shards == {k: v for k, v in files(tmp_path / "one").items() if k != "manifest.json"}
