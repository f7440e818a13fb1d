"""Edits of a concept: its difference from the layer's mean, sparing first tokens, at a price."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

import neuronwidgets as nw
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.io import SavedSplit
from neuronwidgets.interventions.positions import first_tokens

LAYER = "model.layers.0"
WIDE = 32


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=WIDE, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4,
        vocab_size=60, initializer_range=0.3, bos_token_id=None, eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="module")
def concepts(model: LlamaForCausalLM) -> Concepts:
    acts = nw.capture(model, [texts(40)], LAYER, "token", progress=False)
    return nw.split(acts, 3, top=60, metric="euclidean").cut()


def texts(rows: int = 6, pad: int = 0) -> dict[str, torch.Tensor]:
    """Token ids, the last row with `pad` of padding on the left."""
    ids = torch.randint(1, 60, (rows, 9), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    if pad:
        ids[-1, :pad], mask[-1, :pad] = 0, 0
    return {"input_ids": ids, "attention_mask": mask}


def inside(model: nn.Module, inputs: Any) -> torch.Tensor:
    """The layer's output."""
    kept: list[torch.Tensor] = []
    layer = model.get_submodule(LAYER)
    handle = layer.register_forward_hook(
        lambda _m, _i, o: kept.append(o[0] if isinstance(o, tuple) else o)
    )
    with torch.no_grad():
        model(**inputs)
    handle.remove()
    return kept[0]


def test_the_direction_is_the_difference_from_the_mean(concepts: Concepts) -> None:
    assert concepts.split is not None
    mean = concepts.split.acts.values.mean(axis=0, dtype=np.float64)
    for k, group in enumerate(concepts.groups):
        difference = np.median(concepts.top_vectors[group], axis=0) - mean
        expected = difference / np.linalg.norm(difference)
        np.testing.assert_allclose(concepts.differences[k], expected, atol=1e-5)


@pytest.mark.parametrize("replacement", ["mean", "zero", None])
def test_ablation_leaves_the_means_component(
    model: LlamaForCausalLM, concepts: Concepts, replacement: Any
) -> None:
    plain = inside(model, texts())
    with nw.ablate(model, concepts, 0, replacement=replacement) as edit:
        edited = inside(model, texts())
    vector = torch.from_numpy(concepts.differences[0])
    level = 0.0 if replacement == "zero" else float(concepts.layer_mean @ concepts.differences[0])
    torch.testing.assert_close(edited @ vector, torch.full((6, 9), level), atol=1e-4, rtol=1e-4)
    rest = plain - (plain @ vector)[..., None] * vector
    torch.testing.assert_close(
        edited - (edited @ vector)[..., None] * vector, rest, atol=1e-4, rtol=1e-4
    )
    assert f"brought to {edit.level:.4g}; all tokens)" in repr(edit)


def test_steering_adds_it(model: LlamaForCausalLM, concepts: Concepts) -> None:
    plain = inside(model, texts())
    with nw.steer(model, concepts, 0, 3.0, positions=[-1]) as edit:
        moved = inside(model, texts()) - plain
    expected = torch.zeros_like(moved)
    expected[:, -1] = 3 * torch.from_numpy(concepts.differences[0])
    torch.testing.assert_close(moved, expected, atol=1e-4, rtol=1e-4)
    assert "+3 added; tokens (-1,))" in repr(edit)


@pytest.mark.parametrize("pad", [0, 3])
def test_first_tokens_are_spared(model: LlamaForCausalLM, concepts: Concepts, pad: int) -> None:
    inputs = texts(pad=pad)
    plain = inside(model, inputs)
    with nw.ablate(model, concepts, 0, first=False) as edit:
        edited = inside(model, inputs)
    with nw.ablate(model, concepts, 0, first=True):
        everywhere = inside(model, inputs)
    first = inputs["attention_mask"].argmax(1)
    rows = torch.arange(6)
    assert torch.equal(edited[rows, first], plain[rows, first])
    there = torch.ones(6, 9, dtype=torch.bool)
    there[rows, first] = False
    assert torch.equal(edited[there], everywhere[there])
    assert not torch.equal(everywhere[rows, first], plain[rows, first])
    assert "all tokens but the first of each text" in repr(edit)


def test_in_generation_the_texts_first_token_alone_is_spared(
    model: LlamaForCausalLM, concepts: Concepts
) -> None:
    inputs = texts(2, pad=2)

    def written(**more: Any) -> torch.Tensor:
        with nw.steer(model, concepts, 0, 8.0, first=False), torch.no_grad():
            found: torch.Tensor = model.generate(
                **inputs, do_sample=False, max_new_tokens=5, **more
            )
        return found

    # With and without a cache the same tokens are edited.
    assert torch.equal(written(use_cache=True), written(use_cache=False))


def test_where_first_tokens_are() -> None:
    ids = torch.ones(2, 4, dtype=torch.int64)
    mask = torch.tensor([[1, 1, 1, 1], [0, 0, 1, 1]])
    assert first_tokens((), {"input_ids": ids}) is None
    assert first_tokens((ids,), {}) is None
    found = first_tokens((), {"input_ids": ids, "attention_mask": mask})
    assert found is not None
    assert found.tolist() == [0, 2]
    step = first_tokens((), {"input_ids": ids[:, :1], "attention_mask": mask})
    assert step is not None
    assert step.tolist() == [-3, -1]
    cache = ((torch.zeros(2, 4, 7, 16),) * 2,) * 3
    later = first_tokens((), {"input_ids": ids[:, :1], "past_key_values": cache})
    assert later is not None
    assert later.tolist() == [-7, -7]


