"""Texts -> batches, with the span of each token in its text."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.text import well_formed
from neuronwidgets.data.batch import Batch, Raw, WordLabels, row_title
from neuronwidgets.data.token_ids import decoded
from neuronwidgets.data.vocabulary import Vocabulary, undoubled


def check_tokenizer(processor: Any) -> None:
    """Refuse a tokenizer's class, name or path in place of the tokenizer."""
    if isinstance(processor, type):
        name = processor.__name__
        raise TypeError(
            f"tokenizer is the class {name}: pass an instance, {name}.from_pretrained(...)."
        )
    if isinstance(processor, str) or hasattr(processor, "__fspath__"):
        raise TypeError(
            f"tokenizer is a {type(processor).__name__}: pass the tokenizer itself, "
            f"AutoTokenizer.from_pretrained({str(processor)!r})."
        )


def text_maker(
    processor: Any, vocabulary: Vocabulary, takes: Callable[[str], bool],
    refuses: Callable[[str], bool], limit: int | None, add_special: bool = True,
) -> Callable[[Raw], Batch]:  # fmt: skip
    """Return a function from texts to a batch.

    Args:
        processor: a tokenizer, or a processor that has one.
        vocabulary: its special and padding token ids.
        takes: whether the model takes an input of that name.
        refuses: whether the model fails when it is given an input of that name.
        limit: the most tokens that a text may have; `None` for any number.
        add_special: whether the tokenizer adds its special tokens. Those that a text has already
            are not added again.
    """
    tokenizer = _padding_right(getattr(processor, "tokenizer", processor))
    fast = bool(getattr(tokenizer, "is_fast", False))

    def make(raw: Raw) -> Batch:
        texts, dataset_index = raw.rows, raw.dataset_index

        for i, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(
                    f"data holds a {type(text).__name__} among its texts ({text!r:.60}"
                    f", {row_title(dataset_index, i)}): every sample must be a string."
                )
        encoded = tokenizer(
            texts,
            return_tensors="pt",
            padding=True,
            truncation=limit is not None,
            max_length=limit,
            add_special_tokens=add_special,
            return_offsets_mapping=fast,
        )
        fields = dict(encoded)
        if not takes("token_type_ids"):
            # Some tokenizers return them for every model.
            fields.pop("token_type_ids", None)
        mask = fields["attention_mask"].bool()
        bare = (~mask.any(dim=1)).nonzero().flatten().tolist()
        if bare:
            raise ValueError(
                f"data holds a text without any token ({texts[bare[0]]!r:.60}, "
                f"{row_title(dataset_index, bare[0])}): the tokenizer leaves nothing of it. Leave "
                "such texts out."
            )
        if add_special:
            fields, mask, _ = undoubled(vocabulary, fields, mask, every=False)
        offsets = fields.pop("offset_mapping", None)
        if offsets is not None:
            readable, spans = texts, [np.asarray(row, np.int32) for row in offsets.numpy()]
        else:
            readable, spans = decoded(tokenizer, fields["input_ids"], mask)
        words: list[np.ndarray] = []
        if any(isinstance(label, WordLabels) for label in raw.labels or ()):
            if offsets is None:
                raise ValueError(
                    "labels of words need a fast tokenizer, which returns the spans of its tokens, "
                    f"got a {type(tokenizer).__name__}."
                )
            words = [
                row.of_tokens(span) if isinstance(row, WordLabels) else np.full(len(span), -1)
                for row, span in zip(raw.labels or (), spans, strict=True)
            ]
        # Models of one's own may take token ids alone, under any name.
        inputs: Any = {name: value for name, value in fields.items() if not refuses(name)}
        if "input_ids" not in inputs:
            inputs = fields["input_ids"]
        return Batch(
            inputs, len(texts), mask, vocabulary.content(fields["input_ids"], mask), raw.labels, [],
            readable, spans, dataset_index, raw.origin, words,
        )  # fmt: skip

    return make


@own_modes()
def prompt_ids(tokenizer: Any, prompt: str) -> torch.Tensor:
    """The token ids of one text, int64 `1 x T`, with the tokenizer's special tokens once."""
    ids = tokenizer(well_formed(prompt), return_tensors="pt")["input_ids"]
    mask = torch.ones_like(ids, dtype=torch.bool)
    fields, _, _ = undoubled(Vocabulary.of(tokenizer), {"input_ids": ids}, mask, every=True)
    prompt_tokens: torch.Tensor = fields["input_ids"]
    return prompt_tokens


def _padding_right(tokenizer: Any) -> Any:
    """The tokenizer, or a copy of it that pads on the right.

    Padding on the left would shift the absolute positions of GPT-2 and similar models.
    """
    if tokenizer is None:
        raise ValueError(
            "data holds texts, and no tokenizer is given: pass tokenizer=<the model's tokenizer>, "
            "e.g. AutoTokenizer.from_pretrained(...)."
        )
    if not callable(tokenizer) or not hasattr(tokenizer, "convert_ids_to_tokens"):
        raise TypeError(
            "tokenizer must be a tokenizer of transformers, e.g. "
            "AutoTokenizer.from_pretrained(...) or "
            f"PreTrainedTokenizerFast(tokenizer_object=...), got a {type(tokenizer).__name__}."
        )
    padless = getattr(tokenizer, "pad_token", "") is None
    if padless or getattr(tokenizer, "padding_side", "right") != "right":
        tokenizer = copy.deepcopy(tokenizer)
        tokenizer.padding_side = "right"
        if padless:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer
