"""A resumed forward pass equals a full one with a hook."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    ResNetConfig,
    ResNetForImageClassification,
    T5Config,
    T5ForConditionalGeneration,
    ViTConfig,
    ViTForImageClassification,
)

import neuronwidgets as nw
from neuronwidgets.models.hooks import hooked
from neuronwidgets.models.outputs import replaced, tensor_of
from neuronwidgets.models.resume import Resume

IDS = torch.arange(3, 43).reshape(4, 10) % 47 + 3
MASK = torch.ones_like(IDS)
MASK[0, 7:] = 0
TEXT = {"input_ids": IDS, "attention_mask": MASK}
IMAGES = {"pixel_values": torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))}
SMALL: dict[str, Any] = {
    "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2,
    "intermediate_size": 24,
}  # fmt: skip


class InPlace(nn.Module):
    """Works in place on what its layers give, and calls one layer twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.shared = nn.Linear(6, 6), nn.Linear(6, 6)
        self.act = nn.ReLU(inplace=True)
        self.last = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.act(self.first(x))
        h += 1
        h = self.act(self.shared(h))
        h *= 2
        return self.last(self.act(self.shared(h)))


def gpt2() -> nn.Module:
    config = GPT2Config(vocab_size=50, n_embd=16, n_layer=3, n_head=2, n_positions=16, num_labels=3,
                        pad_token_id=0, bos_token_id=1, eos_token_id=2)  # fmt: skip
    return GPT2ForSequenceClassification(config)


def t5() -> nn.Module:
    config = T5Config(vocab_size=50, d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2,
                      decoder_start_token_id=0)  # fmt: skip
    return T5ForConditionalGeneration(config)


def vit() -> nn.Module:
    config = ViTConfig(**{k: v for k, v in SMALL.items() if k != "vocab_size"}, image_size=32,
                       patch_size=8)  # fmt: skip
    return ViTForImageClassification(config)


def resnet() -> nn.Module:
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1],
                          layer_type="basic")  # fmt: skip
    return ResNetForImageClassification(config)


X = torch.rand(5, 6, generator=torch.Generator().manual_seed(0))
CASES: list[tuple[str, Callable[[], nn.Module], str, Any]] = [
    ("gpt2 block", gpt2, "transformer.h.1", TEXT),
    ("gpt2 mlp", gpt2, "transformer.h.1.mlp.act", TEXT),
    ("gpt2 last", gpt2, "transformer.ln_f", TEXT),
    ("bert", lambda: BertForSequenceClassification(BertConfig(**SMALL)),
     "bert.encoder.layer.1", TEXT),
    ("llama", lambda: LlamaForCausalLM(LlamaConfig(**SMALL, num_key_value_heads=1)),
     "model.layers.2.mlp", TEXT),
    ("t5 encoder", t5, "encoder.block.1", {**TEXT, "decoder_input_ids": IDS[:, :4]}),
    ("t5 decoder", t5, "decoder.block.0", {**TEXT, "decoder_input_ids": IDS[:, :4]}),
    ("vit", vit, "vit.layernorm", IMAGES),
    ("resnet", resnet, "resnet.encoder.stages.0", IMAGES),
    ("in place", InPlace, "first", X),
    ("twice", InPlace, "shared", X),
]  # fmt: skip


