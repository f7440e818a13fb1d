"""The lens of a whole layer: as `effects_of`, one output for all neurons, names, both poles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.effects.layer_lens import LayerLens
from neuronwidgets.overviews.search import by_output
from tests.model.lens_models import TEXTS, act, down, gpt2, llama

WORDS = {f"w{i}": i for i in range(40)} | {" w7": 7, "w7": 9}


class Words:
    """A tokenizer of whole words, of which the seventh has a form with a space before it."""

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": [WORDS[text]] if text in WORDS else [0] * len(text)}

    def decode(self, ids: list[int]) -> str:
        return {7: " w7", 9: "w7"}.get(ids[0], f"w{ids[0]}")


def captured(model: Any, layer: str, **options: Any) -> nw.Activations:
    ids = torch.tensor(TEXTS)
    return nw.capture(model, ids, layer, progress=False, **options)


@pytest.mark.parametrize(
    ("make", "layer", "at"), [(gpt2, act(1), "output"), (llama, down(1), "input")]
)
def test_it_shows_what_effects_of_does(make: Any, layer: str, at: Any) -> None:
    model = make()
    acts = captured(model, layer, at=at)
    lens = LayerLens.of(acts, model)
    assert (lens.kind, lens.outputs, lens.poles) == ("token", 40, at == "input")
    found = lens.read([3, 0, 7], 4)
    whole = nw.effects_of(acts, model, neurons=[3, 0, 7], poles=False, top=4, samples=0).logit
    assert whole is not None
    np.testing.assert_array_equal(found.promoted, whole.promoted)
    np.testing.assert_array_equal(found.demoted, whole.demoted)
    np.testing.assert_allclose(found.raised, whole.raised, rtol=1e-6)
    np.testing.assert_allclose(found.lowered, whole.lowered, rtol=1e-6)


def test_the_effect_of_all_neurons_on_one_output_is_that_of_each() -> None:
    model = gpt2()
    acts = captured(model, act(0))
    lens = LayerLens.of(acts, model)
    each = lens.read(range(acts.shape[1]), 20)
    towards = lens.towards(5)
    raised = np.where(each.promoted == 5, each.raised, 0).sum(1)
    lowered = np.where(each.demoted == 5, each.lowered, 0).sum(1)
    np.testing.assert_allclose(towards, raised + lowered, rtol=1e-6, atol=1e-9)


def test_the_control_is_what_random_directions_reach() -> None:
    model = gpt2()
    acts = captured(model, act(0))
    lens = LayerLens.of(acts, model)
    rows = np.random.default_rng(7).normal(size=(2000, acts.shape[1]))
    found = nw.effects_of(rows, model, layer=act(0), samples=0, top=1).logit
    assert found is not None
    assert abs((found.strongest <= lens.high).mean() - 0.95) < 0.05


def test_outputs_are_found_by_their_names() -> None:
    model = gpt2()
    lens = LayerLens.of(captured(model, act(0)), model, tokenizer=Words())
    # The form with a space, which is the usual one, unless the user types none on purpose.
    assert [lens.output(name) for name in ("w7", " w7", "w5")] == [7, 7, 5]
    with pytest.raises(ValueError, match=r"'w5w' is no token of this model, but 3: w0 \| w0"):
        lens.output("w5w")
    with pytest.raises(ValueError, match="pass tokenizer="):
        LayerLens.of(captured(model, act(0)), model).output("w7")


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(5, 64), nn.ReLU())
        self.more = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
        self.head = nn.Linear(64, 3)
        # One neuron alone raises the last class.
        with torch.no_grad():
            self.head.weight[:, 11] = torch.tensor([-1.0, -1.0, 2.0]) * 3

    def forward(self, x: torch.Tensor) -> Any:
        return self.head(self.more(self.body(x)))


def test_a_search_finds_the_neuron_that_promotes_a_class_and_says_what_chance_does() -> None:
    model, inputs = Classifier(), torch.randn(40, 5, generator=torch.Generator().manual_seed(1))
    acts = nw.capture(model, inputs, "more", progress=False)
    lens = LayerLens.of(acts, model, data=inputs, classes=["bag", "boot", "Hat"])
    match = by_output("hat", lens)
    assert match.title == "→ Hat"
    assert int(match.value.argmax()) == 11
    assert match.q is not None
    assert np.flatnonzero(match.q <= 0.05).tolist() == [11]
    assert match.note.startswith("1 of 64 neurons promote it more than random directions")
    assert "No neuron promotes it" in by_output("bag", lens).note
    with pytest.raises(ValueError, match="'shoe' is no class of this model"):
        by_output("shoe", lens)
    with pytest.raises(ValueError, match="nothing was typed: give a class"):
        by_output(" ", lens)


def test_what_has_no_lens_says_why() -> None:
    model, inputs = Classifier(), torch.randn(8, 5)
    acts = nw.capture(model, inputs, "body", progress=False)
    with pytest.raises(ValueError, match="activation function or another map that is not linear"):
        LayerLens.of(acts, model, data=inputs)
    other = nw.Activations.from_arrays(np.ones((4, 9)), layer="more")
    with pytest.raises(ValueError, match="has 64 neurons and the activations have 9"):
        LayerLens.of(other, model, data=inputs)
