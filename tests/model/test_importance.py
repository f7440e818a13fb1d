"""`importance`: against full passes, planted neurons, and what has none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from torch import nn

import neuronwidgets as nw
from neuronwidgets.effects.readout import traced

WORDS, INNER = 40, 24
TEXT = {
    "vocab_size": WORDS, "hidden_size": 16, "intermediate_size": INNER, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 2, "pad_token_id": 1, "bos_token_id": 2,
    "eos_token_id": 3,
}  # fmt: skip
OF_GPT = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_inner": INNER, "vocab_size": WORDS,
          "bos_token_id": 2, "eos_token_id": 3}  # fmt: skip
KINDS = {
    "GPT2": OF_GPT, "GPTJ": {**OF_GPT, "rotary_dim": 4}, "GPTNeoX": TEXT, "Llama": TEXT,
    "Mistral": TEXT, "Qwen3": TEXT, "Olmo2": TEXT, "Phi3": TEXT,
    "Gemma2": {**TEXT, "head_dim": 8, "final_logit_softcapping": 2.0},
}  # fmt: skip
IDS = [5, 9, 30, 12, 7, 21]


def language_model(kind: str, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    config = getattr(hf, f"{kind}Config")(**KINDS[kind])
    model = hf.AutoModelForCausalLM.from_config(config).double().eval()
    for weight in model.parameters():
        # Weights of norms are ones and biases zeros at first, which would hide mistakes.
        weight.data += 0.2 * torch.randn_like(weight)
    return model


def neurons_of(model: nn.Module) -> list[str]:
    return list(nw.layers(model).neurons)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_model_in_half_precision_gives_what_it_gives_in_full(dtype: torch.dtype) -> None:
    model = language_model("Llama")
    layer = neurons_of(model)[0]
    full = nw.importance(model, IDS, layer, target=5)
    found = nw.importance(model.to(dtype), IDS, layer, target=5)
    assert np.corrcoef(found.imp, full.imp)[0, 1] > 0.999


@pytest.mark.parametrize("kind", KINDS)
def test_the_prediction_is_the_models_own(kind: str) -> None:
    model = language_model(kind)
    layer = neurons_of(model)[-1]
    found = nw.importance(model, IDS, layer)
    with torch.no_grad():
        logits = model(torch.tensor([IDS])).logits[0, -1].double()
    assert found.target_id == int(logits.argmax())
    np.testing.assert_allclose(
        found.log_probability, logits.log_softmax(-1).max().item(), rtol=1e-5
    )
    assert len(found) == INNER
    assert np.isfinite(found.imp).all()


@pytest.mark.parametrize("kind", KINDS)
def test_every_layer_of_neurons_is_followed_to_the_models_own_logits(kind: str) -> None:
    model = language_model(kind)
    for layer in neurons_of(model):
        for position in (0, 3, -1):
            assert len(nw.importance(model, IDS, layer, position=position)) == INNER


def test_the_writes_of_all_neurons_and_the_bias_add_up_to_the_output_of_the_mlp() -> None:
    model = language_model("GPT2")
    kept: list[torch.Tensor] = []
    model.transformer.h[0].mlp.register_forward_hook(lambda m, a, out: kept.append(out))
    inputs = {"input_ids": torch.tensor([IDS])}
    found = traced(model, "transformer.h.0.mlp.act", "output", inputs, 1)
    assert found.route is not None
    (path,) = found.route.paths
    writes = torch.stack([path[0].linear(row.diag()) for row in found.values[0]])
    torch.testing.assert_close(writes.sum(1) + path[1].shift, kept[0][0])
    # Then the block adds the residual stream before the MLP, and no more.
    assert [step.other is not None for step in path[: found.block_end()]] == [False, False, True]


@pytest.mark.parametrize("position", [-1, 2])
def test_imp_is_the_formula_by_hand(position: int) -> None:
    model = language_model("GPT2")
    block, norm, head = model.transformer.h[0], model.transformer.ln_f, model.lm_head
    kept: dict[str, torch.Tensor] = {}
    hooks = [
        block.mlp.act.register_forward_hook(lambda m, a, out: kept.update(act=out[0, position])),
        block.ln_2.register_forward_pre_hook(lambda m, a: kept.update(r=a[0][0, position])),
        norm.register_forward_pre_hook(lambda m, a: kept.update(final=a[0][0, position])),
    ]
    with torch.no_grad():
        model(torch.tensor([IDS]))
        for hook in hooks:
            hook.remove()
        scale = (kept["final"].var(correction=0) + norm.eps).rsqrt()

        def log_p(x: torch.Tensor) -> torch.Tensor:
            normed = (x - x.mean(-1, keepdim=True)) * scale * norm.weight + norm.bias
            return (normed @ head.weight.T).log_softmax(-1)[..., 13]

        writes = kept["act"][:, None] * block.mlp.c_proj.weight
        expected = log_p(kept["r"] + writes) - log_p(kept["r"])
    found = nw.importance(model, IDS, "transformer.h.0.mlp.act", target=13, position=position)
    np.testing.assert_allclose(found.imp, expected.numpy(), rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(found.base, log_p(kept["r"]).item(), rtol=1e-9)
    np.testing.assert_allclose(found.activation, kept["act"].numpy())
    assert found.target == "13"


@pytest.mark.parametrize("kind", ["GPT2", "Llama"])
def test_a_planted_neuron_is_the_most_important_one(kind: str) -> None:
    model = language_model(kind)
    layer = neurons_of(model)[-1]
    activation = nw.importance(model, IDS, layer).activation
    row = model.lm_head.weight.detach()[13]
    row = 40 * row * float(np.sign(activation[6]))
    if kind == "GPT2":
        model.transformer.ln_f.weight.data[:] = 1
        model.transformer.h[1].mlp.c_proj.weight.data[6] = row
    else:
        model.model.norm.weight.data[:] = 1
        model.model.layers[1].mlp.down_proj.weight.data[:, 6] = row
    found = nw.importance(model, IDS, layer, target=13)
    assert found.ranked[0] == 6
    assert found.imp[6] > 3 * np.sort(found.imp)[-2]
    assert found.to_frame()["neuron"][0] == 6
    assert "neuron 6: importance" in repr(found)
    assert "<table" in found._repr_html_()


def test_the_change_between_two_texts_names_the_neuron_that_only_one_of_them_activates() -> None:
    model = language_model("GPT2")
    layer = neurons_of(model)[-1]
    other = [*IDS[:-1], 33]
    # Neuron 4 tells the two last tokens apart and writes the target.
    inputs = []
    hook = model.transformer.h[1].ln_2.register_forward_hook(
        lambda m, a, out: inputs.append(out[0, -1].detach())
    )
    for ids in (IDS, other):
        model(torch.tensor([ids]))
    hook.remove()
    apart = inputs[0] - inputs[1]
    mlp = model.transformer.h[1].mlp
    mlp.c_fc.weight.data[:, 4] = 6 * apart / (apart @ apart)
    mlp.c_fc.bias.data[4] = -6 * float((inputs[1] @ apart) / (apart @ apart))
    mlp.c_proj.weight.data[4] = 3 * model.lm_head.weight.detach()[13]
    model.transformer.ln_f.weight.data[:] = 1
    found = nw.importance(model, IDS, layer, other=other, target=13)
    assert found.ranked[0] == 4
    np.testing.assert_allclose(found.change, found.imp - found.other.imp)
    assert abs(found.other.imp[4]) < 1e-9
    np.testing.assert_allclose(
        found.other.imp, nw.importance(model, other, layer, target=13).imp, rtol=1e-12
    )
    assert list(found.to_frame()) == ["neuron", "activation", "imp", "other", "change"]
    same = nw.importance(model, IDS, layer, other=IDS, target=13)
    assert not same.change.any()


def test_the_control_deals_the_same_activations_at_random() -> None:
    model = language_model("GPT2")
    layer = neurons_of(model)[0]
    found = nw.importance(model, IDS, layer)
    again, third = (nw.importance(model, IDS, layer, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(found.chance, again.chance)
    assert (found.chance != third.chance).any()
    np.testing.assert_array_equal(found.imp, third.imp)
    assert "dealt at random" in repr(found)


def test_a_classifier_reads_its_last_token() -> None:
    torch.manual_seed(0)
    config = hf.GPT2Config(
        **OF_GPT, num_labels=3, pad_token_id=1, id2label={0: "x", 1: "y", 2: "z"}
    )
    model = hf.GPT2ForSequenceClassification(config).double().eval()
    found = nw.importance(model, IDS, "transformer.h.1.mlp.act", target="z")
    assert (found.target, found.target_id) == ("z", 2)
    expected = model(torch.tensor([IDS])).logits.log_softmax(-1)[0, 2].item()
    np.testing.assert_allclose(found.log_probability, expected)
    # A token that the model does not read is not taken.
    np.testing.assert_allclose(
        found.imp,
        nw.importance(model, IDS, "transformer.h.1.mlp.act", target="z", position=1).imp,
    )


def test_without_a_residual_stream_what_remains_is_zero() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)).double().eval()
    row = np.random.default_rng(0).normal(size=(1, 4))
    found = nw.importance(model, row[0].astype(np.float32), "1")
    weight = model[2].weight.detach().numpy()
    bias = model[2].bias.detach().numpy()
    target = found.target_id

    def log_p(logits: np.ndarray) -> np.ndarray:
        return np.asarray(torch.as_tensor(logits).log_softmax(-1)[..., target])

    expected = log_p(found.activation[:, None] * weight.T + bias) - log_p(bias)
    np.testing.assert_allclose(found.imp, expected, rtol=1e-6, atol=1e-12)


def test_what_is_refused() -> None:
    model = language_model("GPT2")
    layer = neurons_of(model)[0]
    with pytest.raises(IndexError, match="position 6 does not exist: the text has 6 tokens"):
        nw.importance(model, IDS, layer, position=6)
    with pytest.raises(ValueError, match="target must be less than 40"):
        nw.importance(model, IDS, layer, target=40)
    with pytest.raises(ValueError, match="change is between two texts"):
        _ = nw.importance(model, IDS, layer).change
    with pytest.raises(ValueError, match="layer 'nothing' does not exist"):
        nw.importance(model, IDS, "nothing")
    masked = hf.BertForMaskedLM(hf.BertConfig(**TEXT)).eval()
    with pytest.raises(ValueError, match="has no linear way to the output"):
        nw.importance(masked, IDS, "bert.encoder.layer.0.intermediate.intermediate_act_fn")
    torch.manual_seed(0)
    pooled = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    ).eval()
    with pytest.raises(ValueError, match="the model pools positions"):
        nw.importance(pooled, np.zeros((1, 9, 9), np.float32), "1")
