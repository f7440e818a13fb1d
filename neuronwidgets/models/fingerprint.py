"""Marks by which the same data, inputs and weights are known again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

_PICKED = 64
_COLUMNS = 509
"""A prime, so that rows that change places are seen."""


class Mark:
    """A hash of whatever data is made of: texts, numbers, arrays, images, and nests of them."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)

    def add(self, value: Any) -> Mark:
        if isinstance(value, torch.Tensor):
            kept = value.detach().cpu().contiguous()
            self._say(f"{kept.dtype}{tuple(kept.shape)}")
            self._hash.update(kept.reshape(-1).view(torch.uint8).numpy().data)
        elif isinstance(value, np.ndarray) and value.dtype != object:
            self._say(f"{value.dtype}{value.shape}")
            self._hash.update(np.ascontiguousarray(value).data)
        elif isinstance(value, str | bytes):
            data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
            self._say(f"{type(value).__name__}{len(data)}")
            self._hash.update(data)
        elif isinstance(value, Mapping):
            self._say(f"mapping{len(value)}")
            for key in value:
                self.add(str(key)).add(value[key])
        elif isinstance(value, list | tuple | np.ndarray):
            self._say(f"rows{len(value)}")
            for row in value:
                self.add(row)
        elif hasattr(value, "tobytes") and hasattr(value, "mode"):  # a PIL image
            self._say(f"image{value.mode}{value.size}")
            self._hash.update(value.tobytes())
        elif value is None or isinstance(value, int | float | complex | np.generic):
            self._say(repr(value))
        else:
            self._say(type(value).__name__)
        return self

    def _say(self, text: str) -> None:
        self._hash.update(f"<{text}>".encode())

    def hex(self) -> str:
        return self._hash.hexdigest()


def parts_mark(model: nn.Module) -> str:
    """A mark of what a model is made of: each module's name, class and settings, as it shows
    them."""
    mark = Mark()
    for name, part in model.named_modules():
        mark.add(f"{name} {type(part).__name__} {part.extra_repr()}")
    return mark.hex()


def weights_mark(model: nn.Module) -> str:
    """A mark of a model's parameters and buffers, quick on any device.

    Of each tensor: name, dtype, shape, 509 sums of its bits read as 64-bit words (modulo 2^64) in
    turn, and 64 values from all over it. Tensors that are not in memory (`meta`) count by name and
    shape.
    """
    mark = Mark()
    for name, tensor in model.state_dict(keep_vars=True).items():
        if not isinstance(tensor, torch.Tensor):
            continue
        mark.add(f"{name} {tensor.dtype} {tuple(tensor.shape)}")
        flat = tensor.detach().reshape(-1)
        if flat.device.type == "meta" or not flat.numel():
            continue
        mark.add(flat[:: max(1, len(flat) // _PICKED)][:_PICKED])
        data = flat.contiguous().view(torch.uint8)
        words = data[: len(data) // 8 * 8]
        if words.storage_offset() % 8:
            words = words.clone()
        # Read as eight bytes each: twenty times as fast as widening four.
        words = words.view(torch.int64)
        table = words[: len(words) // _COLUMNS * _COLUMNS].view(-1, _COLUMNS)
        mark.add(table.sum(0)).add(words[table.numel() :]).add(data[8 * len(words) :])
    return mark.hex()
