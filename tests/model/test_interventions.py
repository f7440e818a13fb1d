"""Edits of a layer's output, against the same edit by hand."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel

import neuronwidgets as nw
from neuronwidgets.interventions.directions import DirectionEdit
from neuronwidgets.interventions.intervention import applied
from neuronwidgets.interventions.masks import NeuronEdit

LAYER = "transformer.h.1"
WIDE = 16


@pytest.fixture(scope="module")
def gpt2() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=50, n_positions=32, n_embd=WIDE, n_layer=3, n_head=2,
                        bos_token_id=1, eos_token_id=2)  # fmt: skip
    return GPT2LMHeadModel(config).eval()


IDS = torch.arange(24).reshape(2, 12)


def logits(model: nn.Module, ids: torch.Tensor = IDS) -> torch.Tensor:
    with torch.no_grad():
        return model(ids).logits


def by_hand(model: GPT2LMHeadModel, change: Any) -> torch.Tensor:
    """The logits with `change` applied to the output of LAYER by a plain hook."""

    def hook(_m: object, _i: object, output: Any) -> Any:
        if isinstance(output, torch.Tensor):
            return change(output)
        return (change(output[0]), *output[1:])

    handle = model.get_submodule(LAYER).register_forward_hook(hook)
    try:
        return logits(model)
    finally:
        handle.remove()


def some_ranges(model: nn.Module) -> nw.Ranges:
    data = torch.randint(3, 50, (40, 12), generator=torch.Generator().manual_seed(1))
    labels = np.arange(40) % 2
    acts = nw.capture(model, data, LAYER, pooling="last", labels=labels, progress=False)
    return nw.ranges(acts)


def test_a_range_mask_is_what_the_paper_says(gpt2: GPT2LMHeadModel) -> None:
    found = some_ranges(gpt2)
    neurons = np.argsort(-found.magnitude[0], kind="stable")[:5]
    low, high = found.intervals("0", 1.5)[neurons, 0].T

    def change(values: torch.Tensor) -> torch.Tensor:
        values = values.clone()
        for j, a, b in zip(neurons, low, high, strict=True):
            column = values[..., j]
            inside = (column >= np.float32(a)) & (column <= np.float32(b))
            values[..., j] = torch.where(inside, 0.0, column)
        return values

    with nw.mask_range(gpt2, found, "0", tau=1.5, top=5, replacement="zero") as edit:
        masked = logits(gpt2)
    assert edit.neurons.tolist() == neurons.tolist()
    assert torch.equal(masked, by_hand(gpt2, change))
    assert not torch.equal(masked, logits(gpt2))


def test_a_neuron_mask_replaces_always(gpt2: GPT2LMHeadModel) -> None:
    found = some_ranges(gpt2)

    def zero(values: torch.Tensor) -> torch.Tensor:
        return values.index_fill(-1, torch.tensor([3, 7]), 0.0)

    with nw.mask_neurons(gpt2, found, 0, neurons=[3, 7]):
        assert torch.equal(logits(gpt2), by_hand(gpt2, zero))
    mean = torch.tensor((found.count @ found.mean / found.count.sum())[[3, 7]]).float()

    def average(values: torch.Tensor) -> torch.Tensor:
        values = values.clone()
        values[..., [3, 7]] = mean
        return values

    with nw.mask_neurons(gpt2, found, 0, neurons=[3, 7], replacement="mean"):
        assert torch.equal(logits(gpt2), by_hand(gpt2, average))
    with nw.mask_neurons(gpt2, found, 0, neurons=[3, 7], replacement="factor", factor=1.0):
        assert torch.equal(logits(gpt2), logits(gpt2))


def test_a_soft_mask_fades_towards_the_ends() -> None:
    edit = NeuronEdit("0", np.array([1]), np.array([0.0]), np.array([4.0]), "soft")
    change = edit.prepared(torch.zeros(2))
    got = change(torch.tensor([[9.0, 0.0], [9.0, 1.0], [9.0, 2.0], [9.0, 4.0], [9.0, 5.0]]))
    # h * 0.125 * |h - 2| / 2 inside [0, 4]
    np.testing.assert_allclose(got[:, 1], [0, 0.0625, 0, 0.5, 5])
    assert (got[:, 0] == 9).all()


@pytest.mark.parametrize("case", ["no neurons", "empty range", "no strength", "no position"])
def test_masking_nothing_leaves_the_logits_bit_identical(gpt2: GPT2LMHeadModel, case: str) -> None:
    edits = {
        "no neurons": NeuronEdit(LAYER, np.zeros(0, int), np.zeros(0), np.zeros(0)),
        "empty range": NeuronEdit(LAYER, np.arange(WIDE), np.full(WIDE, 1e9), np.full(WIDE, 2e9)),
        "no strength": DirectionEdit(LAYER, np.ones(WIDE)),
        "no position": DirectionEdit(LAYER, np.ones(WIDE), strength=9, positions=(99,)),
    }
    with applied(gpt2, edits[case]):
        assert torch.equal(logits(gpt2), logits(gpt2))
        edited = logits(gpt2)
    assert torch.equal(edited, logits(gpt2))


def test_a_range_in_pieces() -> None:
    low = np.array([[-np.inf, 2.0], [0.1, np.nan]])
    high = np.array([[-1.0, 3.0], [0.1, np.nan]])
    edit = NeuronEdit("0", np.array([2, 0]), low, high)
    h = torch.tensor([[0.1, 7, -5], [0.2, 7, -1], [0.1, 7, 0], [0, 7, 2], [0, 7, 2.5], [0, 7, 9]])
    # 0.1 is not a float32; its range still holds it.
    expected = [[0, 7, 0], [0.2, 7, 0], [0, 7, 0], [0, 7, 0], [0, 7, 0], [0, 7, 9]]
    torch.testing.assert_close(edit.prepared(h)(h), torch.tensor(expected), rtol=0, atol=0)
    soft = NeuronEdit("0", np.array([2]), np.array([[0.0, 4.0]]), np.array([[2.0, 8.0]]), "soft")
    made = soft.prepared(h)(torch.tensor([[0, 0, 1.0], [0, 0, 2.0], [0, 0, 6.0], [0, 0, 8.0]]))
    torch.testing.assert_close(made[:, 2], torch.tensor([0, 2 * 0.125, 0, 8 * 0.125]))


@pytest.mark.parametrize("replacement", ["zero", "mean", "factor"])
@pytest.mark.parametrize("wide", [True, False])
def test_few_neurons_or_many_the_same_mask(replacement: Any, wide: bool) -> None:
    rng = np.random.default_rng(0)
    chosen = rng.permutation(16)[:5]
    low = np.stack([rng.normal(-1, 0.1, 5), np.full(5, 0.5)], axis=1)
    low[:2, 1] = np.nan
    high = low + 0.8
    if wide:
        low, high = np.full((5, 1), -np.inf), np.full((5, 1), np.inf)
    h = torch.randn(3, 7, 16, generator=torch.Generator().manual_seed(0))
    expected = h.clone()
    value = rng.normal(size=5).astype("f4")
    for i, j in enumerate(chosen):
        inside = torch.zeros_like(h[..., j], dtype=torch.bool)
        for a, b in zip(low[i], high[i], strict=True):
            inside |= (h[..., j] >= a) & (h[..., j] <= b)
        new = {"zero": 0.0, "mean": float(value[i]), "factor": h[..., j] * 0.25}[replacement]
        expected[..., j] = torch.where(inside, new, h[..., j])
    # Beside 100 idle neurons they are few.
    for more in (0, 100):
        padded = torch.cat([h, torch.full((3, 7, more), 0.7)], dim=-1)
        factor = 0.25 if replacement == "factor" else 0.0
        edit = NeuronEdit("0", chosen, low, high, replacement, value, factor)
        made = edit.prepared(padded)(padded)
        torch.testing.assert_close(made[..., :16], expected)
        assert (made[..., 16:] == 0.7).all()
        copy = padded.clone()
        torch.testing.assert_close(edit.prepared(copy)(copy, True), made)


def test_ablation_and_steering(gpt2: GPT2LMHeadModel) -> None:
    direction = np.random.default_rng(0).normal(size=WIDE)
    v = torch.tensor(direction / np.linalg.norm(direction)).float()
    with nw.ablate(gpt2, LAYER, direction):
        got = nw.capture(gpt2, IDS, "transformer.h.1", pooling="token", progress=False)
        removed = logits(gpt2)
    np.testing.assert_allclose(got.values @ v.numpy(), 0, atol=1e-5)
    expected = by_hand(gpt2, lambda h: h - (h @ v)[..., None] * v)
    torch.testing.assert_close(removed, expected)
    with nw.steer(gpt2, LAYER, direction, 4.0):
        steered = logits(gpt2)
    torch.testing.assert_close(steered, by_hand(gpt2, lambda h: h + 4 * v))
    with nw.steer(gpt2, LAYER, direction, 4.0, positions=[-1, 2]):
        last = logits(gpt2)

    def some(h: torch.Tensor) -> torch.Tensor:
        h = h.clone()
        h[:, [2, -1]] += 4 * v
        return h

    torch.testing.assert_close(last, by_hand(gpt2, some))


def test_nested_the_outer_first(gpt2: GPT2LMHeadModel) -> None:
    direction = np.eye(WIDE)[4]
    with nw.steer(gpt2, LAYER, direction, 5.0), nw.ablate(gpt2, LAYER, direction):
        both = logits(gpt2)
    with nw.ablate(gpt2, LAYER, direction):
        torch.testing.assert_close(both, logits(gpt2))


def test_in_generate_and_on_another_thread(gpt2: GPT2LMHeadModel) -> None:
    def write() -> list[int]:
        ids = torch.tensor([[5, 6, 7]])
        mask = torch.ones_like(ids)
        return gpt2.generate(ids, attention_mask=mask, max_new_tokens=12, do_sample=False,
                             pad_token_id=2)[0].tolist()  # fmt: skip

    plain = write()
    direction = np.random.default_rng(3).normal(size=WIDE)
    out: list[list[int]] = []
    with nw.steer(gpt2, "transformer.h.2", direction, 60.0):
        steered = write()
        thread = threading.Thread(target=lambda: out.append(write()))
        thread.start()
        thread.join(60)
    assert steered != plain
    assert out == [steered]
    assert write() == plain


class Boom(Exception):
    pass


@given(st.lists(st.sampled_from(["steer", "ablate", "edit"]), min_size=1, max_size=4),
       st.booleans())  # fmt: skip
def test_hooks_are_gone_on_every_way_out(kinds: list[str], crash: bool) -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    x = torch.ones(3, 4)
    before = model(x)

    def nest(rest: list[str]) -> None:
        if not rest:
            model(x)
            if crash:
                raise Boom
            return
        managers = {
            "steer": lambda: nw.steer(model, "1", np.ones(6), 2.0),
            "ablate": lambda: nw.ablate(model, "1", np.ones(6)),
            "edit": lambda: applied(
                model, NeuronEdit("1", np.array([0]), np.array([-np.inf]), np.array([np.inf]))
            ),
        }
        with managers[rest[0]]():
            nest(rest[1:])

    if crash:
        with pytest.raises(Boom):
            nest(kinds)
    else:
        nest(kinds)
    assert not any(m._forward_hooks for m in model.modules())
    assert torch.equal(model(x), before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_models_dtype_stays(dtype: torch.dtype) -> None:
    layer = nn.Linear(4, 4).to(dtype)
    model = nn.Sequential(layer)
    x = torch.ones(2, 4, dtype=dtype)
    with nw.steer(model, "0", np.ones(4), 1.0):
        assert model(x).dtype == dtype
    edit = NeuronEdit("0", np.array([1]), np.array([-np.inf]), np.array([np.inf]), "mean",
                      value=np.array([2.5]))  # fmt: skip
    with applied(model, edit):
        assert model(x).dtype == dtype
        assert (model(x)[:, 1] == 2.5).all()


def test_channels_of_a_convolution() -> None:
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU())
    x = torch.rand(2, 1, 6, 6)
    edit = NeuronEdit("0", np.array([2]), np.array([-np.inf]), np.array([np.inf]),
                      neurons_in_layer=3)  # fmt: skip
    plain = model(x)
    with applied(model, edit):
        got = model(x)
    assert (got[:, 2] == 0).all()
    assert torch.equal(got[:, :2], plain[:, :2])


def test_saved_and_loaded(tmp_path: Path, gpt2: GPT2LMHeadModel) -> None:
    found = some_ranges(gpt2)
    with nw.mask_range(gpt2, found, 1, tau=1.0, replacement="mean", positions=[-1]) as edit:
        expected = logits(gpt2)
    path = nw.save_intervention(edit, tmp_path / "a" / "mask.safetensors")
    again = nw.load_intervention(path)
    with applied(gpt2, again):
        assert torch.equal(logits(gpt2), expected)
    with nw.steer(gpt2, LAYER, np.ones(WIDE), 3.0) as edit:
        expected = logits(gpt2)
    with applied(gpt2, nw.load_intervention(nw.save_intervention(edit, tmp_path / "s"))):
        assert torch.equal(logits(gpt2), expected)
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(1)}, tmp_path / "other")
    with pytest.raises(ValueError, match="in the format None"):
        nw.load_intervention(tmp_path / "other")


def test_bad_input(gpt2: GPT2LMHeadModel) -> None:
    found = some_ranges(gpt2)
    still = replace(found, std=np.zeros_like(found.std))
    elsewhere = replace(found, layer="transformer.h.7")
    cases: list[tuple[Any, str]] = [
        (lambda: nw.mask_range(gpt2, found, "9"), "label '9'"),
        (lambda: nw.mask_range(gpt2, found, 0, tau=-1), "tau must be .* got -1"),
        (lambda: nw.mask_range(gpt2, found, 0, top=0), "top must be a share .* got 0"),
        (lambda: nw.mask_range(gpt2, found, 0, neurons=[99]), "0 to 15"),
        (lambda: nw.mask_range(gpt2, found, 0, neurons=[1, 1]), "twice"),
        (lambda: nw.mask_range(gpt2, found, 0, replacement="nothing"), "'soft'"),
        (lambda: nw.mask_neurons(gpt2, found, 0, replacement="soft"), "finite"),
        (lambda: nw.mask_range(gpt2, found, 0, rule="best"), "rule must be one of .* got 'best'"),
        (lambda: nw.mask_range(gpt2, still, 0), "none of the 5 neurons varies"),
        (lambda: nw.mask_range(gpt2, elsewhere, 0), "transformer.h.7"),
        (
            lambda: applied(
                gpt2, NeuronEdit(LAYER, np.array([3]), np.array([2.0]), np.array([1.0]))
            ),
            "the interval of neuron 3 has its ends swapped: it runs from 2 to 1",
        ),
        (lambda: nw.ablate(gpt2, LAYER, np.zeros(WIDE)), "not zero"),
        (lambda: nw.ablate(gpt2, LAYER, np.full(WIDE, np.nan)), "finite"),
        (lambda: nw.steer(gpt2, "transformer.h.9", np.ones(WIDE), 1), "does not exist in"),
    ]
    for make, words in cases:
        with pytest.raises((ValueError, IndexError), match=words), make():
            pass
    with (
        pytest.raises(ValueError, match="made for 4 neurons"),
        nw.ablate(gpt2, LAYER, np.ones(4)),
    ):
        logits(gpt2)
    assert not any(m._forward_hooks for m in gpt2.modules())
