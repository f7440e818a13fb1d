"""Texts and token ids -> batches, with the tokens' places in the texts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from neuronwidgets.models.batch import Batch, Raw


def text_limit(tokenizer: Any, max_length: int | None) -> int | None:
    """How many tokens a text may have; `None` for any number."""
    limit = max_length or getattr(tokenizer, "model_max_length", None)
    return limit if limit is not None and limit < 1_000_000 else None


def text_maker(processor: Any, max_length: int | None) -> Callable[[Raw], Batch]:
    """A function from texts to a batch."""
    tokenizer = _padding_right(getattr(processor, "tokenizer", processor))
    limit = text_limit(tokenizer, max_length)
    fast = bool(getattr(tokenizer, "is_fast", False))

    def make(raw: Raw) -> Batch:
        texts, place = raw.rows, raw.place

        def which(i: int) -> str:
            return f"row {i} of its batch" if place is None else f"sample {int(place[i]):,}"

        for i, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(
                    f"data holds a {type(text).__name__} among its texts ({text!r:.60}"
                    f", {which(i)}): every sample must be a string."
                )
        made = tokenizer(
            texts,
            return_tensors="pt",
            padding=True,
            truncation=limit is not None,
            max_length=limit,
            return_special_tokens_mask=True,
            return_offsets_mapping=fast,
        )
        fields = dict(made)
        special = fields.pop("special_tokens_mask", None)
        offsets = fields.pop("offset_mapping", None)
        mask = fields["attention_mask"].bool()
        bare = (~mask.any(dim=1)).nonzero().flatten().tolist()
        if bare:
            raise ValueError(
                f"data holds an empty text ({texts[bare[0]]!r:.60}, {which(bare[0])}): "
                "no token of it is left to run on. Leave such texts out."
            )
        content = mask if special is None else mask & ~special.bool()
        if offsets is not None:
            shown, spans = texts, [np.asarray(row, np.int32) for row in offsets.numpy()]
        else:
            shown, spans = decoded(tokenizer, fields["input_ids"], mask)
        return Batch(
            fields, len(texts), mask, content, raw.labels, [], shown, spans, place, raw.origin
        )

    return make


def _padding_right(tokenizer: Any) -> Any:
    """The tokenizer, or a copy that can pad and pads on the right.

    Padding on the left would shift the absolute positions of GPT-2 and its kin.
    """
    if tokenizer is None:
        raise ValueError(
            "data is text and there is no tokenizer: pass tokenizer=<the model's tokenizer>, "
            "e.g. AutoTokenizer.from_pretrained(...)."
        )
    padless = getattr(tokenizer, "pad_token", "") is None
    if padless or getattr(tokenizer, "padding_side", "right") != "right":
        tokenizer = copy.deepcopy(tokenizer)
        tokenizer.padding_side = "right"
        if padless:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer


def decoded(
    tokenizer: Any, ids: torch.Tensor, mask: torch.Tensor | None
) -> tuple[list[str], list[np.ndarray]]:
    """Texts and spans from token ids alone (`B x T`); without a tokenizer, none."""
    if tokenizer is None:
        return [], []
    tokenizer = getattr(tokenizer, "tokenizer", tokenizer)
    rows = ids.tolist()
    real = torch.ones_like(ids) if mask is None else mask
    made = [_decoded(tokenizer, *row) for row in zip(rows, real.tolist(), strict=True)]
    return [text for text, _ in made], [spans for _, spans in made]


def _decoded(tokenizer: Any, ids: list[int], real: list[int]) -> tuple[str, np.ndarray]:
    spans = np.zeros((len(ids), 2), np.int32)
    place = [i for i, here in enumerate(real) if here]
    words = list(_words(tokenizer, [ids[i] for i in place]))
    # WordPiece and its kin keep no spaces in their tokens.
    bare = not any(word.startswith(" ") for word, _, _ in words)
    spaced = bare and " " in tokenizer.decode([ids[i] for i in place])
    text, done = "", 0
    for word, tokens, continues in words:
        text += " " if spaced and text and not continues else ""
        spans[place[done : done + tokens]] = len(text), len(text) + len(word)
        text += word
        done += tokens
    return text, spans


def _words(tokenizer: Any, ids: list[int]) -> Iterator[tuple[str, int, bool]]:
    """What each token adds to the text: `(characters, tokens, continues the last word)`.

    The tokens that hold one character's bytes come together.
    """
    first = 0
    for i, token in enumerate(tokenizer.convert_ids_to_tokens(ids)):
        # A model may know more ids than its tokenizer.
        token = token or ""
        if token.startswith("▁"):
            word = token.replace("▁", " ")
            yield word[1:] if i == 0 else word, 1, False
        elif token.startswith("##"):
            yield token[2:], 1, True
        else:
            word = tokenizer.decode(ids[first : i + 1])
            if (not word or word.endswith("\ufffd")) and i + 1 < len(ids) and i - first < 3:
                continue
            yield word, i + 1 - first, False
        first = i + 1


def content_of(tokenizer: Any, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Where `B x T` tokens are neither padding nor special to the tokenizer (if there is one)."""
    special = list(getattr(tokenizer, "all_special_ids", None) or [])
    return mask & ~torch.isin(ids, torch.tensor(special, dtype=ids.dtype)) if special else mask


def of_ids(ids: torch.Tensor, mask: torch.Tensor | None, tokenizer: Any) -> Batch:
    """Token ids, `B x T`."""
    if ids.ndim != 2:
        raise ValueError(
            f"data holds whole numbers of shape {tuple(ids.shape)}: token ids are B x T; images "
            "are uint8; give floating point numbers for anything else."
        )
    inputs = {"input_ids": ids} if mask is None else {"input_ids": ids, "attention_mask": mask}
    bools = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask.bool()
    content = content_of(tokenizer, ids, bools)
    texts, spans = decoded(tokenizer, ids, content)
    return Batch(
        inputs if mask is not None or tokenizer is not None else ids,
        len(ids),
        bools,
        content,
        texts=texts,
        spans=spans,
    )
