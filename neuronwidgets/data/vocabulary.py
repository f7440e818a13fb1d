"""Special and padding token ids, by the tokenizer and the model's config."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

_ROLES = ("bos", "eos", "pad", "sep", "cls", "mask")
"""Roles of special tokens. "unk" is none: it stands for words of the text."""


@dataclass(frozen=True)
class Vocabulary:
    """The ids of tokens that are not content.

    Attributes:
        special: all special tokens but "unknown", which stands for words of the text.
        before, after: the tokens that the tokenizer puts before and after a text.
        pad: the padding token; `None` where neither tokenizer nor config has one.
        ends: the tokens that end a text.
    """

    special: tuple[int, ...] = ()
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    pad: int | None = None
    ends: tuple[int, ...] = ()

    @classmethod
    def of(cls, processor: Any, config: Any = None, model: nn.Module | None = None) -> Vocabulary:
        """The ids of a tokenizer, or of a processor that has one.

        A model's config gives the padding and end tokens that the tokenizer lacks. Where there is
        neither, the model's embedding of tokens gives its padding token.
        """
        tokenizer = getattr(processor, "tokenizer", processor)
        config = getattr(config, "text_config", None) or config
        before, after = _template(tokenizer)
        pad = _token_id(tokenizer, "pad")
        pad = _token_id(config, "pad") if pad is None else pad
        if pad is None and tokenizer is None and config is None:
            pad = _padding_index(model)
        eos = getattr(tokenizer, "eos_token_id", None)
        eos = getattr(config, "eos_token_id", None) if eos is None else eos
        ends = eos if isinstance(eos, list | tuple) else [eos]
        return cls(
            tuple(sorted({*_special(tokenizer), *before, *after})),
            before,
            after,
            pad,
            tuple(end for end in ends if isinstance(end, int)),
        )

    def content(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Where tokens are neither padding nor special: bool `B x T`.

        Args:
            ids: int64 `B x T`.
            mask: bool `B x T`, false at padding.
        """
        if not self.special:
            return mask
        return mask & ~torch.isin(ids, torch.tensor(self.special, dtype=ids.dtype))

    def mask_of(self, ids: torch.Tensor) -> torch.Tensor | None:
        """Where `B x T` ids are not padding: bool `B x T`; `None` if no row is padded.

        Raises:
            ValueError: rows end in a token that may be padding or the end of their text.
        """
        pad = self.pad
        if pad is None:
            # Users who pad without a padding token take the one that ends a text.
            tails = [_runs(ids, end)[1] for end in self.ends]
            if any(int(t.max()) > 1 and int(t.max()) > int(t.min()) for t in tails if len(t)):
                raise ValueError(_UNCLEAR.format(self.ends[0]))
            return None
        start, end = _runs(ids, pad)
        if not bool(start.any() | end.any()):
            return None
        if pad in self.ends:
            if max(int(start.max()), int(end.max())) > 1 or _differ(start) or _differ(end):
                raise ValueError(_UNCLEAR.format(pad))
            return None
        column = torch.arange(ids.shape[1])
        if pad in self.before:
            start = torch.zeros_like(start)
        return (column >= start[:, None]) & (column < ids.shape[1] - end[:, None])


_UNCLEAR = (
    "data holds rows of token ids without an attention_mask that end or begin with token {0}, "
    "which both ends texts and pads short ones: pass batches with a mask, [{{'input_ids': ..., "
    "'attention_mask': ...}}], or lists of ids without padding."
)


