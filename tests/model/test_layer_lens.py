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


def test_without_a_linear_way_it_is_the_mean_gradient_where_each_neuron_is_active() -> None:
    model, inputs = Classifier(), torch.randn(40, 5, generator=torch.Generator().manual_seed(1))
    acts = nw.capture(model, inputs, "body", progress=False)
    lens = LayerLens.of(acts, model, data=inputs)
    assert (lens.lens, lens.samples, lens.kind) == ("jacobian", 40, "class")
    values = model.body(inputs).detach()
    expected = torch.zeros(40, 64, 3)
    for sample, row in enumerate(values):
        slopes = torch.autograd.functional.jacobian(lambda v: model.head(model.more(v)), row)
        expected[sample] = slopes.T
    fires = (values > 0).float()
    mean = (fires[..., None] * expected).sum(0) / fires.sum(0).clamp(min=1)[:, None]
    mean[fires.sum(0) == 0] = expected.mean(0)[fires.sum(0) == 0]
    mean = mean - mean.mean(1, keepdim=True)
    for output in range(3):
        np.testing.assert_allclose(lens.towards(output), mean[:, output], atol=1e-5)
    found = lens.read(range(64), 1)
    np.testing.assert_array_equal(found.promoted[:, 0], mean.argmax(1))


class Convolutions(nn.Module):
    """Channels whose positions are added up, and changes in place behind the layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(1, 6, 3)
        self.rest = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(6, 5, 3), nn.ReLU(),
                                  nn.Flatten(), nn.Linear(5 * 16, 4))  # fmt: skip
        # Active everywhere, so that the mean is over all samples.
        with torch.no_grad():
            self.first.bias += 30

    def forward(self, x: torch.Tensor) -> Any:
        return self.rest(self.first(x))


def test_the_gradients_are_the_jacobian_lens_of_each_neuron() -> None:
    model = Convolutions()
    images = torch.randn(20, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    acts = nw.capture(model, images, "first", progress=False)
    lens = LayerLens.of(acts, model, data=images)
    found = lens.read(range(6), 2)
    each = nw.effects_of(acts, model, images, neurons=range(6), top=2, random=0).jacobian
    assert each is not None
    np.testing.assert_array_equal(found.promoted, each.promoted)
    np.testing.assert_allclose(found.raised, each.raised, rtol=1e-4)
    assert not any(p.grad is not None for p in model.parameters())


def test_samples_are_spread_over_the_data_and_held_images_take_its_place() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(),
                          nn.Linear(8, 3))  # fmt: skip
    images = np.zeros((300, 4, 4), np.uint8)
    images[np.arange(300), 0, np.arange(300) * 4 // 300] = 200
    acts = nw.capture(model, images, "2", progress=False)
    lens = LayerLens.of(acts, model, data=images)
    assert lens.samples == 64
    held = LayerLens.of(acts, model)
    np.testing.assert_allclose(held.towards(1), lens.towards(1), rtol=1e-6)
    with pytest.raises(ValueError, match="data must have sample"):
        LayerLens.of(acts, model, data=images[:10])


def test_what_has_no_lens_says_why() -> None:
    inputs = torch.randn(8, 5)
    model = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 1))
    acts = nw.capture(model, inputs, "0", progress=False)
    with pytest.raises(ValueError, match=r"not linear: .* gradients: the model has a single out"):
        LayerLens.of(acts, model, data=inputs)
    other = nw.Activations.from_arrays(np.ones((4, 9)), layer="more")
    with pytest.raises(ValueError, match="has 64 neurons and the activations have 9"):
        LayerLens.of(other, Classifier(), data=inputs)


def test_a_vocabulary_behind_an_activation_function_has_none() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.body = nn.Embedding(40, 8), nn.Linear(8, 8)
            self.head = nn.Linear(8, 40)

        def forward(self, input_ids: torch.Tensor) -> Any:
            return self.head(torch.relu(self.body(self.table(input_ids))))

    model = Gated()
    acts = captured(model, "body")
    with pytest.raises(ValueError, match="the outputs are 40 numbers at each position"):
        LayerLens.of(acts, model, data=torch.tensor(TEXTS))
