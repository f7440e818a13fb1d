"""The number of tokens that a model has positions for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

_CONFIG = (
    "max_position_embeddings",
    "n_positions",
    "n_ctx",
    "max_encoder_position_embeddings",
    "max_decoder_position_embeddings",
)
_POSITION = re.compile(r"(^|[._])w?pe([._]|$)|(^|[._])pos(?!t)|position", re.IGNORECASE)
"""Names of absolute position embeddings."""
_OTHER = re.compile(r"rel|2d|(^|[._])[xyhw]_|vis|image|patch", re.IGNORECASE)
"""Names of embeddings of relative positions, and of positions on a page or in an image."""


def positions(model: nn.Module) -> int | None:
    """The number of tokens that a model takes: by its position embeddings, else by its config.

    `None` where neither says.
    """
    return _positions(model, position_table(model))


def position_table(model: nn.Module) -> int | None:
    """The number of tokens for which a model has position embeddings, the most that it can read.

    `None` where it has no such embeddings.
    """
    config = _config(model)
    known = _configured(config)
    if getattr(config, "position_embedding_type", "absolute") != "absolute":
        return None
    lengths = []
    for size, offset in _tables(model):
        # Tables that the config does not mention may be of image patches.
        if not known or {size, size - offset} & known:
            lengths.append(size - offset)
        elif size - 2 in known:  # Nystromformer and similar models count from two
            lengths.append(size - 2)
    if not known:
        lengths += _parameters(model)
    return min(lengths, default=None)


def token_limit(
    model: nn.Module | None, table: int | None, processor: Any, max_length: int | None
) -> int | None:
    """The number of tokens that a text may have, where the model has a `position_table` of `table`.

    This is `max_length`, else the smaller of the tokenizer's and the model's limit, else `None`.

    Raises:
        ValueError: `max_length` is larger than the model's position embeddings.
    """
    if max_length is not None:
        if table is not None and max_length > table:
            raise ValueError(
                f"max_length must be at most {table:,}, the positions that {type(model).__name__} "
                f"has, got {max_length:,}."
            )
        return max_length
    tokenizer = getattr(processor, "tokenizer", processor)
    stated = getattr(tokenizer, "model_max_length", None)
    # Tokenizers without a limit state a very large number.
    known = stated if isinstance(stated, int) and 0 < stated < 1_000_000 else None
    limits = [known, None if model is None else _positions(model, table)]
    return min((limit for limit in limits if limit is not None), default=None)


def _positions(model: nn.Module, table: int | None) -> int | None:
    return min(_configured(_config(model)), default=None) if table is None else table


def _tables(model: nn.Module) -> Iterator[tuple[int, int]]:
    """The number of rows of each table of positions, and the row of the first token."""
    for name, part in model.named_modules():
        if not _POSITION.search(name) or _OTHER.search(name):
            continue
        if not isinstance(part, nn.Embedding) and not type(part).__name__.endswith("Embedding"):
            continue
        weight = getattr(part, "weight", None)
        size = len(weight) if isinstance(weight, torch.Tensor) and weight.ndim == 2 else 0
        offset = getattr(part, "offset", None)
        if not isinstance(offset, int):
            # RoBERTa and similar models begin after the padding's row.
            padding = getattr(part, "padding_idx", None)
            offset = 0 if padding is None else padding + 1
        if size > offset:
            yield size, offset


def _parameters(model: nn.Module) -> Iterator[int]:
    """The number of rows `T` of each table of positions that is a bare parameter: `T x D` or
    `1 x T x D`."""
    for owner, part in model.named_modules():
        if isinstance(part, nn.Embedding):
            continue
        for name, table in part.named_parameters(recurse=False):
            if not _POSITION.search(name) or _OTHER.search(f"{owner}.{name}"):
                continue
            if table.ndim == 2 or (table.ndim == 3 and len(table) == 1):
                yield table.shape[-2]


def _configured(config: Any) -> set[int]:
    values = (getattr(config, name, None) for name in _CONFIG)
    return {value for value in values if isinstance(value, int) and value > 0}


def _config(model: nn.Module) -> Any:
    """The text config of a transformers model, or of the first one inside `model`."""
    configs = (getattr(part, "config", None) for part in model.modules())
    config: Any = next((config for config in configs if config is not None), None)
    return getattr(config, "text_config", None) or config