def undoubled(
    vocabulary: Vocabulary, fields: Mapping[str, Any], mask: torch.Tensor, every: bool
) -> tuple[dict[str, Any], torch.Tensor, bool]:
    """Remove the special tokens that a tokenizer added to texts that had them already.

    Args:
        vocabulary: the tokens that the tokenizer puts before and after a text.
        fields: `input_ids` (`B x T`) and further fields of each token.
        mask: bool `B x T`, false at padding.
        every: remove them only if every row has them twice.

    Returns:
        the fields, the mask, and whether anything was removed.
    """
    ids, fields = fields["input_ids"], dict(fields)
    if not (vocabulary.before or vocabulary.after):
        return fields, mask, False
    length = ids.shape[1]
    column = torch.arange(length)
    first = torch.where(mask, column, length).amin(1)
    last = torch.where(mask, column, -1).amax(1) + 1
    before, after = len(vocabulary.before), len(vocabulary.after)
    twice_before = _has_tokens(ids, first, vocabulary.before * 2) & (last - first >= 2 * before)
    twice_after = _has_tokens(ids, last - 2 * after, vocabulary.after * 2)
    twice_after &= last - first >= 2 * after
    if every:
        twice_before = twice_before & twice_before.all()
        twice_after = twice_after & twice_after.all()
    if not bool((twice_before | twice_after).any()):
        return fields, mask, False
    kept = mask & (column >= (first + before * twice_before)[:, None])
    kept = kept & (column < (last - after * twice_after)[:, None])
    # Rows without padding on the left move up: positions count from the first token.
    source = (before * (twice_before & (first == 0)))[:, None] + column
    gathered = source.clamp(max=length - 1)
    mask = kept.gather(1, gathered) & (source < length)
    used = mask.any(0).nonzero().flatten()
    columns = slice(int(used[0]), int(used[-1]) + 1)
    for name, value in fields.items():
        if not isinstance(value, torch.Tensor) or value.shape[:2] != ids.shape:
            continue
        if name != "position_ids":
            value = value[torch.arange(len(ids))[:, None], gathered]
            fill = vocabulary.pad if name == "input_ids" else 0
            if fill is not None:
                value = value.clone()
                value[~mask] = fill
        fields[name] = value[:, columns]
    return fields, mask[:, columns], True


def _has_tokens(ids: torch.Tensor, start: torch.Tensor, tokens: tuple[int, ...]) -> torch.Tensor:
    """Whether each row has `tokens` from its column `start` on: bool `B`. False for no tokens."""
    matches = torch.full((len(ids),), bool(tokens)) & (start >= 0)
    matches &= start + len(tokens) <= ids.shape[1]
    for i, token in enumerate(tokens):
        column = (start + i).clamp(0, ids.shape[1] - 1)
        matches &= ids.gather(1, column[:, None])[:, 0] == token
    return matches


def _runs(ids: torch.Tensor, token: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The lengths of a token's runs at the start and at the end of each row: int64 `B` each."""
    is_token = (ids == token).long()
    return is_token.cumprod(1).sum(1), is_token.flip(1).cumprod(1).sum(1)


def _differ(counts: torch.Tensor) -> bool:
    return bool((counts != counts[0]).any())


def _special(tokenizer: Any) -> set[int]:
    """The ids of all special tokens but "unknown"."""
    ids = set(getattr(tokenizer, "all_special_ids", None) or ())
    # `all_special_ids` lacks the tokens of a chat's turns.
    with suppress(NotImplementedError):
        added = getattr(tokenizer, "added_tokens_decoder", None) or {}
        ids |= {i for i, token in added.items() if getattr(token, "special", False)}
    unknown = _token_id(tokenizer, "unk")
    if unknown is not None and unknown not in {_token_id(tokenizer, role) for role in _ROLES}:
        ids.discard(unknown)
    return ids


def _template(tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The token ids that a tokenizer puts before and after a text."""
    encoded: Any = {}
    # Tokenizers that also need boxes or tables raise.
    with suppress(Exception):
        encoded = tokenizer("a", return_special_tokens_mask=True)
    ids = list(encoded.get("input_ids", ()))
    special = list(encoded.get("special_tokens_mask", ()))
    if 0 not in special:
        return (), ()
    first, last = special.index(0), special[::-1].index(0)
    return tuple(ids[:first]), tuple(ids[len(ids) - last :])


def _padding_index(model: nn.Module | None) -> int | None:
    """The `padding_idx` of a model's embeddings, where those that have one agree."""
    parts = [] if model is None else [p for p in model.modules() if isinstance(p, nn.Embedding)]
    indices = {part.padding_idx for part in parts if part.padding_idx is not None}
    return indices.pop() if len(indices) == 1 else None


def _token_id(owner: Any, role: str) -> int | None:
    """The id of the token with a role, by a tokenizer or a config; `None` if it has none."""
    token_id = getattr(owner, f"{role}_token_id", None)
    return token_id if isinstance(token_id, int) else None
