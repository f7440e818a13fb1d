"""Fingerprints of data, inputs and weights, by which a store recognises them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

_PICKED = 64
"""The number of values of each tensor that are hashed themselves, beside its sums."""
_COLUMNS = 509
"""The number of sums for each tensor. It is prime and shares no factor with the tensor's width, so
swapped rows change the sums."""


class Fingerprint:
    """A hash (BLAKE2b, 16 bytes) of texts, numbers, arrays, images, and nests of these."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)

    def add(self, value: Any) -> Fingerprint:
        """Hash `value`. Returns `self`."""
        if isinstance(value, torch.Tensor):
            array = value.detach().cpu().contiguous()
            self._tag(f"{array.dtype}{tuple(array.shape)}")
            self._hash.update(array.reshape(-1).view(torch.uint8).numpy().data)
        elif isinstance(value, np.ndarray) and value.dtype != object:
            self._tag(f"{value.dtype}{value.shape}")
            self._hash.update(np.ascontiguousarray(value).data)
        elif isinstance(value, str | bytes):
            data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
            self._tag(f"{type(value).__name__}{len(data)}")
            self._hash.update(data)
        elif isinstance(value, Mapping):
            self._tag(f"mapping{len(value)}")
            for key in value:
                self.add(str(key)).add(value[key])
        elif isinstance(value, list | tuple | np.ndarray):
            self._tag(f"rows{len(value)}")
            for row in value:
                self.add(row)
        elif hasattr(value, "tobytes") and hasattr(value, "mode"):  # a PIL image
            self._tag(f"image{value.mode}{value.size}")
            self._hash.update(value.tobytes())
        elif value is None or isinstance(value, int | float | complex | np.generic):
            self._tag(repr(value))
        else:
            self._tag(type(value).__name__)
        return self

    def _tag(self, text: str) -> None:
        """Hash the type and the shape of what follows."""
        self._hash.update(f"<{text}>".encode())

    def hex(self) -> str:
        """The hash so far, as 32 hexadecimal digits."""
        return self._hash.hexdigest()


def parts_fingerprint(model: nn.Module) -> str:
    """A fingerprint of a model's modules: the name, class and `extra_repr()` of each."""
    fingerprint = Fingerprint()
    for name, part in model.named_modules():
        fingerprint.add(f"{name} {type(part).__name__} {part.extra_repr()}")
    return fingerprint.hex()


def weights_fingerprint(model: nn.Module) -> str:
    """A fingerprint of a model's parameters and buffers, quick on any device.

    It hashes each tensor's name, dtype and shape, 64 evenly spaced values, and 509 sums: its bits
    are read as 64-bit words, and word `i` goes to sum `i % 509`, modulo 2^64. Of `meta` tensors it
    hashes name, dtype and shape.
    """
    fingerprint = Fingerprint()
    for name, tensor in model.state_dict(keep_vars=True).items():
        if not isinstance(tensor, torch.Tensor):
            continue
        fingerprint.add(f"{name} {tensor.dtype} {tuple(tensor.shape)}")
        flat = tensor.detach().reshape(-1)
        if flat.device.type == "meta" or not flat.numel():
            continue
        fingerprint.add(flat[:: max(1, len(flat) // _PICKED)][:_PICKED])
        data = flat.contiguous().view(torch.uint8)
        words = data[: len(data) // 8 * 8]
        if words.storage_offset() % 8:
            words = words.clone()
        # Words of eight bytes: twenty times as fast as four bytes widened to int64.
        words = words.view(torch.int64)
        table = words[: len(words) // _COLUMNS * _COLUMNS].view(-1, _COLUMNS)
        fingerprint.add(table.sum(0)).add(words[table.numel() :]).add(data[8 * len(words) :])
    return fingerprint.hex()
