"""Texts -> batches, with the tokens' places in the texts."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.text import well_formed
from neuronwidgets.data.batch import Batch, Raw, WordLabels, which
from neuronwidgets.data.token_ids import decoded
from neuronwidgets.data.vocabulary import Vocabulary, undoubled


def check_tokenizer(processor: Any) -> None:
    """Refuse what stands for a tokenizer and is none."""
    if isinstance(processor, type):
        name = processor.__name__
        raise TypeError(
            f"tokenizer is the class {name}: pass an object of it, {name}.from_pretrained(...)."
        )
    if isinstance(processor, str) or hasattr(processor, "__fspath__"):
        raise TypeError(
            f"tokenizer is a {type(processor).__name__}: pass the tokenizer itself, "
            f"AutoTokenizer.from_pretrained({str(processor)!r})."
        )


def text_maker(
    processor: Any, vocabulary: Vocabulary, takes: Callable[[str], bool], limit: int | None,
    added: bool = True,
) -> Callable[[Raw], Batch]:  # fmt: skip
    """A function from texts to a batch.

    Args:
        processor: a tokenizer, or a processor that has one.
        vocabulary: what it says of its token ids.
        takes: whether the model takes an input of that name.
        limit: how many tokens a text may have; `None` for any number.
        added: whether the tokenizer adds its special tokens. Those that a text begins or ends with
            already are not added.
    """
    tokenizer = _padding_right(getattr(processor, "tokenizer", processor))
    fast = bool(getattr(tokenizer, "is_fast", False))

    def make(raw: Raw) -> Batch:
        texts, place = raw.rows, raw.place

        for i, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(
                    f"data holds a {type(text).__name__} among its texts ({text!r:.60}"
                    f", {which(place, i)}): every sample must be a string."
                )
        made = tokenizer(
            texts,
            return_tensors="pt",
            padding=True,
            truncation=limit is not None,
            max_length=limit,
            add_special_tokens=added,
            return_offsets_mapping=fast,
        )
        fields = dict(made)
        if not takes("token_type_ids"):
            # Some tokenizers give them to every model.
            fields.pop("token_type_ids", None)
        mask = fields["attention_mask"].bool()
        bare = (~mask.any(dim=1)).nonzero().flatten().tolist()
        if bare:
            raise ValueError(
                f"data holds a text of which the tokenizer leaves nothing ({texts[bare[0]]!r:.60}, "
                f"{which(place, bare[0])}): there is no token to run on. Leave such texts out."
            )
        if added:
            fields, mask, _ = undoubled(vocabulary, fields, mask, every=False)
        offsets = fields.pop("offset_mapping", None)
        if offsets is not None:
            shown, spans = texts, [np.asarray(row, np.int32) for row in offsets.numpy()]
        else:
            shown, spans = decoded(tokenizer, fields["input_ids"], mask)
        words: list[np.ndarray] = []
        if any(isinstance(label, WordLabels) for label in raw.labels or ()):
            if offsets is None:
                raise ValueError(
                    "labels of words need a fast tokenizer, which says where its tokens stand; a "
                    f"{type(tokenizer).__name__} does not."
                )
            words = [
                row.of_tokens(span) if isinstance(row, WordLabels) else np.full(len(span), -1)
                for row, span in zip(raw.labels or (), spans, strict=True)
            ]
        return Batch(
            fields, len(texts), mask, vocabulary.content(fields["input_ids"], mask), raw.labels, [],
            shown, spans, place, raw.origin, words,
        )  # fmt: skip

    return make


@own_modes()
def prompt_ids(tokenizer: Any, prompt: str) -> torch.Tensor:
    """The token ids of one text, `1 x T`: what the tokenizer adds is there once."""
    ids = tokenizer(well_formed(prompt), return_tensors="pt")["input_ids"]
    every = torch.ones_like(ids, dtype=torch.bool)
    fields, _, _ = undoubled(Vocabulary.of(tokenizer), {"input_ids": ids}, every, every=True)
    found: torch.Tensor = fields["input_ids"]
    return found


def _padding_right(tokenizer: Any) -> Any:
    """The tokenizer, or a copy that can pad and pads on the right.

    Padding on the left would shift the absolute positions of GPT-2 and its kin.
    """
    if tokenizer is None:
        raise ValueError(
            "data is text and there is no tokenizer: pass tokenizer=<the model's tokenizer>, "
            "e.g. AutoTokenizer.from_pretrained(...)."
        )
    if not callable(tokenizer) or not hasattr(tokenizer, "convert_ids_to_tokens"):
        raise TypeError(
            f"data is text and tokenizer is a {type(tokenizer).__name__}: pass a tokenizer of "
            "transformers, e.g. AutoTokenizer.from_pretrained(...) or "
            "PreTrainedTokenizerFast(tokenizer_object=...)."
        )
    padless = getattr(tokenizer, "pad_token", "") is None
    if padless or getattr(tokenizer, "padding_side", "right") != "right":
        tokenizer = copy.deepcopy(tokenizer)
        tokenizer.padding_side = "right"
        if padless:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer
