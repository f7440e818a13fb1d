"""Configurations, presets and schedules of toy models."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from neuronwidgets import toy
from neuronwidgets.toy.schedule import cosine, is_checkpoint, is_logged


def test_the_defaults_are_the_papers() -> None:
    c = toy.Config()
    assert (c.features, c.dims, c.neurons, c.eps) == (512, 64, 1024, 1 / 64)
    assert (c.batch, c.steps, c.cycle, c.optimizer) == (2**13, 2**17, 512, "lamb")
    assert c == toy.Config.zero_bias()


@pytest.mark.parametrize("rate", [0.001, 0.003, 0.01, 0.03])
def test_the_negative_start_is_the_papers_at_the_papers_size(rate: float) -> None:
    made = toy.Config.negative_bias(learning_rate=rate)
    assert made.bias == -1
    assert made.decay == pytest.approx(0.03)


def test_fewer_steps_decay_more_by_the_root_but_enough_to_wake() -> None:
    made = toy.Config.negative_bias(steps=2**13, learning_rate=0.01)
    assert made.decay == pytest.approx(0.12)
    slow = toy.Config.negative_bias(steps=1000, learning_rate=0.001)
    assert slow.decay * slow.learning_rate * 500 == pytest.approx(1.9)


def test_presets_take_any_knob_and_keep_what_is_given() -> None:
    assert set(toy.PRESETS) == {"zero bias", "negative bias", "more neurons"}
    for preset in toy.PRESETS.values():
        made = preset(features=64, dims=8, seed=3, steps=500)
        assert (made.features, made.dims, made.seed, made.steps) == (64, 8, 3, 500)
    assert toy.Config.negative_bias(decay=0.5, bias=-2.0).decay == 0.5
    assert toy.Config.negative_bias(decay=0.5, bias=-2.0).bias == -2
    assert toy.Config.more_neurons(features=64, dims=8).neurons == 512
    assert toy.Config.more_neurons(features=64, dims=8, neurons=100).neurons == 100
    # Two steps are too few for any decay to be the paper's: the sign stays.
    few = toy.Config.negative_bias(steps=2)
    assert few.decay * few.learning_rate < 1


def test_numpys_numbers_are_numbers_too() -> None:
    made = toy.Config(seed=np.int64(3), eps=np.float32(0.5), decay=1)  # type: ignore[arg-type]
    assert made == toy.Config(seed=3, eps=0.5, decay=1.0)
    assert type(made.seed) is int
    assert type(made.decay) is float


def test_only_the_reprojector_has_as_many_outputs_as_inputs() -> None:
    assert toy.Config(task="reprojector").outputs == 64
    assert toy.Config(task="absolute").outputs == 512


@pytest.mark.parametrize(
    ("knobs", "error", "words"),
    [
        ({"features": 0}, ValueError, "features must be a positive integer, got 0"),
        ({"neurons": -3}, ValueError, "neurons must be a positive integer, got -3"),
        ({"dims": 2.0}, TypeError, "dims must be a positive integer, got 2.0"),
        ({"batch": True}, TypeError, "batch .* got True"),
        ({"seed": -1}, ValueError, "seed must be an integer of at least 0, got -1"),
        ({"features": 8, "dims": 9}, ValueError, "dims must be at most features=8, got 9"),
        ({"eps": 0.0}, ValueError, "eps must be a number above 0 and at most 1, got 0.0"),
        ({"eps": 1.01}, ValueError, "at most 1"),
        ({"eps": math.nan}, ValueError, "eps must be a finite number, got nan"),
        ({"bias": math.inf}, ValueError, "bias must be a finite number, got inf"),
        ({"bias": "low"}, TypeError, "bias must be a finite number, got 'low'"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate must be a positive number, got 0.0"),
        ({"learning_rate": False}, TypeError, "learning_rate .* got False"),
        ({"decay": -0.1}, ValueError, "decay must be a number of at least 0, got -0.1"),
        ({"l1": -1}, ValueError, "l1 must be a number of at least 0, got -1"),
        ({"decay": 100, "learning_rate": 0.01}, ValueError, "must be under 1"),
        ({"task": "sort"}, ValueError, "'decoder', 'reprojector', 'absolute'"),
        ({"distribution": "normal"}, ValueError, "'power_law'"),
        ({"nonlinearity": "tanh"}, ValueError, "'solu'"),
        ({"optimizer": "sgd"}, ValueError, "'lamb' or 'adam'; got 'sgd'"),
    ],
)
def test_bad_knobs_are_refused_in_words(
    knobs: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        toy.Config(**knobs)


def test_the_learning_rate_is_pytorchs_cosine_through_its_cycles() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.7)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
    expected = []
    for _ in range(75):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    steps = torch.arange(75, dtype=torch.float64)
    found = 0.7 * cosine(steps, torch.tensor(20.0, dtype=torch.float64))
    torch.testing.assert_close(
        found, torch.tensor(expected, dtype=torch.float64), atol=1e-7, rtol=0
    )


def test_checkpoints_are_powers_of_two_and_the_end() -> None:
    assert [s for s in range(21) if is_checkpoint(s, 20)] == [0, 1, 2, 4, 8, 16, 20]


def test_log_entries_are_spaced_evenly_in_octaves_and_include_checkpoints() -> None:
    logged = [s for s in range(1025) if is_logged(s, 1024)]
    assert [s for s in logged if s <= 8] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert sum(512 < s <= 1024 for s in logged) == 8
    assert set(logged) >= {2**i for i in range(11)}
