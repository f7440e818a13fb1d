"""The same split of a model on Ray actors, two of them on this machine, of which each may die."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.capturing.to_disk import ShardLimits
from neuronwidgets.layer_splits import ray as on_ray
from neuronwidgets.layer_splits import split_model as split_module

DATA = np.random.default_rng(0).normal(size=(160, 12)).astype("f4")
LABELS = [str(i % 3) for i in range(160)]


class Mortal(nn.Module):
    """Kills its process once in each pass over the data, at its third batch."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.fc, self.act, self.out = nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 6)
        self.last = nn.ReLU()
        self.folder, self.batches = folder, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.batches += 1
        second = (self.folder / "two" / "model.json").exists()
        mark = self.folder / ("second" if second else "first")
        if self.batches == 3 and not mark.exists() and self.folder.name != "immortal":
            mark.touch()
            os._exit(1)
        return self.last(self.out(self.act(self.fc(x))))


@pytest.mark.usefixtures("cluster")
def test_two_workers_split_as_one_process_and_a_death_costs_a_part(
    tmp_path: Path, shard_limits: Any, monkeypatch: pytest.MonkeyPatch, files: Any
) -> None:
    shard_limits(batches=3)
    monkeypatch.setattr(on_ray, "WINDOW", 3)
    monkeypatch.setattr(split_module, "ShardLimits", partial(ShardLimits, batches=3))
    torch.manual_seed(0)
    model, layers = Mortal(tmp_path), ["act", "last"]
    options: dict[str, Any] = {"labels": LABELS, "batch_size": 8, "draws": 2, "progress": False}
    two = nw.split_model(
        model, DATA, layers, 8, out=tmp_path / "two", engine="ray", workers=2, **options
    )
    assert (tmp_path / "first").exists()
    assert (tmp_path / "second").exists()
    model.folder = Path("immortal")
    one = nw.split_model(model, DATA, layers, 8, out=tmp_path / "one", **options)
    rows = [files(splits.path / "rows") for splits in (one, two)]
    assert rows[0] == rows[1]
    for name in layers:
        mine, other = two[name], one[name]
        for array in ("index", "activations", "Z", "threshold", "assignment", "vectors"):
            np.testing.assert_array_equal(getattr(mine, array), getattr(other, array), array)
        # Sums over all data are added in another order.
        for score, column in other.scores.items():
            np.testing.assert_allclose(mine.scores[score], column, rtol=1e-9, err_msg=score)
    # Either goes on where the other ended.
    monkeypatch.setattr(nn.Linear, "forward", None)
    again = nw.split_model(model, DATA, layers, 8, out=tmp_path / "two", **options)
    np.testing.assert_array_equal(again["act"].Z, one["act"].Z)


class Lost(Exception):
    """Ray's error of an actor that is gone."""


class Failed(Lost):
    """Ray's error of a task that raised."""

    def as_instanceof_cause(self) -> Exception:
        return ValueError("no sevens")


class OfOne:
    """Ray, on which every task ends in one error."""

    def __init__(self, error: Exception) -> None:
        self.exceptions, self.error = self, error

    RayError, RayTaskError = Lost, Failed

    def get(self, _ref: Any) -> Any:
        raise self.error

    def wait(self, refs: list[Any], num_returns: int) -> Any:
        return refs[:num_returns], refs[num_returns:]


class Actor:
    """An actor that takes every task."""

    def __init__(self) -> None:
        self.split = self.read = self

    def remote(self, *_arguments: Any) -> object:
        return object()


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [(Lost("gone\nfar"), RuntimeError, "lost 4 times: gone$"), (Failed(), ValueError, "no sevens")],
)
def test_what_a_worker_cannot_do_is_raised(
    error: Exception, kind: type[Exception], words: str
) -> None:
    ray, task = OfOne(error), object()
    with pytest.raises(kind, match=words):
        list(on_ray.split_layers(ray, [Actor()], iter([()])))
    with pytest.raises(kind, match=words):
        list(on_ray.gathered_windows(ray, [Actor()], 0, iter([task]), {}))  # type: ignore[list-item]