def as_saved(concepts: Concepts, **changes: Any) -> Concepts:
    """The concepts with another split: what a file may say."""
    origin = {f.name: getattr(concepts.origin, f.name) for f in fields(SavedSplit)}
    return replace(concepts, origin=SavedSplit(**origin | changes))


def test_sinks_are_spared_by_default(model: LlamaForCausalLM, concepts: Concepts) -> None:
    with nw.ablate(model, as_saved(concepts, first=False), 0) as edit:
        assert not edit.first
    with nw.ablate(model, concepts, 0) as edit:
        assert edit.first


def test_edits_of_a_concept_are_saved(
    model: LlamaForCausalLM, concepts: Concepts, tmp_path: Path
) -> None:
    saved = as_saved(concepts, first=False)
    again = Concepts.load(saved.save(tmp_path / "found"))
    assert not again.first
    with nw.ablate(model, again, 0) as edit:
        plain = inside(model, texts())
    nw.save_intervention(edit, tmp_path / "edit.safetensors")
    loaded = nw.load_intervention(tmp_path / "edit.safetensors")
    assert (loaded.level, loaded.first) == (edit.level, False)
    with nw.applied(model, loaded):
        assert torch.equal(inside(model, texts()), plain)


def test_the_price_is_counted_by_hand(model: LlamaForCausalLM, concepts: Concepts) -> None:
    data = texts(5, pad=2)
    with nw.ablate(model, concepts, 0, replacement="zero") as edit, torch.no_grad():
        edited = model(**data).logits
    with torch.no_grad():
        plain = model(**data).logits
    found = nw.price(model, edit, [data])
    real = data["attention_mask"].bool()
    real = real[:, 1:] & real[:, :-1]
    one, other = (x[:, :-1].double().log_softmax(-1)[real] for x in (plain, edited))
    wanted = data["input_ids"][:, 1:][real]
    assert found.predictions == int(real.sum())
    assert found.kl == pytest.approx(float((other.exp() * (other - one)).sum(-1).mean()), rel=1e-3)
    assert found.changed == pytest.approx(
        float((one.argmax(-1) != other.argmax(-1)).double().mean())
    )
    for logits, perplexity in ((one, found.plain), (other, found.perplexity)):
        nats = -logits[torch.arange(len(wanted)), wanted].mean()
        assert perplexity == pytest.approx(float(nats.exp()), rel=1e-3)
    assert found.kl > 0
    assert "perplexity" in repr(found)


def test_the_price_of_nothing_is_nothing_and_classifiers_have_one() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    rows = torch.randn(50, 4)
    with nw.mask_neurons(net, "1", list(range(8))) as everything:
        pass
    with nw.mask_neurons(net, "1", [0], replacement="factor", factor=1.0) as nothing:
        pass
    free = nw.price(net, nothing, rows)
    assert (free.kl, free.changed, free.perplexity) == (0, 0, None)
    assert free.predictions == 50
    with torch.no_grad():
        one = net(rows).log_softmax(-1)
        other = net[2](torch.zeros(50, 8)).log_softmax(-1)
    paid = nw.price(net, everything, rows)
    assert paid.kl == pytest.approx(float((other.exp() * (other - one)).sum(-1).mean()), rel=1e-4)


def test_an_interrupted_price_is_that_of_the_samples_so_far() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    rows = torch.randn(5, 4)
    with nw.mask_neurons(net, "1", list(range(8))) as everything:
        pass
    calls: list[int] = []

    def stopping(output: Any) -> Any:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return output

    with pytest.warns(UserWarning, match=f"stopped after 1 of {len(rows)} samples"):
        part = nw.price(net, everything, rows, predict=stopping, batch_size=1)
    assert part.kl == pytest.approx(nw.price(net, everything, rows[:1]).kl)


@pytest.mark.parametrize(
    ("which", "error", "words"),
    [
        (99, IndexError, "concept 99 does not exist"),
        (-1, IndexError, "concept -1 does not exist"),
        ("nobody", ValueError, "no concept has that name. Pass its number"),
        (True, ValueError, "no concept has that name"),
        (1.5, ValueError, "no concept has that name"),
    ],
)
def test_a_concept_that_is_not_there(
    model: LlamaForCausalLM, concepts: Concepts, which: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words), nw.ablate(model, concepts, which):
        pass


def test_other_bad_input(model: LlamaForCausalLM, concepts: Concepts) -> None:
    with (
        pytest.raises(ValueError, match="replacement='mean' needs the layer's mean"),
        nw.ablate(model, LAYER, np.ones(WIDE), replacement="mean"),
    ):
        pass
    with (
        pytest.raises(ValueError, match="replacement must be 'mean' or 'zero', got 'soft'"),
        nw.ablate(model, concepts, 0, replacement="soft"),  # type: ignore[arg-type]
    ):
        pass
    with (
        pytest.raises(ValueError, match="saved without the layer's mean"),
        nw.ablate(model, as_saved(concepts, mean=None), 0),
    ):
        pass
    named = replace(concepts, names=("same",) * len(concepts))
    if len(concepts) > 1:
        with pytest.raises(ValueError, match="have that name"), nw.ablate(model, named, "same"):
            pass
