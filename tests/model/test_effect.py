"""method="effect": what a neuron changes in the outputs, its tree, and `compare_splits`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.cluster import hierarchy
from sklearn.metrics import adjusted_rand_score
from torch import nn

import neuronwidgets as nw
from neuronwidgets.concepts.methods.output_changes import output_changes
from neuronwidgets.effects.compare_splits import rand_indices


class TwoUses(nn.Module):
    """Neuron 0 raises output 0 in one context and output 1 in another; the gate is an input that
    the layer hardly holds."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 4, bias=False)
        with torch.no_grad():
            self.layer.weight.copy_(torch.eye(4, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.layer(x)
        gate = torch.sigmoid(8 * x[:, 4:])
        used = torch.cat([h[:, :1] * gate, h[:, :1] * (1 - gate)], dim=1)
        return torch.cat([used, h[:, 1:3]], dim=1)


def inputs(samples: int = 80) -> tuple[torch.Tensor, np.ndarray]:
    rng = np.random.default_rng(0)
    context = np.arange(samples) % 2
    x = rng.uniform(0, 0.3, (samples, 5)).astype(np.float32)
    x[:, 0] = rng.uniform(4, 5, samples)
    x[np.arange(samples), 1 + rng.integers(0, 2, samples)] += 4  # two groups of the layer's state
    x[:, 4] = (2.0 * context - 1) * rng.uniform(0.3, 1, samples)
    rest = rng.uniform(0, 0.3, (samples, 5)).astype(np.float32)  # the neuron is off
    return torch.as_tensor(np.concatenate([x, rest])), context


def captured(model: nn.Module, data: Any, layer: str, **more: Any) -> nw.Activations:
    acts = nw.capture(model, data, layer, progress=False, **more)
    assert isinstance(acts, nw.Activations)
    return acts


@pytest.mark.parametrize("order", ["first", "exact"])
def test_two_uses_are_told_apart_by_effect_and_not_by_state(order: str) -> None:
    x, context = inputs()
    model = TwoUses()
    acts = captured(model, x, "layer")
    effect = nw.split(acts, 0, top=80, method="effect", model=model, data=x, order=order)
    state = nw.split(acts, 0, top=80)
    assert adjusted_rand_score(context[effect.index], effect.cut().assignment) == 1
    assert adjusted_rand_score(context[state.index], state.cut().assignment) < 0.1
    found = nw.compare_splits(state, effect, draws=200)
    assert found.suggested[0, 1] < 0.1
    assert found.suggested_p[0, 1] > 0.05
    assert found.names == ("ward", "effect")


def test_the_tree_is_wards_tree_of_the_changes_by_hand() -> None:
    x, _ = inputs(30)
    model = TwoUses()
    acts = captured(model, x, "layer")
    mean = acts.values[:, 0].mean(dtype=np.float64)
    made = nw.split(acts, 0, top=30, method="effect", model=model, data=x, order="exact")
    with torch.no_grad():
        gate = torch.sigmoid(8 * x[:, 4]).double().numpy()
    excess = acts.values[:, 0].astype(np.float64) - mean
    by_hand = np.stack([excess * gate, excess * (1 - gate), 0 * gate, 0 * gate], axis=1)
    by_hand -= by_hand.mean(axis=1, keepdims=True)
    by_hand = by_hand[made.index]
    unit = by_hand / np.linalg.norm(by_hand, axis=1, keepdims=True)
    assert made.points is not None
    np.testing.assert_allclose(made.points, unit, atol=2e-4)
    theirs = hierarchy.linkage(made.points, "ward")
    np.testing.assert_allclose(made.Z, theirs, atol=1e-7)
    np.testing.assert_allclose(made.Z[:, 2], hierarchy.linkage(unit, "ward")[:, 2], atol=2e-3)


def changes(
    acts: nw.Activations, neuron: Any, model: nn.Module, order: str, **more: Any
) -> tuple[Any, np.ndarray]:
    given = nw.split(acts, neuron, top=min(8, len(acts))).top_samples
    return given, output_changes(given, model, order=order, **more)


@pytest.mark.parametrize("neuron", [2, np.array([1.0, -1, 0, 2, 0, 0])])
def test_both_orders_are_equal_where_the_model_is_linear_above(neuron: Any) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3))
    x = torch.randn(40, 5)
    acts = captured(model, x, "1")
    given, first = changes(acts, neuron, model, "first", data=x)
    _, exact = changes(acts, neuron, model, "exact", data=x)
    np.testing.assert_allclose(first, exact, atol=1e-5)
    weight = model[2].weight.detach().numpy() @ given.direction
    excess = given.activations - acts.mean @ given.direction
    by_hand = excess[:, None] * (weight - weight.mean())
    np.testing.assert_allclose(first, by_hand, atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "max", "last", "token"])
def test_a_language_model(pooling: str) -> None:
    topics = nw.datasets.topics()
    texts, layer = topics.texts[:24], "transformer.h.1.mlp.act"
    model, tokenizer = topics.model, topics.tokenizer
    acts = captured(model, texts, layer, pooling=pooling, tokenizer=tokenizer)
    given, first = changes(acts, 7, model, "first", processor=tokenizer)
    _, exact = changes(acts, 7, model, "exact", processor=tokenizer, batch_size=3)
    assert first.shape == exact.shape == (len(given.index), topics.model.config.num_labels)
    np.testing.assert_allclose(first.sum(axis=1), 0, atol=1e-5)
    scale = np.abs(exact).max()
    assert np.abs(first - exact).max() < 0.5 * scale
    assert np.corrcoef(first.ravel(), exact.ravel())[0, 1] > 0.9
    by_hook = of_hook(model, tokenizer, acts, given, layer, pooling)
    np.testing.assert_allclose(exact, by_hook, atol=1e-4)


