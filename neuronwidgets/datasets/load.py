"""Read the three bundled data sets and their models from the package."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neuronwidgets.core.modes import own_modes

if TYPE_CHECKING:
    from torch import nn
    from transformers import (
        GPT2ForSequenceClassification,
        GPT2LMHeadModel,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
    )

_DATA = Path(__file__).parent / "data"

FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


@dataclass(frozen=True)
class Fashion:
    """The Fashion-MNIST test set and a small convolutional network.

    Attributes:
        model: the network, in eval mode on the CPU. Input: float32 (B, 1, 28, 28), gray levels
            in [0, 1], that is `images / 255`. Output: float32 (B, 10), logits in the order of
            `card["classes"]`.
        images: uint8 (10000, 28, 28), gray levels, 0 is background. The model was not trained on
            them.
        labels: str (10000,), class names such as "Trouser".
        layer: name of the last convolution's ReLU in `model`: activations float32 (B, 32, 7, 7),
            never negative.
        card: source, licence, versions, training settings and measured accuracy.
    """

    model: nn.Module
    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.str_]
    layer: str
    card: dict[str, Any]


@dataclass(frozen=True)
class Topics:
    """4,000 held-out DBpedia abstracts and a small GPT-2 with two heads.

    Attributes:
        model: classifier of 14 topics at the last token, in eval mode, float32, on the CPU.
        lm: language model with the same body (`lm.transformer is model.transformer`).
        tokenizer: byte-level BPE of 4,096 tokens; starts texts with `<s>`, pads on the right with
            `<pad>`. The model reads at most 160 tokens: pass `truncation=True`.
        texts: 4,000 abstracts. The model was not trained on them.
        labels: str (4000,), class names such as "Village".
        layer: name of a middle layer's MLP neurons in `model` and in `lm`: activations float32
            (B, T, 512), after GELU.
        card: source, licence, versions, training settings, and measured accuracy and perplexity.
    """

    model: GPT2ForSequenceClassification
    lm: GPT2LMHeadModel
    tokenizer: PreTrainedTokenizerFast
    texts: list[str]
    labels: npt.NDArray[np.str_]
    layer: str
    card: dict[str, Any]


@dataclass(frozen=True)
class Stories:
    """A Llama of 260,000 parameters that writes short English stories.

    Attributes:
        model: 5 layers of width 64, at most 512 tokens; in eval mode, float32, on the CPU.
        tokenizer: 512 tokens; starts texts with `<s>`.
        card: source and licence.
    """

    model: LlamaForCausalLM
    tokenizer: PreTrainedTokenizerFast
    card: dict[str, Any]


def fashion() -> Fashion:
    """Read the bundled Fashion-MNIST test set and its network. Source: Zalando SE, MIT."""
    return read_fashion(_DATA / "fashion")


def topics() -> Topics:
    """Read the bundled DBpedia abstracts and their GPT-2. Source: DBpedia, CC BY-SA 3.0."""
    return read_topics(_DATA / "topics")


def stories() -> Stories:
    """Read the bundled TinyStories Llama. Source: TinyLlamas by Andrej Karpathy, MIT."""
    return read_stories(_DATA / "stories")


@own_modes()
def read_fashion(folder: Path) -> Fashion:
    """Read `Fashion` from a folder that `build.fashion` wrote."""
    import torch
    from safetensors.torch import load_file

    from neuronwidgets.datasets.convnet import FashionNet

    card = _read_card(folder)
    with torch.device("meta"):  # draws no weights, so torch's random state stays as it was
        model = FashionNet(FASHION_CLASSES).eval()
    model.load_state_dict(load_file(folder / "model.safetensors"), assign=True)
    return Fashion(
        model=model,
        images=read_idx(folder / "t10k-images-idx3-ubyte.gz"),
        labels=np.array(FASHION_CLASSES)[read_idx(folder / "t10k-labels-idx1-ubyte.gz")],
        layer=card["layer"],
        card=card,
    )


@own_modes()
def read_topics(folder: Path) -> Topics:
    """Read `Topics` from a folder that `build.topics` wrote."""
    import torch
    from transformers import (
        GPT2ForSequenceClassification,
        GPT2LMHeadModel,
        PreTrainedTokenizerFast,
    )

    card = _read_card(folder)
    with _no_progress_bar():
        model = GPT2ForSequenceClassification.from_pretrained(
            folder, local_files_only=True, **_float32()
        ).eval()
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    with torch.device("meta"):  # draws no weights
        lm = GPT2LMHeadModel(model.config).eval()
    lm.transformer = model.transformer
    lm.lm_head.weight = model.transformer.wte.weight
    bundled = json.loads(gzip.decompress((folder / "texts.json.gz").read_bytes()))
    return Topics(
        model=model,
        lm=lm,
        tokenizer=tokenizer,
        texts=bundled["texts"],
        labels=np.array(bundled["labels"]),
        layer=card["layer"],
        card=card,
    )


@own_modes()
def read_stories(folder: Path) -> Stories:
    """Read `Stories` from a folder that `build.stories` wrote."""
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

    with _no_progress_bar():
        model = LlamaForCausalLM.from_pretrained(folder, local_files_only=True, **_float32()).eval()
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    return Stories(model=model, tokenizer=tokenizer, card=_read_card(folder))


def _float32() -> dict[str, Any]:
    """The argument that loads weights, which are float16 on disk, as float32. Its name is another
    before transformers 4.56, where the default dtype, not the config, decides without it."""
    import torch
    from transformers import PretrainedConfig

    return {"dtype" if hasattr(PretrainedConfig(), "dtype") else "torch_dtype": torch.float32}


def read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """Read a gzipped IDX file of bytes: magic 0, 0, 8, rank; big-endian sizes; the bytes."""
    raw = gzip.decompress(path.read_bytes())
    rank = raw[3]
    shape = np.frombuffer(raw, dtype=">u4", count=rank, offset=4)
    # A copy, since torch warns of arrays that cannot be written.
    values = np.frombuffer(raw, dtype=np.uint8, offset=4 + 4 * rank).copy()
    array: npt.NDArray[np.uint8] = values.reshape(shape)
    return array


def _read_card(folder: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    return card


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
