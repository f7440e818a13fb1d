"""What a tokenizer and a model's config say of token ids: which are special, which are padding."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch

_ROLES = ("bos", "eos", "pad", "sep", "cls", "mask")


@dataclass(frozen=True)
class Vocabulary:
    """Token ids that are no content.

    Attributes:
        special: every special token's id, but for "unknown", which stands for a text's own words.
        before, after: what the tokenizer puts before and after a text.
        pad: what fills up short rows; `None` where neither tokenizer nor config says.
        ends: what ends a text.
    """

    special: tuple[int, ...] = ()
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    pad: int | None = None
    ends: tuple[int, ...] = ()

    @classmethod
    def of(cls, processor: Any, config: Any = None) -> Vocabulary:
        """What a tokenizer (or a processor that has one) says, and a model's config where it says
        nothing."""
        tokenizer = getattr(processor, "tokenizer", processor)
        config = getattr(config, "text_config", None) or config
        before, after = _template(tokenizer)
        pad = _number(tokenizer, "pad")
        eos = getattr(tokenizer, "eos_token_id", None)
        eos = getattr(config, "eos_token_id", None) if eos is None else eos
        ends = eos if isinstance(eos, list | tuple) else [eos]
        return cls(
            tuple(sorted({*_special(tokenizer), *before, *after})),
            before,
            after,
            _number(config, "pad") if pad is None else pad,
            tuple(end for end in ends if isinstance(end, int)),
        )

    def content(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Where `B x T` tokens are neither padding (`mask` is false) nor special."""
        if not self.special:
            return mask
        return mask & ~torch.isin(ids, torch.tensor(self.special, dtype=ids.dtype))

    def mask_of(self, ids: torch.Tensor) -> torch.Tensor | None:
        """Where `B x T` ids are not padding: bool; `None` where no row has any.

        Raises:
            ValueError: rows end in a token that may be padding, or their texts' end.
        """
        pad = self.pad
        if pad is None:
            # People who pad without a padding token take the one that ends a text.
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
        place = torch.arange(ids.shape[1])
        if pad in self.before:
            start = torch.zeros_like(start)
        return (place >= start[:, None]) & (place < ids.shape[1] - end[:, None])


_UNCLEAR = (
    "data holds rows of token ids that end or begin with token {0}, which both ends a text and "
    "fills up short ones, and has no attention_mask: pass batches with one, [{{'input_ids': ..., "
    "'attention_mask': ...}}], or lists of ids without padding."
)


def undoubled(
    vocabulary: Vocabulary, fields: Mapping[str, Any], mask: torch.Tensor, every: bool
) -> tuple[dict[str, Any], torch.Tensor, bool]:
    """Leave out the tokens that a tokenizer put before (after) a text that had them already.

    Args:
        fields: `input_ids`, `B x T`, and whatever else there is for each token.
        mask: bool `B x T`, false at padding.
        every: only where each of the rows has them twice.

    Returns:
        the fields, the mask, and whether anything was left out.
    """
    ids, fields = fields["input_ids"], dict(fields)
    length = ids.shape[1]
    place = torch.arange(length)
    first = torch.where(mask, place, length).amin(1)
    last = torch.where(mask, place, -1).amax(1) + 1
    before, after = len(vocabulary.before), len(vocabulary.after)
    begins = _stands(ids, first, vocabulary.before * 2) & (last - first >= 2 * before)
    closes = _stands(ids, last - 2 * after, vocabulary.after * 2) & (last - first >= 2 * after)
    if every:
        begins, closes = begins & begins.all(), closes & closes.all()
    if not bool((begins | closes).any()):
        return fields, mask, False
    kept = mask & (place >= (first + before * begins)[:, None])
    kept = kept & (place < (last - after * closes)[:, None])
    # Without padding on the left, what is left moves up: positions count from the first token.
    moved = (before * (begins & (first == 0)))[:, None] + place
    at = moved.clamp(max=length - 1)
    mask = kept.gather(1, at) & (moved < length)
    there = mask.any(0).nonzero().flatten()
    columns = slice(int(there[0]), int(there[-1]) + 1)
    for name, value in fields.items():
        if not isinstance(value, torch.Tensor) or value.shape[:2] != ids.shape:
            continue
        if name != "position_ids":
            value = value[torch.arange(len(ids))[:, None], at]
            fill = vocabulary.pad if name == "input_ids" else 0
            if fill is not None:
                value = value.clone()
                value[~mask] = fill
        fields[name] = value[:, columns]
    return fields, mask[:, columns], True


def _stands(ids: torch.Tensor, at: torch.Tensor, tokens: tuple[int, ...]) -> torch.Tensor:
    """Whether each row has these tokens at its place: bool `B`; never where there are none."""
    found = torch.full((len(ids),), bool(tokens)) & (at >= 0)
    found &= at + len(tokens) <= ids.shape[1]
    for i, token in enumerate(tokens):
        here = (at + i).clamp(0, ids.shape[1] - 1)
        found &= ids.gather(1, here[:, None])[:, 0] == token
    return found


def _runs(ids: torch.Tensor, token: int) -> tuple[torch.Tensor, torch.Tensor]:
    """How many of a token each row begins and ends with: int64 `B` each."""
    same = (ids == token).long()
    return same.cumprod(1).sum(1), same.flip(1).cumprod(1).sum(1)


def _differ(counts: torch.Tensor) -> bool:
    return bool((counts != counts[0]).any())


def _special(tokenizer: Any) -> set[int]:
    found = set(getattr(tokenizer, "all_special_ids", None) or ())
    # Those of a chat's turns are in no list of their own.
    with suppress(NotImplementedError):
        added = getattr(tokenizer, "added_tokens_decoder", None) or {}
        found |= {i for i, token in added.items() if getattr(token, "special", False)}
    unknown = _number(tokenizer, "unk")
    if unknown is not None and unknown not in {_number(tokenizer, role) for role in _ROLES}:
        found.discard(unknown)
    return found


def _template(tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The token ids that a tokenizer puts before and after a text."""
    made: Any = {}
    # One that takes more than texts (boxes, tables) is not asked.
    with suppress(Exception):
        made = tokenizer("a", return_special_tokens_mask=True)
    ids = list(made.get("input_ids", ()))
    marks = list(made.get("special_tokens_mask", ()))
    if 0 not in marks:
        return (), ()
    first, last = marks.index(0), marks[::-1].index(0)
    return tuple(ids[:first]), tuple(ids[len(ids) - last :])


def _number(owner: Any, role: str) -> int | None:
    found = getattr(owner, f"{role}_token_id", None)
    return found if isinstance(found, int) else None