def of_hook(
    model: Any, tokenizer: Any, acts: nw.Activations, given: Any, layer: str, pooling: str
) -> np.ndarray:
    """The exact change of each sample alone, by a plain hook."""
    mean = float(acts.mean[given.neuron])
    found = []
    for row in given.index:
        text = acts.samples.texts[acts.samples.item_of(int(row))]
        encoded = tokenizer(text, return_tensors="pt")

        def edit(_module: Any, _inputs: Any, output: torch.Tensor, row: Any = row) -> Any:
            a = output[0, :, given.neuron]
            place: Any = slice(1, len(a))  # the first token is special
            if pooling == "max":
                place = 1 + int(a[1:].argmax())
            elif pooling == "last":
                place = len(a) - 1
            elif pooling == "token":
                place = acts.samples.token_of(int(row))
            output = output.clone()
            output[0, place, given.neuron] = mean
            return output

        with torch.no_grad():
            plain = model(**encoded).logits[0].double()
            handle = model.get_submodule(layer).register_forward_hook(edit)
            try:
                edited = model(**encoded).logits[0].double()
            finally:
                handle.remove()
        change = plain - edited
        found.append((change - change.mean()).numpy())
    return np.array(found)


def test_images() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(4 * 36, 3)
    )
    x = torch.rand(20, 1, 8, 8)
    acts = captured(model, x, "1")
    _, first = changes(acts, 1, model, "first", data=x)
    _, exact = changes(acts, 1, model, "exact", data=x)
    np.testing.assert_allclose(first, exact, atol=1e-5)
    assert np.abs(exact).max() > 0


def test_chosen_outputs_and_the_input_of_a_layer() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3))
    x = torch.randn(40, 5)
    below = captured(model, x, "2", at="input")
    _, by_input = changes(below, 2, model, "exact", data=x, outputs=lambda y: y[:, 1])
    above = captured(model, x, "1")
    _, by_output = changes(above, 2, model, "first", data=x, outputs=lambda y: y[:, 1:2])
    assert by_input.shape == (8, 1)
    np.testing.assert_allclose(by_input, by_output, atol=1e-5)


def test_what_cannot_be_done_is_said() -> None:
    x, _ = inputs(30)
    model = TwoUses()
    acts = captured(model, x, "layer")
    with pytest.raises(TypeError, match="needs model="):
        nw.split(acts, 0, method="effect")
    with pytest.raises(ValueError, match="order must be"):
        nw.split(acts, 0, method="effect", model=model, data=x, order="second")
    with pytest.raises(ValueError, match="method='effect' runs the model again: pass data="):
        nw.split(nw.Activations.from_arrays(acts.values, layer="layer"), 0, method="effect",
                 model=model)  # fmt: skip
    with pytest.raises(ValueError, match="other activations than those that were captured"):
        nw.split(acts, 0, method="effect", model=model, data=x + 1)
    with pytest.raises(ValueError, match="outputs must return a tensor"):
        nw.split(acts, 0, method="effect", model=model, data=x, outputs=lambda y: y[0])
    with pytest.raises(ValueError, match="the outputs have no gradient"):
        nw.split(acts, 0, method="effect", model=model, data=x, outputs=lambda y: y.detach())
    state = nw.split(acts, 0, top=20)
    with pytest.raises(ValueError, match="at least two"):
        nw.compare_splits(state)
    with pytest.raises(ValueError, match="splits must be of one neuron"):
        nw.compare_splits(state, nw.split(acts, 1, top=20))
    with pytest.raises(TypeError, match="splits must be what"):
        nw.compare_splits(state, acts)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="k must be at most the 20 samples"):
        nw.compare_splits(state, state, k=21)


def test_gradients_and_modes_stay_as_they_were() -> None:
    x, _ = inputs(30)
    model = TwoUses().train()
    acts = captured(model, x, "layer")
    nw.split(acts, 0, top=20, method="effect", model=model, data=x)
    assert model.training
    assert model.layer.weight.grad is None


def test_equal_trees_agree_and_unrelated_ones_do_not() -> None:
    rng = np.random.default_rng(0)
    acts = nw.Activations.from_arrays(rng.normal(size=(200, 20)).astype(np.float32))
    one = nw.split(acts, 0, top=60)
    other = nw.split(acts, 0, top=60, method="average")
    same = nw.compare_splits(one, one, names=["a", "b"], k=5, draws=100)
    assert same.suggested.tolist() == same.equal.tolist() == [[1, 1], [1, 1]]
    assert same.equal_p[0, 1] == pytest.approx(1 / 101)
    frame = nw.compare_splits(one, other, nw.split(acts, 0, top=50)).to_frame()
    assert len(frame) == 3
    assert "adjusted Rand" in repr(same)
    assert "<table" in same._repr_html_()


def test_rand_indices_equal_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    for clusters in (1, 2, 5, 30):
        one, other = rng.integers(0, clusters, (2, 30))
        ours, null = rand_indices(one, other, 200)
        assert ours == pytest.approx(adjusted_rand_score(one, other))
        if clusters in (2, 5):
            assert abs(null.mean()) < 0.02
