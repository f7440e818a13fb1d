"""Token ids -> batches, and their texts."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from neuronwidgets.data.batch import Batch, Raw, WordLabels
from neuronwidgets.data.vocabulary import Vocabulary, undoubled

_WORDS = "which label each token has"


@dataclass(frozen=True)
class IdMaker:
    """Makes batches of token ids.

    Attributes:
        processor: the tokenizer, or `None`.
        vocabulary: what it and the model's config say of ids.
        takes: whether the model takes an input of that name.
        table: how many tokens fit into the model's table of positions; `None` for any number.
        most: to how many tokens single rows are cut.
        split: whether longer rows were to be split, which only texts can be.
    """

    processor: Any
    vocabulary: Vocabulary
    takes: Callable[[str], bool]
    table: int | None
    most: int | None
    split: bool

    def of_rows(self, raw: Raw) -> Batch:
        """Mappings of `input_ids` and what else there is for each, of any length."""
        rows = raw.rows if self.split else [_cut(row, self.most) for row in raw.rows]
        batch = self(collated(rows, self.vocabulary.pad or 0), raw.labels)
        return replace(batch, place=raw.place, origin=raw.origin)

    def __call__(self, fields: Mapping[str, Any], labels: Sequence[Any] | None = None) -> Batch:
        """A batch of `input_ids`, `B x T`, and what else the model takes, with a mask if it has
        one."""
        fields = {k: v.cpu() if isinstance(v, torch.Tensor) else v for k, v in fields.items()}
        ids = fields["input_ids"]
        if ids.ndim != 2:
            raise ValueError(
                f"data holds whole numbers of shape {tuple(ids.shape)}: token ids are B x T; "
                "images are uint8; give floating point numbers for anything else."
            )
        given = fields.get("attention_mask")
        given = given if isinstance(given, torch.Tensor) and given.ndim == 2 else None
        mask = self.vocabulary.mask_of(ids) if given is None else given.bool()
        told = mask is None or "attention_mask" in fields
        mask = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask
        if any(isinstance(row, WordLabels) for row in labels or ()):
            fields[_WORDS] = torch.arange(ids.shape[1]).expand(ids.shape)
        fields, mask, twice = undoubled(self.vocabulary, fields, mask, every=True)
        if self.table is not None and mask.shape[1] > self.table:
            fields, mask = self._without_padding(fields, mask)
        if twice:
            warnings.warn(
                "each row of token ids has the special tokens twice that the tokenizer puts around "
                "a text (as from tokenizer(...) of texts that had them already): one of each is "
                "left out.",
                stacklevel=2,
            )
        words = fields.pop(_WORDS, None)
        ids = fields["input_ids"]
        if not told and self.takes("attention_mask"):
            fields["attention_mask"] = mask.long()
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
            words=[] if words is None else _numbers(words, mask, labels or ()),
        )

    def _without_padding(
        self, fields: dict[str, Any], mask: torch.Tensor
    ) -> tuple[dict[str, Any], torch.Tensor]:
        """Rows that are longer than the model's table of positions, without the columns that are
        padding only."""
        there = mask.any(0).nonzero().flatten().tolist()
        columns = slice(there[0], there[-1] + 1) if there else slice(0, 0)
        length = mask[:, columns].shape[1]
        if self.table is not None and length > self.table:
            why = "long='windows' splits texts only" if self.split else "cut them"
            raise ValueError(
                f"data holds rows of {length:,} token ids, and the model takes {self.table:,}: "
                f"{why}."
            )
        along = {
            name: value[:, columns]
            for name, value in fields.items()
            if isinstance(value, torch.Tensor) and value.shape[:2] == mask.shape
        }
        return {**fields, **along}, mask[:, columns]


def _cut(row: Mapping[str, Any], most: int | None) -> Mapping[str, Any]:
    """The first tokens of a row that is too long; of one with padding on the left, the last."""
    size = len(row["input_ids"])
    if most is None or size <= most:
        return row
    mask = row.get("attention_mask")
    part = slice(size - most, size) if mask is not None and not mask[0] else slice(0, most)
    return {n: v[part] if np.shape(v)[:1] == (size,) else v for n, v in row.items()}


def collated(rows: Sequence[Mapping[str, Any]], pad: int) -> dict[str, Any]:
    """Mappings of one sample each -> tensors, filled up on the right with `pad` or zeros, and a
    mask where they have none."""
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
        place = torch.arange(max(sizes))
        fields["attention_mask"] = (place < torch.tensor(sizes)[:, None]).long()
    return fields


def _numbers(words: torch.Tensor, mask: torch.Tensor, labels: Sequence[Any]) -> list[np.ndarray]:
    """Which of its row's labels each token has, -1 for none."""
    sizes = [len(row.labels) if isinstance(row, WordLabels) else 0 for row in labels]
    there = mask & (words < torch.tensor(sizes)[:, None])
    return list(torch.where(there, words, -1).numpy().astype(np.int32))


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
