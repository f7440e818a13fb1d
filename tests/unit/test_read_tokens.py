"""The end of a classifier runs on the token that it reads, where it reads one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from neuronwidgets.effects.passes import Passes
from neuronwidgets.effects.read_tokens import ReadTokens
from neuronwidgets.interventions.directions import DirectionEdit

TOKENS, WIDTH, CLASSES = 6, 8, 3
CODES = torch.tensor([0, 1, 2, 1, 0])


class Mixing(nn.Module):
    """Each token becomes the mean of those up to it, as in causal attention."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        counts = torch.arange(1, values.shape[1] + 1)[:, None]
        return values.cumsum(1) / counts


class Classifier(nn.Module):
    """Reads the "last" or "first" token, the "max" or "mean" of all, or is "switching"."""

    def __init__(self, reads: str) -> None:
        super().__init__()
        self.reads = reads
        self.lower = nn.Linear(WIDTH, WIDTH)
        self.mix = Mixing()
        self.mlp = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))
        self.norm = nn.LayerNorm(WIDTH)
        self.out = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mixed = self.mix(self.lower(x))
        state = self.norm(mixed + self.mlp(mixed))
        if self.reads == "switching":
            return self.out(state)[:, 0 if mixed.max() > 20 else -1]
        if self.reads in ("last", "first"):
            return self.out(state)[:, -1 if self.reads == "last" else 0]
        return self.out(state.amax(1) if self.reads == "max" else state.mean(1))


def model_of(reads: str) -> Classifier:
    torch.manual_seed(0)
    return Classifier(reads).eval()


def passes_of(model: nn.Module, batch_size: int = 5) -> Passes:
    inputs = torch.randn(5, TOKENS, WIDTH, generator=torch.Generator().manual_seed(1))
    return Passes(
        model, inputs, ["lower"], labels=CODES.tolist(), codes=lambda rows, _: torch.tensor(rows),
        batch_size=batch_size,
    )  # fmt: skip


@pytest.mark.parametrize("reads", ["last", "first", "max", "mean"])
def test_what_is_read_does_not_change_the_answers(
    reads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits = [DirectionEdit("lower", np.arange(1.0, WIDTH + 1), remove=3.0)]
    model = model_of(reads)
    tokens: list[int] = []
    passes = passes_of(model)
    handle = model.mlp[0].register_forward_pre_hook(
        lambda _m, args: tokens.append(args[0].shape[1])
    )
    quick = passes.under(edits)
    handle.remove()
    # One token of six, where one is read.
    assert tokens == ([1] if reads in ("last", "first") else [TOKENS])
    monkeypatch.setattr(ReadTokens, "learn", lambda *_: None)
    whole = passes_of(model_of(reads)).under(edits)
    assert np.abs(whole.kl).max() > 1e-3
    for name in ("nats", "right", "kl"):
        assert np.allclose(getattr(quick, name), getattr(whole, name), rtol=1e-5, atol=1e-6)
    # Nothing is left on the model.
    assert not any("forward" in part.__dict__ for part in model.modules())


def test_a_mask_says_which_token_is_the_last() -> None:
    model = model_of("last")
    mask = torch.ones(2, TOKENS, dtype=torch.bool)
    mask[1, 4:] = False
    inputs = torch.randn(2, TOKENS, WIDTH, generator=torch.Generator().manual_seed(1))

    def run() -> torch.Tensor:
        """As a classifier of padded texts does."""
        state = model.mix(model.lower(inputs))
        return model.out(model.norm(state + model.mlp(state)))[
            torch.arange(2), torch.tensor([5, 3])
        ]

    with torch.no_grad():
        read = ReadTokens(model, [model.lower])
        read.learn(run, mask)
        assert read
        with read.only(mask):
            assert torch.allclose(run(), plain := run(), atol=1e-6)
        assert torch.allclose(run(), plain, atol=1e-6)
        with read.only(None):
            assert run()[1].isnan().all()


def test_a_pass_that_reads_another_token_runs_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model reads its last token, and under the edit its first."""
    strong: Any = [DirectionEdit("lower", np.eye(WIDTH)[0], strength=100.0)]
    passes = passes_of(model_of("switching"))
    assert passes._read
    answers = passes.under(strong)
    assert not passes._read
    monkeypatch.setattr(ReadTokens, "learn", lambda *_: None)
    assert np.array_equal(answers.kl, passes_of(model_of("switching")).under(strong).kl)
