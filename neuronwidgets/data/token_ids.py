"""Token ids -> batches, with their texts decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from neuronwidgets.core.warning import warn
from neuronwidgets.data.batch import Batch, Raw, WordLabels
from neuronwidgets.data.vocabulary import Vocabulary, undoubled

_WORDS = "index of each token's label"
"""Key of a field that no model has, so that label indices move with their tokens."""


@dataclass(frozen=True)
class IdMaker:
    """Makes batches of token ids.

    Attributes:
        processor: the tokenizer, or `None`.
        vocabulary: the special and padding ids.
        takes: whether the model takes an input of that name.
        refuses: whether the model fails when it is given an input of that name.
        table: the tokens that the model has position embeddings for; `None` for any number.
        max_length: the tokens to which single rows are cut; `None` does not cut.
        split: whether the user asked for windows, which only texts can be split into.
    """

    processor: Any
    vocabulary: Vocabulary
    takes: Callable[[str], bool]
    refuses: Callable[[str], bool]
    table: int | None
    max_length: int | None
    split: bool

    def of_rows(self, raw: Raw) -> Batch:
        """A batch of single rows: mappings of `input_ids` and further fields, of any length."""
        rows = raw.rows if self.split else [_cut(row, self.max_length) for row in raw.rows]
        batch = self(collated(rows, self.vocabulary.pad or 0), raw.labels)
        return replace(batch, dataset_index=raw.dataset_index, origin=raw.origin)

    def __call__(
        self,
        fields: Mapping[str, Any],
        labels: Sequence[Any] | None = None,
        padding: torch.Tensor | None = None,
    ) -> Batch:
        """A batch of `input_ids` (`B x T`) and the further fields. What tokenizers add for every
        model is left out where this one would fail.

        `padding` is bool `B x T`, false at padding, where the data says it otherwise than in an
        `attention_mask`.

        Special tokens that every row has twice are left once, with a warning.

        Raises:
            ValueError: `input_ids` of another shape, unclear padding, or rows that are too long.
        """
        fields = {k: v.cpu() if isinstance(v, torch.Tensor) else v for k, v in fields.items()}
        ids = fields["input_ids"]
        if ids.ndim != 2:
            raise ValueError(
                f"whole numbers in data must be token ids, B x T, got shape {tuple(ids.shape)}: "
                "pass images as uint8, and anything else as floating point numbers."
            )
        given = fields.get("attention_mask")
        given = given if isinstance(given, torch.Tensor) and given.ndim == 2 else padding
        mask = self.vocabulary.mask_of(ids) if given is None else given.bool()
        mask_is_given = mask is None or "attention_mask" in fields
        mask = mask if mask is None else mask.cpu()
        mask = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask
        if any(isinstance(row, WordLabels) for row in labels or ()):
            fields[_WORDS] = torch.arange(ids.shape[1]).expand(ids.shape)
        fields, mask, twice = undoubled(self.vocabulary, fields, mask, every=True)
        if self.table is not None and mask.shape[1] > self.table:
            fields, mask = self._without_padding(fields, mask)
        if twice:
            warn(
                "each row of token ids has the tokenizer's special tokens twice (as from "
                "tokenizer(...) of texts that had them already): one of each is left out.",
            )
        words = fields.pop(_WORDS, None)
        ids = fields["input_ids"]
        if not mask_is_given and self.takes("attention_mask"):
            fields["attention_mask"] = mask.long()
        for name in ("attention_mask", "token_type_ids"):
            if self.refuses(name):
                fields.pop(name, None)
        content = self.vocabulary.content(ids, mask)
        texts, spans = decoded(self.processor, ids, content)
        named = len(fields) > 1 or self.processor is not None
        return Batch(
            fields if named and self.takes("input_ids") else ids,
            len(ids),
            mask,
            content,
            labels,
            texts=texts,
            spans=spans,
            words=[] if words is None else _label_indices(words, mask, labels or ()),
        )

    def _without_padding(
        self, fields: dict[str, Any], mask: torch.Tensor
    ) -> tuple[dict[str, Any], torch.Tensor]:
        """The fields and the mask without columns of padding on either side.

        Raises:
            ValueError: rows that are still longer than the model's position embeddings.
        """
        used = mask.any(0).nonzero().flatten().tolist()
        columns = slice(used[0], used[-1] + 1) if used else slice(0, 0)
        length = mask[:, columns].shape[1]
        if self.table is not None and length > self.table:
            remedy = "long='windows' splits texts only" if self.split else "cut them"
            raise ValueError(
                f"rows of token ids must have at most the model's {self.table:,} tokens, got "
                f"{length:,}: {remedy}."
            )
        cut = {
            name: value[:, columns]
            for name, value in fields.items()
            if isinstance(value, torch.Tensor) and value.shape[:2] == mask.shape
        }
        return {**fields, **cut}, mask[:, columns]


def _cut(row: Mapping[str, Any], limit: int | None) -> Mapping[str, Any]:
    """The row with its first `limit` tokens; with its last ones if it is padded on the left."""
    size = len(row["input_ids"])
    if limit is None or size <= limit:
        return row
    mask = row.get("attention_mask")
    part = slice(size - limit, size) if mask is not None and not mask[0] else slice(0, limit)
    return {n: v[part] if np.shape(v)[:1] == (size,) else v for n, v in row.items()}


def collated(rows: Sequence[Mapping[str, Any]], pad: int) -> dict[str, Any]:
    """Stack rows to tensors, padded on the right with `pad` or zeros.

    Rows of different lengths without a mask get an `attention_mask`.
    """
    fields: dict[str, Any] = {}
    sizes = [len(row["input_ids"]) for row in rows]
    for name in rows[0]:
        values = [torch.as_tensor(row[name]) for row in rows]
        if len({value.shape for value in values}) > 1:
            fill = pad if name == "input_ids" else 0
            values = list(torch.nn.utils.rnn.pad_sequence(values, True, fill))
        fields[name] = torch.stack(values)
    fields["input_ids"] = fields["input_ids"].long()
    if len(set(sizes)) > 1 and "attention_mask" not in fields:
        column = torch.arange(max(sizes))
        fields["attention_mask"] = (column < torch.tensor(sizes)[:, None]).long()
    return fields


def _label_indices(
    words: torch.Tensor, mask: torch.Tensor, labels: Sequence[Any]
) -> list[np.ndarray]:
    """For each row, int32 `T`: the index of each token's label, -1 for none."""
    sizes = [len(row.labels) if isinstance(row, WordLabels) else 0 for row in labels]
    labelled = mask & (words < torch.tensor(sizes)[:, None])
    return list(torch.where(labelled, words, -1).numpy().astype(np.int32))


