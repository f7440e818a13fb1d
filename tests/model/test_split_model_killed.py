"""A `split_model` that is killed in any of its steps goes on to the same files."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import neuronwidgets as nw

# Each run dies at the n-th call of one function.
KILLED = """
import os, signal, sys
from functools import partial
import cloudpickle, numpy as np, pandas, pyarrow.parquet, torch
from torch import nn
import neuronwidgets as nw
from neuronwidgets.activations.store.writer import Shard, Writer
from neuronwidgets.capturing import capture as capture_module
from neuronwidgets.capturing.engine import Engine
from neuronwidgets.capturing.to_disk import ShardLimits
from neuronwidgets.layer_splits import pipeline, split_model as split_module
from neuronwidgets.layer_splits.gather import GatheredStore, Gatherer
from neuronwidgets.layer_splits.io import Folder
from neuronwidgets.layer_splits.model_splits import ModelFolder

limits = partial(ShardLimits, batches=3, seconds=1e9)
capture_module.Engine = partial(Engine, limits=limits())
split_module.ShardLimits = limits
pipeline.BLOCK = 8

def die_at(name, count):
    owner, method = name.split(".")
    owner = globals()[owner]
    whole, calls = getattr(owner, method), iter(range(1, 10**6))
    def mortal(*args, **options):
        if next(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(*args, **options)
    setattr(owner, method, mortal)

def run(out, name, count):
    if name != "nowhere":
        die_at(name, int(count))
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 12), nn.ReLU())
    data = np.random.default_rng(0).normal(size=(160, 12)).astype("f4")
    labels = [str(i % 3) for i in range(160)]
    nw.split_model(model, data, None, 5, labels=labels, batch_size=8, out=out,
                   draws=0, progress=False)

torch.set_num_threads(1)
# One process imports; each run is its child.
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        run(*line.split())
        os._exit(0)
    print(os.waitpid(child, 0)[1], flush=True)
"""
DEATHS = [
    # The first pass.
    ("Writer.commit", 1),
    ("Writer.commit", 3),
    ("Writer.complete", 1),
    ("ModelFolder.write_tops", 2),
    ("ModelFolder.describe", 1),
    # The second pass.
    ("Shard.add", 5),
    ("Gatherer._wanted", 8),
    ("GatheredStore.commit", 2),
    ("Shard.finish", 2),
    ("GatheredStore.finish", 1),
    # The trees: three blocks of the first layer, two of the second.
    ("Folder.open", 1),
    ("Folder.write", 2),
    ("Folder.open", 2),
    ("Folder.write", 2),
]
"""In the order of a run: the next one of a folder is later than the one before."""


def statuses(runs: list[tuple[Path, str, int]]) -> list[int]:
    """The exit status of each run, one after the other: folder, function and call to die at."""
    lines = "".join(f"{folder} {name} {count}\n" for folder, name, count in runs)
    command = [sys.executable, "-c", KILLED]
    done = subprocess.run(command, input=lines, text=True, stdout=subprocess.PIPE, check=True)
    return [int(line) for line in done.stdout.split()]


def test_it_goes_on_wherever_it_was_killed(tmp_path: Path, files: Any) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    deaths = [(killed, name, count) for name, count in DEATHS]
    runs = [(whole, "nowhere", 0), *deaths, (killed, "nowhere", 0)]
    assert statuses(runs) == [0, *[signal.SIGKILL] * len(DEATHS), 0]
    assert files(killed) == files(whole)
    splits = nw.ModelSplits.load(killed)
    assert [len(layer) for layer in splits.values()] == [20, 12]


def test_a_half_split_model_opens(tmp_path: Path) -> None:
    assert statuses([(tmp_path, "Folder.write", 3)]) == [signal.SIGKILL]
    splits = nw.ModelSplits.load(tmp_path)
    assert len(splits["1"]) == 16
    assert not splits["1"].done
    with pytest.raises(nw.StoreError, match=r"layer\.json"):
        splits["3"]
