"""Settings of a notebook, and models, data and activations that are made before any is set."""

from __future__ import annotations

import dataclasses
import random
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import tokenizers
import torch
from torch import nn
from transformers import (
    GPT2Config,
    GPT2ForSequenceClassification,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
)

import neuronwidgets as nw

WORDS = ["the", "cat", "dog", "sat", "on", "a", "mat", "red", "blue", "ran"]
BLOCK = "transformer.h.1"
OPTIONS: dict[str, Any] = {"progress": False}


def speaking() -> dict[str, Any]:
    """A tiny GPT-2 as a classifier and as a language model with the same body, and its texts."""
    torch.manual_seed(0)
    vocabulary = {word: i + 1 for i, word in enumerate(WORDS)} | {"[PAD]": 0, "[UNK]": 11}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", model_max_length=16
    )
    config = GPT2Config(n_layer=2, n_embd=16, n_head=2, vocab_size=12, n_positions=16, num_labels=2,
                        pad_token_id=0, id2label={0: "cats", 1: "dogs"}, bos_token_id=1,
                        label2id={"cats": 0, "dogs": 1}, eos_token_id=1)  # fmt: skip
    model = GPT2ForSequenceClassification(config).eval()
    speaker = GPT2LMHeadModel(config).eval()
    speaker.transformer = model.transformer
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, rng.integers(3, 12))) for _ in range(90)]
    texts = list(dict.fromkeys(texts))[:60]
    labels = ["cats", "dogs"] * 30
    return {"gpt": model, "speaker": speaker, "tokenizer": tokenizer, "texts": texts,
            "labels": labels}  # fmt: skip


@pytest.fixture(scope="module")
def world() -> SimpleNamespace:
    """Models, data and activations, made before anything is set."""
    rng = np.random.default_rng(1)
    made = speaking()
    net = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 3))
    convolving = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Flatten(),
        nn.Linear(8 * 36, 2),
    )  # fmt: skip
    with torch.no_grad():
        # Neurons so small that their squares are not.
        net[0].weight[5:7] *= 1e-25
        net[0].bias[5:7] = 0
    rows = rng.normal(size=(120, 6)).astype(np.float32)
    kinds = np.array(["x", "y", "z"])[rng.integers(0, 3, 120)]
    rows[kinds == "x", 0] += 3
    images = rng.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    acts = nw.capture(net.eval(), rows, "1", labels=kinds, **OPTIONS)
    spoken = nw.capture(made["gpt"], made["texts"], BLOCK, "last", made["labels"],
                        made["tokenizer"], **OPTIONS)  # fmt: skip
    return SimpleNamespace(
        **made, net=net, convolving=convolving.eval(), rows=rows, kinds=kinds, images=images,
        acts=acts, spoken=spoken,
    )  # fmt: skip


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def default_device(name: str) -> Iterator[None]:
    torch.set_default_device(name)
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextmanager
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def seeded() -> Iterator[None]:
    """Other seeds than before; nobody draws from them."""
    random.seed(7)
    np.random.seed(7)
    torch.manual_seed(7)
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    yield
    assert random.getstate() == before[0]
    np.testing.assert_equal(np.random.get_state(), before[1])
    assert torch.equal(torch.get_rng_state(), before[2])


@contextmanager
def strict_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


MODES: dict[str, tuple[Callable[[], Any], ...]] = {
    "inference_mode": (torch.inference_mode,),
    "autocast": (lambda: torch.autocast("cpu", torch.bfloat16),),
    "float16": (lambda: default_dtype(torch.float16),),
    "strict": (
        lambda: default_dtype(torch.float64),
        lambda: default_device("cpu"),
        lambda: torch.set_grad_enabled(False),
        lambda: np.errstate(all="raise"),
        lambda: np.printoptions(precision=1, threshold=3, legacy="1.13"),
        seeded,
    ),
    "loose": (
        lambda: default_dtype(torch.bfloat16),
        lambda: default_device("meta"),
        lambda: np.errstate(all="warn"),
        strict_warnings,
        deterministic,
    ),
}
"""Settings that do not hide one another, some at once: each job takes as long as all the others."""


class Mode(NamedTuple):
    """Settings of a notebook: their name, and a function that returns their `with`."""

    name: str
    enter: Callable[[], Any]


def as_nests(value: Any) -> Any:
    """A result as nests of arrays and strings."""
    if isinstance(value, nw.Activations):
        return [np.asarray(value.values[:]), value.labels, value.label_names]
    if isinstance(value, torch.Tensor):
        assert value.dtype != torch.bfloat16
        return value.detach().numpy().copy()
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return {str(name): as_nests(list(value[name])) for name in value.columns}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (field.name for field in dataclasses.fields(value))
        return {name: as_nests(getattr(value, name)) for name in fields if name != "acts"}
    if isinstance(value, Mapping):
        return {str(key): as_nests(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set):
        return [as_nests(each) for each in value]
    return value


def assert_same(found: Any, expected: Any, rough: bool, at: str = "") -> None:
    assert type(found) is type(expected), at
    if isinstance(expected, dict):
        assert list(found) == list(expected), at
        for key in expected:
            assert_same(found[key], expected[key], rough, f"{at}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), at
        for i, (mine, other) in enumerate(zip(found, expected, strict=True)):
            assert_same(mine, other, rough, f"{at}[{i}]")
    elif isinstance(expected, np.ndarray):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape), at
        if not rough:
            np.testing.assert_array_equal(found, expected, at)
    elif not rough:
        np.testing.assert_equal(found, expected, at)


@contextmanager
def entered(settings: Sequence[Callable[[], Any]]) -> Iterator[None]:
    with ExitStack() as stack:
        for setting in settings:
            stack.enter_context(setting())
        yield


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> Mode:
    return Mode(request.param, partial(entered, MODES[request.param]))


@pytest.fixture(scope="module")
def plain() -> Callable[[Any], Any]:
    return as_nests


@pytest.fixture(scope="module")
def compare() -> Callable[..., None]:
    return assert_same