def decoded(
    tokenizer: Any, ids: torch.Tensor, mask: torch.Tensor | None
) -> tuple[list[str], list[np.ndarray]]:
    """Texts, and their tokens' spans (int32 `T x 2`), from token ids alone.

    Args:
        tokenizer: a tokenizer or a processor that has one; `None` gives empty lists.
        ids: int64 `B x T`.
        mask: bool `B x T`, false at tokens that texts leave out.
    """
    if tokenizer is None:
        return [], []
    tokenizer = getattr(tokenizer, "tokenizer", tokenizer)
    rows = ids.tolist()
    kept = torch.ones_like(ids) if mask is None else mask
    pairs = [_decoded(tokenizer, *row) for row in zip(rows, kept.tolist(), strict=True)]
    return [text for text, _ in pairs], [spans for _, spans in pairs]


def _decoded(tokenizer: Any, ids: list[int], kept: list[int]) -> tuple[str, np.ndarray]:
    """The text and the spans (int32 `T x 2`) of one row. Tokens left out have the span `(0, 0)`."""
    spans = np.zeros((len(ids), 2), np.int32)
    positions = [i for i, keep in enumerate(kept) if keep]
    words = list(_words(tokenizer, [ids[i] for i in positions]))
    # WordPiece and similar tokenizers keep no spaces in their tokens.
    spaceless = not any(word.startswith(" ") for word, _, _ in words)
    add_spaces = spaceless and " " in tokenizer.decode([ids[i] for i in positions])
    text, done = "", 0
    for word, tokens, continues in words:
        text += " " if add_spaces and text and not continues else ""
        spans[positions[done : done + tokens]] = len(text), len(text) + len(word)
        text += word
        done += tokens
    return text, spans


def _words(tokenizer: Any, ids: list[int]) -> Iterator[tuple[str, int, bool]]:
    """Yield what tokens add to the text: `(characters, tokens, continues the last word)`.

    Tokens that share the bytes of one character come together.
    """
    first = 0
    for i, token in enumerate(tokenizer.convert_ids_to_tokens(ids)):
        # A model may have more ids than its tokenizer.
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
