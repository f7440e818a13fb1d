"""`effects_of`: both lenses against formulas, other ways of computing them, and planted truth."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from torch import nn

import neuronwidgets as nw
from neuronwidgets.effects.layer_lens import LayerLens
from neuronwidgets.effects.lens import centred
from tests.model.lens_models import (
    OF_GPT,
    TEXT,
    TEXTS,
    WIDTH,
    act,
    down,
    gpt2,
    llama,
)


def shown(lens: Any, effects: np.ndarray) -> None:
    """The lens shows these effects (`K x V`, centred)."""
    order = np.argsort(-effects, axis=1, kind="stable")
    k = lens.promoted.shape[1]
    np.testing.assert_array_equal(lens.promoted, order[:, :k])
    np.testing.assert_array_equal(lens.demoted, order[:, ::-1][:, :k])
    np.testing.assert_allclose(lens.raised, np.sort(effects)[:, ::-1][:, :k], rtol=1e-9)
    np.testing.assert_allclose(lens.lowered, np.sort(effects)[:, :k], rtol=1e-9)
    peak = np.abs(effects).max(1) / effects.std(1)
    np.testing.assert_allclose(lens.peak, peak, rtol=1e-9)


def minus_mean(values: np.ndarray) -> np.ndarray:
    out: np.ndarray = values - values.mean(-1, keepdims=True)
    return out


def numbers(weight: torch.Tensor) -> np.ndarray:
    return weight.detach().numpy()


def test_the_logit_lens_of_gpt2_is_the_formula() -> None:
    model = gpt2()
    found = nw.effects_of([0, 5], model, layer=act(0))
    writes = numbers(model.transformer.h[0].mlp.c_proj.weight)[[0, 5]]
    effects = minus_mean(writes) * numbers(model.transformer.ln_f.weight)
    shown(found.logit, minus_mean(effects @ numbers(model.lm_head.weight).T))
    assert (found.kind, found.norms, found.jacobian, len(found)) == ("token", 1, None, 2)
    assert np.isnan(found.logit.agreement).all()
    assert found.note == "No Jacobian lens: pass data=."


def test_the_logit_lens_of_llama_is_the_formula_for_both_poles() -> None:
    model = llama()
    found = nw.effects_of([3], model, layer=down(0))
    assert found.at == "input"
    assert found.names == ("neuron 3 +", "neuron 3 −")
    write = numbers(model.model.layers[0].mlp.down_proj.weight)[:, 3] * numbers(
        model.model.norm.weight
    )
    effects = minus_mean(write @ numbers(model.lm_head.weight).T)
    shown(found.logit, np.stack([effects, -effects]))
    one = nw.effects_of(3, model, layer=down(0), poles=False)
    assert one.names == ("neuron 3",)
    shown(one.logit, effects[None])


def test_a_flipped_neuron_has_the_mirrored_poles() -> None:
    model, flipped = llama(), llama()
    mlp = flipped.model.layers[1].mlp
    mlp.up_proj.weight.data[7] *= -1
    mlp.down_proj.weight.data[:, 7] *= -1
    before, after = (nw.effects_of(7, m, TEXTS, layer=down(1)) for m in (model, flipped))
    for lens in ("logit", "jacobian"):
        assert before.promoted(0, lens) == after.promoted(1, lens)
        assert before.demoted(0, lens) == after.promoted(0, lens) == before.promoted(1, lens)
    ids = torch.tensor(TEXTS)
    torch.testing.assert_close(model(ids).logits, flipped(ids).logits)


def test_a_vector_of_the_residual_stream_goes_to_the_norm_directly() -> None:
    model = gpt2()
    vector = np.random.default_rng(0).normal(size=WIDTH)
    found = nw.effects_of(vector, model, layer="transformer.h.0")
    gained = minus_mean(vector / np.linalg.norm(vector)) * numbers(model.transformer.ln_f.weight)
    shown(found.logit, minus_mean(gained @ numbers(model.lm_head.weight).T)[None])
    written = nw.effects_of(vector, model, layer="transformer.h.0.mlp")
    np.testing.assert_allclose(written.logit.raised, found.logit.raised, rtol=1e-12)


@pytest.mark.parametrize(("build", "layer"), [(gpt2, act(1)), (llama, down(1))])
def test_in_the_last_layer_both_lenses_agree(build: Any, layer: str) -> None:
    found = nw.effects_of([0, 1, 2], build(), TEXTS, layer=layer)
    assert found.samples == len(TEXTS)
    np.testing.assert_allclose(found.cosine, 1, atol=1e-12)
    np.testing.assert_allclose(found.chance_cosine, 1, atol=1e-12)
    np.testing.assert_allclose(found.jacobian.raised, found.logit.raised, rtol=1e-9)
    np.testing.assert_allclose(found.jacobian.agreement, 1, atol=1e-12)


@pytest.mark.parametrize(("build", "layer"), [(gpt2, act(1)), (llama, down(1))])
def test_a_planted_neuron_promotes_its_token_far_above_chance(build: Any, layer: str) -> None:
    model = build()
    unembedding = minus_mean(numbers(model.lm_head.weight).T).T
    row = torch.as_tensor(unembedding[17])
    if layer == down(1):
        model.model.norm.weight.data[:] = 1
        model.model.layers[1].mlp.down_proj.weight.data[:, 4] = row
    else:
        model.transformer.ln_f.weight.data[:] = 1
        model.transformer.h[1].mlp.c_proj.weight.data[4] = row
    found = nw.effects_of(4, model, TEXTS, layer=layer, random=12, top=1)
    assert found.promoted(0) == found.promoted(0, "jacobian") == ["17"]
    assert found.logit.peak[0] > found.logit.chance.max()
    assert len(found.logit.chance) == len(found.jacobian.chance) == 12


def test_a_neuron_that_writes_nothing_has_no_effect() -> None:
    model = gpt2()
    model.transformer.h[0].mlp.c_proj.weight.data[2] = 0
    found = nw.effects_of([2, 3], model, TEXTS, layer=act(0))
    for lens in (found.logit, found.jacobian):
        assert lens.peak[0] == 0
        assert not lens.raised[0].any()
        assert lens.peak[1] > 0
    assert np.isnan(found.jacobian.agreement[0])
    assert np.isnan(found.cosine[0])
    assert found._repr_html_()


def pooled_net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(6, 5),
    ).eval()  # fmt: skip


IMAGES = np.random.default_rng(0).normal(size=(8, 1, 9, 9)).astype(np.float32)
CLASSES = ["a", "b", "c", "d", "e"]


def test_a_pooled_net_promotes_classes_by_its_weights() -> None:
    model = pooled_net()
    found = nw.effects_of([0, 3], model, IMAGES, layer="3", classes=CLASSES, top=9)
    effects = minus_mean(numbers(model[-1].weight).T[[0, 3]].astype(np.float64))
    assert found.kind == "class"
    for lens in (found.logit, found.jacobian):
        assert lens.promoted.shape == (2, 2)
        np.testing.assert_array_equal(lens.promoted[:, 0], effects.argmax(1))
        np.testing.assert_allclose(lens.lowered[:, 0], effects.min(1), rtol=1e-5)
    assert found.promoted(0)[0] == CLASSES[effects[0].argmax()]
    np.testing.assert_allclose(found.cosine, 1, atol=1e-6)


def test_many_neurons_with_few_outputs_are_read_in_parts() -> None:
    width = 6000
    model = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 3))
    tracemalloc.start()
    try:
        found = nw.effects_of(np.arange(width), model, torch.zeros(1, 2), layer="1", samples=0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    weight = numbers(model[2].weight).T
    np.testing.assert_array_equal(found.logit.promoted[:, 0], weight.argmax(1))
    # All axes at once are 288 MB.
    assert peak < 180e6


def test_a_flat_head_adds_up_the_weights_of_all_positions() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 49, 5)).eval()
    found = nw.effects_of([1], model, IMAGES, layer="1")
    effects = minus_mean(numbers(model[-1].weight).reshape(5, 6, 49).sum(2).T[1].astype(np.float64))
    assert found.logit.promoted[0, 0] == effects.argmax()
    np.testing.assert_allclose(found.logit.raised[0, 0], effects.max(), rtol=1e-5)
    np.testing.assert_allclose(found.jacobian.raised, found.logit.raised, rtol=1e-5)


def test_behind_an_activation_function_only_the_jacobian_lens_is_left() -> None:
    model = pooled_net()
    found = nw.effects_of([0, 1], model, IMAGES, layer="1")
    assert found.logit is None
    assert "No logit lens: every way from layer '1' to the output" in found.note
    assert list(found.lenses) == ["jacobian"]
    assert np.isnan(found.cosine).all()
    with pytest.raises(ValueError, match="lens must be one of jacobian, got 'logit'"):
        found.promoted(0, "logit")
    # The lens is the slope of the logits where the vector is added at all positions.
    images = torch.as_tensor(IMAGES)

    def logits(step: float) -> torch.Tensor:
        edit = torch.zeros(1, 4, 1, 1, dtype=torch.float64)
        edit[0, 0] = step
        wide = pooled_net().double()
        wide[1].register_forward_hook(lambda m, a, out: out + edit)
        return wide(images.double()).mean(0)

    slope = centred((logits(1e-6) - logits(-1e-6)) / 2e-6)
    assert found.jacobian.promoted[0, 0] == int(slope.argmax())
    np.testing.assert_allclose(found.jacobian.raised[0, 0], slope.max().item(), rtol=1e-4)


def test_a_linear_model_is_exact() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 7), nn.Linear(7, 6, bias=False), nn.Linear(6, 5)).double()
    rows = np.random.default_rng(0).normal(size=(10, 4))
    found = nw.effects_of([2], model, rows, layer="0")
    effects = minus_mean(numbers(model[2].weight @ model[1].weight)[:, 2])
    for lens in (found.logit, found.jacobian):
        np.testing.assert_allclose(lens.raised[0], np.sort(effects)[::-1][:2], rtol=1e-6)


def test_bert_has_a_logit_lens_only_where_its_head_is_linear() -> None:
    torch.manual_seed(0)
    config = hf.BertConfig(**TEXT, num_labels=3)
    layer = "bert.encoder.layer.1.intermediate.intermediate_act_fn"
    masked = hf.BertForMaskedLM(config).eval()
    found = nw.effects_of([0, 1], masked, TEXTS, layer=layer)
    assert found.logit is None
    assert found.kind == "token"
    tagger = hf.BertForTokenClassification(config).eval()
    found = nw.effects_of([0, 1], tagger, TEXTS, layer=layer)
    assert found.kind == "class"
    assert found.norms == 1
    assert found.promoted(0)[0].startswith("LABEL_")
    np.testing.assert_allclose(found.cosine, 1, atol=1e-5)
    lower = nw.effects_of([0], tagger, TEXTS, layer=layer.replace("1", "0"))
    assert "holds the scale of 3 norms fixed" in lower.note


def test_concepts_have_halves_and_the_data_of_their_activations() -> None:
    rng = np.random.default_rng(0)
    model = pooled_net()
    labels = np.arange(60) % 3
    images = np.clip(rng.normal(90, 20, (60, 9, 9)) + 50 * labels[:, None, None], 0, 255)
    pictures = images.astype(np.uint8)
    acts = nw.capture(model, pictures, "3", "mean", labels, progress=False)
    concepts = nw.split(acts, int(acts.values.mean(0).argmax()), top=40).cut()
    found = nw.effects_of(concepts, model, classes=CLASSES)
    assert found.names == concepts.names
    assert found.samples == 32
    assert (found.logit.agreement <= 1).all()
    weight = numbers(model[-1].weight).astype(np.float64)
    effects = minus_mean(concepts.differences @ weight.T)
    np.testing.assert_allclose(found.logit.raised[:, 0], effects.max(1), rtol=1e-4)
    table = found.to_frame()
    assert len(table) == 2 * len(concepts)
    assert set(table["lens"]) == {"logit", "jacobian"}
    neuron = nw.effects_of(concepts.split, model, samples=0)
    assert neuron.names == (f"neuron {concepts.neuron}",)
    np.testing.assert_allclose(neuron.share, (acts.values[:, concepts.neuron] > 0).mean())
    every = nw.effects_of(acts, model, pictures, samples=0, random=0)
    assert len(every) == 6
    assert every.note == "No Jacobian lens: samples=0."
    assert "6 x classes" in repr(every)
    some = nw.effects_of(acts, model, pictures, neurons=[4, 2], samples=1)
    np.testing.assert_array_equal(some.logit.promoted, every.logit.promoted[[4, 2]])
    assert np.isnan(some.jacobian.agreement).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"source": 99}, IndexError, "neuron 99 does not exist in layer .*, which has 24"),
        ({"source": -1}, IndexError, "neuron -1 does not exist"),
        ({"source": np.ones(3)}, ValueError, "has 24 neurons, and the vectors have 3 numbers"),
        ({"source": np.zeros(24)}, ValueError, "finite numbers that are not all zero"),
        ({"source": 1, "layer": None}, TypeError, "also pass layer="),
        ({"source": 1, "layer": "transformer.h.9"}, ValueError, "does not exist"),
        ({"source": 1, "top": 0}, ValueError, "top must be a positive integer"),
        ({"source": 1, "data": []}, ValueError, "empty"),
    ],
)
def test_what_is_refused(arguments: dict[str, Any], error: Any, message: str) -> None:
    given = {"layer": act(0), **arguments}
    with pytest.raises(error, match=message):
        nw.effects_of(given.pop("source"), gpt2(), given.pop("data", None), **given)


def test_no_way_and_no_data_is_a_clear_error() -> None:
    torch.manual_seed(0)
    masked = hf.BertForMaskedLM(hf.BertConfig(**TEXT)).eval()
    with pytest.raises(ValueError, match=r"No logit lens.*The Jacobian lens needs samples"):
        nw.effects_of(0, masked, layer="bert.encoder.layer.0.intermediate.intermediate_act_fn")
    with pytest.raises(ValueError, match="must run once to find the way to its output: pass data="):
        nw.effects_of(0, pooled_net(), layer="3")
    headless = hf.GPT2Model(hf.GPT2Config(**OF_GPT)).eval()
    with pytest.raises(ValueError, match="without logits"):
        nw.effects_of(0, headless, layer="h.0.mlp.act")


def test_the_model_stays_as_it_was() -> None:
    model = gpt2().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    nw.effects_of(0, model, TEXTS, layer=act(0))
    assert model.training
    assert all(weight.grad is None for weight in model.parameters())
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name])
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


class Short(nn.Module):
    """Like nanoGPT: 12 positions, the logits of the last one, and one more output."""

    @dataclass
    class Extra:
        values: torch.Tensor | None = None

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.positions = nn.Embedding(40, 8), nn.Embedding(12, 8)
        self.inner, self.act, self.down = nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8)
        self.head = nn.Linear(8, 40, bias=False)

    def forward(self, idx: torch.Tensor) -> tuple[torch.Tensor, Any]:
        x = self.table(idx) + self.positions(torch.arange(idx.shape[1]))
        x = x + self.down(self.act(self.inner(x)))
        return self.head(x[:, [-1], :]), self.Extra()


def test_a_model_with_few_positions_that_gives_the_last_logits_only() -> None:
    model = Short().double().eval()
    effects = nw.effects_of([0, 3], model, torch.tensor(TEXTS), layer="act")
    lens = effects.logit
    assert lens is not None
    both = minus_mean(numbers(model.head.weight @ model.down.weight).T[[0, 3]])
    shown(lens, both)
    np.testing.assert_allclose(effects.cosine, 1, atol=1e-6)
    with pytest.raises(ValueError, match="max_length must be at most 12"):
        nw.effects_of(0, model, torch.tensor(TEXTS), layer="act", max_length=20)
    acts = nw.capture(model, torch.tensor(TEXTS), "act", progress=False)
    assert LayerLens.of(acts, model, data=torch.tensor(TEXTS)) is not None
