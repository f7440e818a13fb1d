"""Models inside wrappers that pass all inputs on, as `nn.DataParallel` and PEFT's."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from torch import nn
from transformers import PreTrainedTokenizerBase

import neuronwidgets as nw

TEXTS = ["the cat sat on the mat", "play", "the cats played on the mats"]
T5 = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2, "vocab_size": 60,
      "decoder_start_token_id": 0}  # fmt: skip
BERT = {"vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 24, "max_position_embeddings": 32,
        "id2label": {0: "cat", 1: "dog"}}  # fmt: skip


class Passing(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.module = inner

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)


@pytest.fixture(autouse=True)
def no_pretended_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """`tests.pretended_device`, once imported, is a device to DataParallel."""
    if not torch.cuda.is_available():
        # Its package has a function of the same name.
        module = import_module("torch.nn.parallel.data_parallel")
        monkeypatch.setattr(module, "_get_available_device_type", lambda: None)


WRAPPERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "DataParallel": nn.DataParallel,
    "own": Passing,
    "twice": lambda model: Passing(nn.DataParallel(model)),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapped_encoder_decoder_decodes_its_text(
    wrapper: str, bert_tokenizer: PreTrainedTokenizerBase
) -> None:
    torch.manual_seed(0)
    model = hf.T5ForConditionalGeneration(hf.T5Config(**T5)).eval()
    wrapped = WRAPPERS[wrapper](model)
    layer = next(n for n in nw.layers(wrapped).neurons if n.endswith("decoder.block.1.layer.2."
                 "DenseReluDense.act"))  # fmt: skip
    options: Any = {"tokenizer": bert_tokenizer, "progress": False}
    expected = nw.capture(model, TEXTS, layer.replace("module.", ""), "token", **options)
    acts = nw.capture(wrapped, TEXTS, layer, "token", **options)
    np.testing.assert_array_equal(acts.values, expected.values)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapped_classifier_names_its_classes(
    wrapper: str, bert_tokenizer: PreTrainedTokenizerBase
) -> None:
    torch.manual_seed(0)
    model = WRAPPERS[wrapper](hf.BertForSequenceClassification(hf.BertConfig(**BERT)).eval())
    layer = nw.layers(model).neurons[0]
    options: Any = {"tokenizer": bert_tokenizer, "progress": False}
    labels = ["cat", "dog", "cat", "dog"]
    acts = nw.capture(model, [*TEXTS, "sat"], layer, labels=labels, **options)
    held_out = ["the mat", "sat on"]
    report = nw.evaluate_masks(model, held_out, nw.ranges(acts), labels=["dog", "cat"], **options)
    assert set(report.by_label()["label"]) == {"cat", "dog"}
