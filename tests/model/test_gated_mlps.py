"""Gated MLPs by their structure: the layers that `nw.layers` proposes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers as hf
from torch import nn

import neuronwidgets as nw

WIDE = 24
TEXT = {
    "vocab_size": 40, "hidden_size": 16, "intermediate_size": WIDE, "num_hidden_layers": 1,
    "num_attention_heads": 2, "pad_token_id": 1,
}  # fmt: skip
T5 = {"d_model": 16, "d_kv": 8, "d_ff": WIDE, "num_layers": 1, "num_heads": 2, "vocab_size": 40}
GATED = {
    "Llama": TEXT, "Qwen2": TEXT, "Qwen3": TEXT, "Gemma": {**TEXT, "head_dim": 8}, "Mistral": TEXT,
    "Gemma2": {**TEXT, "head_dim": 8}, "Phi3": TEXT, "Olmo2": TEXT,
    "T5": {**T5, "feed_forward_proj": "gated-gelu"},
    "ModernBert": {**TEXT, "cls_token_id": 2, "sep_token_id": 3},
}  # fmt: skip
PLAIN = {
    "GPTNeoX": TEXT, "Bert": TEXT, "ViT": {**TEXT, "image_size": 8, "patch_size": 4},
    "GPT2": {"vocab_size": 40, "n_embd": 16, "n_layer": 1, "n_head": 2},
    "T5": {**T5, "feed_forward_proj": "relu"},
}  # fmt: skip


def proposed(kind: str, options: dict[str, Any]) -> tuple[nn.Module, list[Any]]:
    options = {k: v for k, v in options.items() if kind != "ViT" or "token" not in k}
    model = hf.AutoModel.from_config(getattr(hf, f"{kind}Config")(**options))
    return model, [row for row in nw.layers(model) if row.neurons]


@pytest.mark.parametrize("kind", GATED)
def test_gated_mlps_propose_the_input_of_their_down_projection(kind: str) -> None:
    model, rows = proposed(kind, GATED[kind])
    names = {"T5": ".wo", "ModernBert": ".mlp.Wo"}.get(kind, ".mlp.down_proj")
    assert len(rows) == (2 if kind == "T5" else 1)
    assert all(row.name.endswith(names) for row in rows)
    assert {(row.at, row.width) for row in rows} == {("input", WIDE)}
    found = nw.layers(model)
    assert found.neurons == tuple(row.name for row in rows)
    assert f"{WIDE} * (input)" in repr(found)
    assert repr(found).endswith("capture(..., at='input')")
    assert "● input" in found._repr_html_()
    assert found.to_frame()["at"].tolist().count("input") == len(rows)


@pytest.mark.parametrize("kind", PLAIN)
def test_other_mlps_propose_their_activation_function(kind: str) -> None:
    model, rows = proposed(kind, PLAIN[kind])
    assert rows
    assert {row.at for row in rows} == {"output"}
    assert all("act" in row.name or row.type == "Conv2d" for row in rows)
    assert "(input)" not in repr(nw.layers(model))


class Named(nn.Module):
    """Three linear maps of any names, as in Meta's Llama."""

    def __init__(self, wide: int = 6) -> None:
        super().__init__()
        self.w1, self.w2, self.w3 = nn.Linear(4, wide), nn.Linear(wide, 4), nn.Linear(4, wide)


class Gated(Named):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.w2(nn.functional.silu(self.w1(x)) * self.w3(x))


class InTurn(Named):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.w3(nn.functional.relu(self.w2(nn.functional.relu(self.w1(x)))))


def test_names_do_not_count_but_the_product_does() -> None:
    assert [(r.name, r.at) for r in nw.layers(Gated()) if r.neurons] == [("w2", "input")]
    assert nw.layers(InTurn()).neurons == ()
    turns = [nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 6)]
    assert nw.layers(nn.Sequential(*turns)).neurons == ("1", "3")
    assert nw.layers(nn.Sequential(*turns))[1].at == "output"


class GEGLU(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x, gate = x.chunk(2, dim=-1)
        return x * nn.functional.gelu(gate)


class ProjectedGLU(nn.Module):
    """With the map to the two halves inside, as in diffusers and x-transformers."""

    def __init__(self) -> None:
        super().__init__()
        self.proj, self.act = nn.Linear(4, 12), nn.SiLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x, gate = self.proj(x).chunk(2, dim=-1)
        return x * self.act(gate)


class Around(nn.Module):
    """An MLP whose down projection gets what a gated unit returns."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.unit, self.down = nn.Linear(4, 12), GEGLU(), nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(self.unit(self.up(x)))


class WholeSwiGLU(Gated):
    """A whole MLP that is called by its gated unit."""


def test_gated_units_that_are_modules() -> None:
    def marked(model: nn.Module) -> list[tuple[str, str]]:
        return [(row.name, row.at) for row in nw.layers(model) if row.neurons]

    unit = nn.Sequential(nn.Linear(4, 12), GEGLU(), nn.Linear(6, 4))
    assert marked(unit) == [("1", "output")]
    x = torch.rand(3, 4)
    expected = unit[1](unit[0](x)).detach()
    torch.testing.assert_close(
        torch.from_numpy(nw.capture(unit, x, "1", progress=False).values), expected
    )
    assert marked(nn.Sequential(ProjectedGLU(), nn.Linear(6, 4))) == [("0", "output")]
    assert marked(nn.Sequential(nn.Linear(4, 12), nn.GLU(), nn.Linear(6, 4))) == [("1", "output")]
    assert marked(nn.Sequential(nn.Conv1d(4, 12, 1), nn.GLU(1), nn.BatchNorm1d(6))) == [
        ("0", "output")  # a convolution without norm and activation function after it
    ]
    assert marked(Around()) == [("down", "input")]
    assert marked(nn.Sequential(WholeSwiGLU())) == [("0.w2", "input")]
