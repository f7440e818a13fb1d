"""The Jacobian lens: one forward-mode product against other ways of computing the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.data.batches import batches
from neuronwidgets.effects.jacobian import Products, unfused_attention
from neuronwidgets.effects.readout import probe_inputs, taken, traced
from tests.model.lens_models import (
    INNER,
    TEXTS,
    WIDTH,
    act,
    down,
    gpt2,
    llama,
)


def products(model: nn.Module, layer: str, at: Any, vectors: torch.Tensor, sinks: int = 2) -> Any:
    head = traced(model, layer, at, *probe_inputs(model)).head()
    assert head is not None
    return Products(model, layer, at, head[0], True, sinks), head[0]


@pytest.mark.parametrize(
    ("build", "layer", "at"), [(gpt2, act(0), "output"), (llama, down(0), "input")]
)
def test_one_product_is_the_published_estimator(build: Any, layer: str, at: Any) -> None:
    """One-hot cotangents at all valid targets, averaged over the valid source positions."""
    model, vectors = build(), torch.randn(2, INNER, dtype=torch.float64)
    from_layer, head = products(model, layer, at, vectors)
    given = taken(batches(TEXTS, model=model, batch_size=4), 99)
    found = from_layer.over(given, vectors)

    kept: dict[str, torch.Tensor] = {}
    module, norm = model.get_submodule(layer), model.get_submodule(head)

    def keep(value: torch.Tensor) -> torch.Tensor:
        kept["layer"] = value.detach().requires_grad_()
        return kept["layer"]

    if at == "output":
        hook = module.register_forward_hook(lambda m, a, out: keep(out))
    else:
        hook = module.register_forward_pre_hook(lambda m, args: (keep(args[0]),))
    final = norm.register_forward_pre_hook(lambda m, args: kept.update(final=args[0]))
    model(torch.tensor(TEXTS))
    hook.remove()
    final.remove()
    valid = torch.zeros(len(TEXTS), 9, dtype=torch.float64)
    valid[:, 2:8] = 1
    jacobian = torch.stack([
        torch.autograd.grad((kept["final"][..., i] * valid).sum(), kept["layer"],
                            retain_graph=True)[0].mul(valid[..., None]).sum((0, 1)) / valid.sum()
        for i in range(WIDTH)
    ])  # fmt: skip
    # The norms of Llama compute in float32, whatever the model has.
    close = {"rtol": 1e-6, "atol": 1e-9} if build is llama else {"rtol": 1e-9, "atol": 1e-12}
    torch.testing.assert_close(found.mean, vectors @ jacobian.T, **close)
    assert found.samples == (3, 3)


def test_forward_mode_is_the_finite_difference_and_two_backward_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, vectors = gpt2(), torch.randn(2, INNER, dtype=torch.float64)
    from_layer, head = products(model, act(0), "output", vectors)
    given = taken(batches(TEXTS, model=model), 99)
    found = from_layer.over(given, vectors)
    monkeypatch.setattr(Products, "_forward_mode", _unsupported)
    again = from_layer.over(given, vectors)
    for one, other in zip(found.halves, again.halves, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)

    valid = torch.zeros(9, 1, dtype=torch.float64)
    valid[2:8] = 1

    def final(step: float) -> torch.Tensor:
        kept = []
        hook = model.transformer.h[0].mlp.act.register_forward_hook(
            lambda m, a, out: out + step * valid * vectors[0]
        )
        norm = model.get_submodule(head).register_forward_pre_hook(
            lambda m, args: kept.append(args[0].detach())
        )
        model(torch.tensor(TEXTS))
        hook.remove()
        norm.remove()
        return (kept[0] * valid).sum(1).mean(0) / valid.sum()

    slope = (final(1e-5) - final(-1e-5)) / 2e-5
    torch.testing.assert_close(found.mean[0], slope, rtol=1e-6, atol=1e-8)


def _unsupported(*args: Any) -> torch.Tensor:
    raise NotImplementedError("no forward mode")


def test_batches_and_padding_do_not_change_the_jacobian_lens() -> None:
    model = gpt2()
    texts = [text[: 5 + i % 4] for i, text in enumerate(TEXTS)]
    each = [nw.effects_of(0, model, texts, layer=act(0), batch_size=n) for n in (1, 4, 6)]
    for other in each[1:]:
        np.testing.assert_allclose(each[0].jacobian.raised, other.jacobian.raised, rtol=1e-9)
        np.testing.assert_allclose(each[0].jacobian.agreement, other.jacobian.agreement)


def test_fused_attention_is_off_until_the_last_thread_is_done() -> None:
    fused = torch.backends.cuda.flash_sdp_enabled
    assert fused()
    first, second = unfused_attention(), unfused_attention()
    for attention in (first, second):
        attention.__enter__()
        assert not fused()
    # The first thread is done before the second.
    first.__exit__(None, None, None)
    assert not fused()
    second.__exit__(None, None, None)
    assert fused()
