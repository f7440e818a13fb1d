"""Models of TransformerLens: their neurons pass through hook points. Stand-ins with its names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import neuronwidgets as nw
from neuronwidgets.models.proposal import proposed_layer

WIDE = 12
TOKENS = 20


class HookPoint(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


class MLP(nn.Module):
    """The MLP of `HookedTransformer`: weights, and an activation function that is no module."""

    def __init__(self, gated: bool) -> None:
        super().__init__()
        self.W_in, self.W_out = (nn.Parameter(torch.randn(s)) for s in ((8, WIDE), (WIDE, 8)))
        if gated:
            self.W_gate = nn.Parameter(torch.randn(8, WIDE))
        self.hook_pre, self.hook_post = HookPoint(), HookPoint()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if hasattr(self, "W_gate"):
            post = F.silu(self.hook_pre(x @ self.W_gate)) * (x @ self.W_in)
        else:
            post = F.gelu(self.hook_pre(x @ self.W_in))
        return self.hook_post(post) @ self.W_out


class GatedBridge(nn.Module):
    """A gated MLP of `TransformerBridge`: it passes its linear maps by."""

    def __init__(self) -> None:
        super().__init__()
        self.gate_proj, self.up_proj = nn.Linear(8, WIDE), nn.Linear(8, WIDE)
        self.down_proj, self.act_fn = nn.Linear(WIDE, 8), nn.SiLU()
        self.down_proj.hook_in = HookPoint()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = F.silu(self.gate_proj(x)) * self.up_proj(x)
        return F.linear(self.down_proj.hook_in(hidden), self.down_proj.weight)


class Block(nn.Module):
    def __init__(self, mlp: nn.Module) -> None:
        super().__init__()
        self.mlp, self.hook_resid_post = mlp, HookPoint()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.hook_resid_post(x + self.mlp(x))


class Hooked(nn.Module):
    """A language model of such MLPs."""

    def __init__(self, mlp: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(TOKENS, 8)
        self.blocks = nn.ModuleList(Block(mlp()) for _ in range(3))
        self.unembed = nn.Linear(8, TOKENS)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        x = self.embed(input)
        for block in self.blocks:
            x = block(x)
        return self.unembed(x)


KINDS = {
    "plain": (lambda: MLP(False), "mlp.hook_post"),
    "gated": (lambda: MLP(True), "mlp.hook_post"),
    "bridge": (GatedBridge, "mlp.down_proj.hook_in"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_neurons_are_those_that_the_point_passes_on(kind: str) -> None:
    mlp, name = KINDS[kind]
    model = Hooked(mlp).eval()
    rows = [row for row in nw.layers(model) if row.neurons]
    assert [row.name for row in rows] == [f"blocks.{i}.{name}" for i in range(3)]
    assert {row.at for row in rows} == {"output"}
    proposal = proposed_layer(model)
    assert (proposal.layer, proposal.at) == (f"blocks.1.{name}", "output")
    seen: list[torch.Tensor] = []
    ids = torch.randint(0, TOKENS, (4, 5))
    handle = model.get_submodule(proposal.layer).register_forward_hook(lambda *a: seen.append(a[2]))
    model(ids)
    handle.remove()
    acts = nw.capture(model, ids, proposal.layer, pooling="token", progress=False)
    np.testing.assert_array_equal(acts.values, seen[0].detach().reshape(20, WIDE))


@pytest.mark.parametrize("kind", KINDS)
def test_neurons_of_gated_mlps_have_two_poles_at_a_point_too(kind: str) -> None:
    mlp, name = KINDS[kind]
    ids = torch.randint(0, TOKENS, (4, 5))
    found = nw.effects_of([3], Hooked(mlp).eval(), ids, layer=f"blocks.1.{name}", samples=0)
    assert len(found) == (1 if kind == "plain" else 2)
