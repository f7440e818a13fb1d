"""Layers edited at their inputs, against forward pre-hooks of plain PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

import neuronwidgets as nw
from neuronwidgets.interventions.completions import completing
from neuronwidgets.interventions.edited_forward import EditedForward
from neuronwidgets.interventions.intervention import editing
from neuronwidgets.interventions.masks import NeuronEdit
from neuronwidgets.models.forward import call
from neuronwidgets.models.hooks import evaluating, hooked
from neuronwidgets.models.resume import Resume

LAYER, WIDE = "model.layers.1.mlp.down_proj", 24
SIZES = {
    "vocab_size": 40, "hidden_size": 16, "intermediate_size": WIDE, "num_hidden_layers": 3,
    "num_attention_heads": 2, "max_position_embeddings": 32, "pad_token_id": 1, "num_labels": 3,
    "bos_token_id": 2, "eos_token_id": 3,
}  # fmt: skip
IDS = np.random.default_rng(0).integers(5, 40, (12, 7))
LABELS = [("odd", "even")[i % 2] for i in range(12)]
Edit = Callable[[torch.Tensor], torch.Tensor]


def made(kind: Any) -> Any:
    torch.manual_seed(0)
    return kind(LlamaConfig(**SIZES)).eval()


@pytest.fixture(scope="module")
def llama() -> Any:
    return made(LlamaForCausalLM)


@pytest.fixture(scope="module")
def classifier() -> Any:
    return made(LlamaForSequenceClassification)


def read(model: nn.Module, layer: Any = LAYER, pooling: str = "token", **options: Any) -> Any:
    options = {"at": "input", "progress": False, "first": True, "batch_size": 5} | options
    return nw.capture(model, options.pop("data", IDS), layer, pooling, **options)


X = np.random.default_rng(1).normal(size=(8, 4)).astype(np.float32)


# Edits


def zeroed(tensor: torch.Tensor) -> torch.Tensor:
    edited = tensor.clone()
    edited[..., [2, 7]] = 0
    return edited


def test_a_mask_is_the_same_edit_in_a_pre_hook(llama: Any, by_hand: Any) -> None:
    ids = torch.as_tensor(IDS)
    with by_hand(llama, LAYER, zeroed):
        expected = llama(ids).logits
    with nw.mask_neurons(llama, LAYER, [2, 7], at="input") as edit, torch.no_grad():
        found = llama(ids).logits
        # A capture sees the edit, as it does at an output.
        assert not read(llama).values[:, [2, 7]].any()
    assert torch.equal(found, expected)
    assert edit.at == "input"
    with torch.no_grad():
        assert not torch.equal(llama(ids).logits, expected)
    ends = np.ones(1)
    wrong = NeuronEdit(LAYER, np.array([2]), -ends, ends, neurons_in_layer=WIDE)
    with pytest.raises(ValueError, match=r"24 neurons and layer .* 16"), nw.applied(llama, wrong):
        llama(ids)


@pytest.mark.parametrize("rule", ["gaussian", "quantile", "discriminative"])
def test_a_range_mask_takes_the_place_from_its_ranges(llama: Any, rule: str, by_hand: Any) -> None:
    ranges = nw.ranges(read(llama, pooling="mean", labels=LABELS))
    assert ranges.at == "input"
    assert "at='input'" in repr(ranges)
    pieces = ranges.intervals("odd", 2.0, rule)
    mean = (ranges.mean * ranges.count[:, None]).sum(0) / ranges.count.sum()

    def masked(h: torch.Tensor) -> torch.Tensor:
        low, high = torch.tensor(np.moveaxis(pieces, -1, 0))
        inside = ((h[..., None] >= low) & (h[..., None] <= high)).any(-1)
        return torch.where(inside, torch.tensor(mean, dtype=h.dtype), h)

    ids = torch.as_tensor(IDS)
    with by_hand(llama, LAYER, masked):
        expected = llama(ids).logits
    with nw.mask_range(llama, ranges, "odd", 2.0, 1.0, rule=rule) as edit, torch.no_grad():
        np.testing.assert_allclose(llama(ids).logits, expected, atol=1e-5)
    assert edit.at == "input"
    with pytest.raises(ValueError, match="at='output' contradicts the ranges, which are of the in"):
        nw.mask_neurons(llama, ranges, "odd", at="output").__enter__()


def test_ablation_and_steering_of_concepts_and_vectors(
    llama: Any, tmp_path: Path, by_hand: Any
) -> None:
    acts = read(llama)
    concepts = nw.split(acts, 3, top=30).cut()
    concepts.save(tmp_path / "concepts")
    v = torch.tensor(concepts.differences[0]).double()
    v = (v / v.norm()).float()
    level = float(torch.tensor(acts.mean, dtype=torch.float32) @ v)
    ids = torch.as_tensor(IDS)
    edits: dict[str, Edit] = {
        "ablate": lambda h: h - ((h @ v)[..., None] - level) * v,
        "steer": lambda h: h + 2.0 * v,
    }
    for given in (concepts, nw.Concepts.load(tmp_path / "concepts")):
        for name, edit in edits.items():
            with by_hand(llama, LAYER, edit):
                expected = llama(ids).logits
            more = (2.0,) if name == "steer" else ()
            with getattr(nw, name)(llama, given, 0, *more) as made_edit, torch.no_grad():
                np.testing.assert_allclose(llama(ids).logits, expected, atol=1e-5)
            assert f"the input of layer '{LAYER}'" in repr(made_edit)
    assert concepts.labelled().at == nw.ranges(concepts).at == "input"
    with by_hand(llama, LAYER, edits["steer"]):
        expected = llama(ids).logits
    with nw.steer(llama, LAYER, v.numpy(), 2.0, at="input"), torch.no_grad():
        np.testing.assert_allclose(llama(ids).logits, expected, atol=1e-5)
    with pytest.raises(ValueError, match="at='output' contradicts the concepts"):
        nw.ablate(llama, concepts, 0, at="output").__enter__()
    with pytest.raises(ValueError, match=r"at must be 'output' or 'input'"):
        nw.ablate(llama, LAYER, v.numpy(), at="in").__enter__()


def test_positions_and_first_tokens(llama: Any, by_hand: Any) -> None:
    def last_two(h: torch.Tensor) -> torch.Tensor:
        return torch.cat([h[:, :-2], zeroed(h[:, -2:])], dim=1)

    ids = torch.as_tensor(IDS)
    with by_hand(llama, LAYER, last_two):
        expected = llama(ids).logits
    with nw.mask_neurons(llama, LAYER, [2, 7], positions=[-1, -2], at="input"), torch.no_grad():
        np.testing.assert_allclose(llama(ids).logits, expected, atol=1e-6)
    v = np.eye(WIDE)[2]

    def but_the_first(h: torch.Tensor) -> torch.Tensor:
        edited = h.clone()
        edited[:, 1:, 2] = 0
        return edited

    with by_hand(llama, LAYER, but_the_first):
        expected = llama(ids).logits
    with nw.ablate(llama, LAYER, v, first=False, at="input"), torch.no_grad():
        np.testing.assert_allclose(llama(ids).logits, expected, atol=1e-5)


def test_saved_edits_keep_their_place(llama: Any, tmp_path: Path) -> None:
    for at in ("input", "output"):
        with nw.mask_neurons(llama, LAYER, [2], at=at) as mask:
            pass
        with nw.steer(llama, LAYER, np.eye(WIDE)[0], 1.0, at=at) as steer:
            pass
        for name, edit in (("mask", mask), ("steer", steer)):
            path = nw.save_intervention(edit, tmp_path / f"{name}.safetensors")
            assert nw.load_intervention(path).at == at
            # A file of an edit of the output is the same as before.
            assert (b'\\"at\\"' in path.read_bytes()) == (at == "input")


class Spare(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.spare = nn.Linear(4, 4), nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.used(x)


def test_an_edit_that_never_runs_names_the_input() -> None:
    model = Spare()
    mask = nw.mask_neurons(model, "spare", [0], at="input")
    with pytest.warns(UserWarning, match="the edit of the input of layer 'spare' never ran"), mask:
        model(torch.tensor(X))


# Resumed passes


@pytest.mark.parametrize("layer", [LAYER, "model.layers.1", "model.layers.2.mlp", "lm_head",
                                   "model.layers.0.self_attn.q_proj", "model.norm"])  # fmt: skip
def test_a_resumed_pass_is_a_full_one(llama: Any, layer: str) -> None:
    inputs = {"input_ids": torch.as_tensor(IDS)}
    module = llama.get_submodule(layer)

    def edit(h: torch.Tensor) -> torch.Tensor:
        return h * 0.5 + 1

    def edit_in_place(h: torch.Tensor) -> torch.Tensor:
        return h.mul_(0.5).add_(1)

    with evaluating(llama), torch.no_grad():
        resume = Resume(llama, module, at="input")
        base = resume.record(lambda: call(llama, inputs)).logits
        ran: list[str] = []
        with hooked(module, edit, at="input"):
            expected = call(llama, inputs).logits
        for _ in range(2):
            with hooked(llama.model.embed_tokens, lambda output: ran.append("embed")):
                replayed = resume.replay(lambda: call(llama, inputs), edit_in_place).logits
            assert torch.equal(replayed, expected)
        assert torch.equal(resume.replay(lambda: call(llama, inputs), lambda h: None).logits, base)
    assert not torch.equal(base, expected)
    assert "forward" not in module.__dict__
    assert resume.size > 0


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.layer = nn.Linear(4, 6), nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(self.layer(self.first(x)))


def test_layers_that_are_called_twice_resume_too() -> None:
    model = Twice()
    x = torch.tensor(X)
    with evaluating(model), torch.no_grad():
        resume = Resume(model, model.layer, at="input")
        resume.record(lambda: model(x))
        with hooked(model.layer, zeroed_small, at="input"):
            expected = model(x)
        assert torch.equal(resume.replay(lambda: model(x), zeroed_small), expected)


def zeroed_small(h: torch.Tensor) -> torch.Tensor:
    return torch.cat([h[:, :2] * 0, h[:, 2:]], dim=1)


def test_edits_at_the_other_place_run_in_full(llama: Any) -> None:
    inputs = {"input_ids": torch.as_tensor(IDS)}
    module = llama.get_submodule(LAYER)
    ends = np.full(2, np.inf)
    edits = [NeuronEdit(LAYER, np.array([2, 7]), -ends, ends, at=at) for at in ("input", "output")]
    for at in ("input", "output"):
        forward = EditedForward(llama, module, at=at)
        with evaluating(llama), torch.no_grad():
            found = [o.logits for o in forward.on(inputs).all(edits)]
            assert forward.note is None
            for edit, logits in zip(edits, found[1:], strict=True):
                with editing(llama, module, edit):
                    assert torch.equal(logits, llama(**inputs).logits)


def test_what_masks_cost_is_measured_at_the_input(classifier: Any) -> None:
    layer = "model.layers.1.mlp.down_proj"
    names = np.array(["hat", "boot", "bag"])[np.arange(12) % 3]
    ranges = nw.ranges(read(classifier, layer, "mean", labels=names))
    held_out = np.random.default_rng(5).integers(5, 40, (12, 7))
    options = {"tau": [1.0], "top": 1.0, "labels": names, "classes": ["hat", "boot", "bag"],
               "progress": False, "batch_size": 5}  # fmt: skip
    resumed, full = (
        nw.evaluate_masks(classifier, held_out, ranges, resume=resume, **options)
        for resume in (True, False)
    )
    assert resumed.resumed
    assert not full.resumed
    assert f"the input of layer '{layer}'" in repr(resumed)
    np.testing.assert_array_equal(resumed.predicted, full.predicted)
    np.testing.assert_allclose(resumed.confidence, full.confidence, atol=1e-5)
    for v, label in enumerate(ranges.label_names, 1):
        with nw.mask_range(classifier, ranges, label, 1.0, 1.0), torch.no_grad():
            logits = classifier(torch.as_tensor(held_out)).logits
        truth = torch.as_tensor(resumed.truth)
        confidence = logits.softmax(-1)[torch.arange(12), truth]
        np.testing.assert_allclose(resumed.confidence[v], confidence, atol=1e-5)
    with_head = nw.evaluate_masks(classifier, held_out, ranges, head=True, **options)
    np.testing.assert_array_equal(with_head.predicted, full.predicted)
    assert with_head.metrics["head"].shape == full.predicted.shape


def test_the_price_of_an_edit(llama: Any, by_hand: Any) -> None:
    with nw.mask_neurons(llama, LAYER, range(WIDE), at="input") as edit:
        pass
    price = nw.price(llama, edit, [row.tolist() for row in IDS])
    with by_hand(llama, LAYER, torch.zeros_like):
        edited = llama(torch.as_tensor(IDS)).logits[:, :-1].log_softmax(-1)
        nats = -edited.gather(-1, torch.as_tensor(IDS)[:, 1:, None]).mean()
    assert price.perplexity == pytest.approx(float(nats.exp()), rel=1e-4)
    assert price.kl > 0


def test_completions_with_a_cache_are_those_of_full_passes(
    gpt2_tokenizer: Any, by_hand: Any
) -> None:
    torch.manual_seed(0)
    sizes = {**SIZES, "vocab_size": len(gpt2_tokenizer), "eos_token_id": None}
    model = LlamaForCausalLM(LlamaConfig(**sizes)).eval()
    ends = np.full(WIDE, np.inf)
    mask = NeuronEdit(LAYER, np.arange(WIDE), -ends, ends, at="input")
    steps = completing(model, gpt2_tokenizer, "the cat", {"base": None, "mask": mask}, 6, 0)
    *_, last = steps
    ids = gpt2_tokenizer("the cat", return_tensors="pt")["input_ids"]
    start = ids
    for _ in range(6):
        with by_hand(model, LAYER, torch.zeros_like):
            token = model(ids, use_cache=False).logits[:, -1:].argmax(-1)
        ids = torch.cat([ids, token], dim=1)
    whole, before = (gpt2_tokenizer.decode(i[0], skip_special_tokens=True) for i in (ids, start))
    assert last["mask"] == whole[len(before) :].rstrip("\ufffd")
    with nw.applied(model, mask):
        out = model.generate(start, attention_mask=torch.ones_like(start), max_new_tokens=6,
                             do_sample=False, pad_token_id=1)  # fmt: skip
    assert torch.equal(out[:, : ids.shape[1]], ids[:, : out.shape[1]])