def tensors(output: Any) -> list[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        return [output]
    return [output.logits]


@pytest.mark.parametrize(("name", "make", "layer", "inputs"), CASES, ids=[c[0] for c in CASES])
def test_equals_a_full_pass(
    name: str, make: Callable[[], nn.Module], layer: str, inputs: Any
) -> None:
    torch.manual_seed(0)
    model = make().eval()
    module = model.get_submodule(layer)

    def run() -> Any:
        return model(**inputs) if isinstance(inputs, dict) else model(inputs.clone())

    edits: list[Callable[[Any], Any]] = [
        lambda output: output,
        lambda output: replaced(output, tensor_of(output, layer) * 0.5),
        lambda output: replaced(output, torch.zeros_like(tensor_of(output, layer))),
    ]
    assert Resume.obstacle(model, module) is None
    with torch.no_grad():
        resume = Resume(model, module)
        base = resume.record(run)
        for one, other in zip(tensors(base), tensors(run()), strict=True):
            assert torch.equal(one, other)
        for edit in [*edits, edits[0]]:
            with hooked(module, edit):
                full = run()
            for one, other in zip(tensors(resume.replay(run, edit)), tensors(full), strict=True):
                assert torch.equal(one, other)
        for one, other in zip(tensors(base), tensors(run()), strict=True):
            assert torch.equal(one, other)
    assert not any("forward" in part.__dict__ for part in model.modules())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


def test_nothing_below_the_layer_runs_again() -> None:
    ran: list[str] = []

    class Says(nn.Module):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            ran.append(self.name)
            return x + 1

    model = nn.Sequential(nn.Sequential(Says("a"), Says("b")), Says("c"), Says("d"))
    resume = Resume(model, model[1])
    run = lambda: model(torch.zeros(2))  # noqa: E731
    resume.record(run)
    ran.clear()
    assert resume.replay(run, lambda h: h * 10).tolist() == [31, 31]
    assert ran == ["d"]


def test_the_model_is_whole_again_after_an_error() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    resume = Resume(model, model[1])
    x = torch.ones(1, 2)
    expected = resume.record(lambda: model(x))

    def bad(_output: Any) -> Any:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        resume.replay(lambda: model(x), bad)
    assert torch.equal(model(x), expected)
    with pytest.raises(ZeroDivisionError):
        resume.record(lambda: 1 / 0)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


def test_says_what_stands_in_the_way() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    assert "whole model" in str(Resume.obstacle(model, model))
    with hooked(model[0], lambda output: None):
        assert "hooks" in str(Resume.obstacle(model, model[1]))
    with pytest.raises(ValueError, match="never called"):
        Resume(model, nn.Linear(1, 1)).record(lambda: model(torch.ones(1, 2)))


def test_what_is_kept_survives_a_model_that_works_in_place() -> None:
    torch.manual_seed(0)
    model, x = InPlace().eval(), torch.randn(4, 6)
    with torch.no_grad():
        full = model(x.clone())
        resume = Resume(model, model.shared)
        resume.record(lambda: model(x.clone()))
        made = [resume.replay(lambda: model(x.clone()), lambda output: output) for _ in range(3)]
        # An edit may overwrite what it is given, too.
        resume.replay(lambda: model(x.clone()), lambda output: output.zero_())
        made.append(resume.replay(lambda: model(x.clone()), lambda output: output))
    for output in made:
        torch.testing.assert_close(output, full, rtol=0, atol=0)
    assert resume.copying
    assert resume.size > 0


def test_another_thread_meanwhile_runs_the_whole_model() -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3)).eval(), torch.randn(2, 6)
    other = torch.randn(5, 6)
    seen: list[torch.Tensor] = []

    def theirs() -> None:
        with torch.no_grad():
            seen.append(model(other))

    def edit(output: torch.Tensor) -> torch.Tensor:
        thread = threading.Thread(target=theirs)
        thread.start()
        thread.join(30)
        return output.zero_()

    with torch.no_grad():
        expected = model(other)
        resume = Resume(model, model[1])
        resume.record(lambda: model(x))
        made = resume.replay(lambda: model(x), edit)
    torch.testing.assert_close(seen[0], expected, rtol=0, atol=0)
    torch.testing.assert_close(made, model[2].bias.detach().expand(2, 3))
    assert not any("forward" in part.__dict__ for part in model.modules())


def test_a_compiled_model_is_resumed_and_measured_as_it_is_written() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(7, 16), nn.ReLU(), nn.Linear(16, 5))
    compiled: Any = torch.compile(model, backend="eager")
    x, labels = torch.randn(40, 7), [i % 5 for i in range(40)]
    compiled(x)
    acts = nw.capture(compiled, x[:20], "1", labels=labels[:20], progress=False)
    reports = [
        nw.evaluate_masks(each, x[20:], nw.ranges(acts), labels=labels[20:], progress=False)
        for each in (compiled, model)
    ]
    np.testing.assert_array_equal(reports[0].confidence, reports[1].confidence)
    assert reports[0].resumed
