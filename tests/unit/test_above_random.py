"""Does a concept's edit do more than random edits? The calibration of `above_random`."""

from __future__ import annotations

import numpy as np
import pytest

import neuronwidgets as nw


def simulated(
    concepts: int, samples: int, draws: int, planted: float = 0.0, seed: int = 0
) -> nw.ConceptEffects:
    """Each edit has an effect of its own, Gaussian about 0.1 nats, the concept's among them, plus
    `planted`. Samples vary about it."""
    rng = np.random.default_rng(seed)
    ways = ("concept", "neuron", *["random"] * draws)
    shape = (concepts, len(ways))
    effect = rng.normal(0.1, 0.05, shape)
    effect[:, 0] += planted
    nats = (effect[..., None] + rng.normal(0, 0.2, (*shape, samples))).astype(np.float32)
    own = np.broadcast_to(np.arange(samples) < samples // 2, nats.shape)
    return nw.ConceptEffects(
        "layer", "output", 0, tuple(f"concept {k}" for k in range(concepts)), ways, "direction",
        None, np.ones(shape), np.ones(shape), nats, np.zeros_like(nats), own, ~own,
        np.zeros_like(own), ("label",) * concepts, 0.9,
    )  # fmt: skip


def said(effects: nw.ConceptEffects) -> float:
    """The share of concepts that do more than random edits."""
    return float(np.mean([effects.above_random(k).low > 0 for k in range(len(effects))]))


@pytest.mark.parametrize("draws", [2, 3, 10])
@pytest.mark.parametrize("samples", [40, 400])
def test_a_random_edit_does_no_more_than_others(draws: int, samples: int) -> None:
    # Of 400 with a chance of 2.5%, more than 4.5% have one of 1%.
    assert said(simulated(400, samples, draws)) < 0.045


@pytest.mark.parametrize("draws", [3, 10])
def test_a_planted_effect_does_more(draws: int) -> None:
    assert said(simulated(100, 200, draws, planted=0.6)) > 0.9


def test_a_table_has_the_same_interval() -> None:
    effects = simulated(2, 40, 3)
    frame = effects.to_frame().set_index(["concept", "way"])
    for k in range(2):
        above = effects.above_random(k)
        row = frame.loc[k, "concept"]
        shown = [row[f"above_random{end}"] for end in ("", "_low", "_high")]
        assert shown == [above.value, above.low, above.high]
        own = effects.losses(k)["own"].value - effects.losses(k, "random")["own"].value
        assert above.value == pytest.approx(own, abs=1e-6)
        # The whole neuron is one edit, too, and wider than over samples alone.
        neuron = frame.loc[k, "neuron"]
        assert neuron["above_random_high"] - neuron["above_random_low"] > 0.1


def test_one_draw_tells_nothing() -> None:
    effects = simulated(2, 40, 1, planted=1.0)
    above = effects.above_random(0)
    assert above.value > 0.5
    assert np.isnan([above.low, above.high]).all()
    assert any("One random direction does not tell" in line for line in effects.findings)
    assert not any("selective" in line or "clearly" in line for line in effects.findings)
    assert effects.to_frame()["above_random_low"].isna().all()
    assert "nan" not in effects._repr_html_()
