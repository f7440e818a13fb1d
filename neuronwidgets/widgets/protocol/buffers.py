"""Packs binary messages in the safetensors format: named little-endian arrays behind a JSON header.

`split.py`, `ranges.py` and `toy.py` beside this file describe each message;
`js/src/protocol/safetensors.ts` unpacks them.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np


def pack(tensors: dict[str, np.ndarray], meta: dict[str, Any]) -> bytes:
    """Arrays and metadata -> safetensors bytes; the metadata is JSON under `meta`."""
    from safetensors.numpy import save

    ready = {}
    for name, array in tensors.items():
        array = np.ascontiguousarray(array)
        ready[name] = array.astype(array.dtype.newbyteorder("<"), copy=False)
    packed: bytes = save(ready, {"meta": json.dumps(meta, ensure_ascii=False)})
    return packed


def unpack(data: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The inverse of `pack`, for tests and for reading a saved notebook."""
    from safetensors.numpy import load

    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    meta: dict[str, Any] = json.loads(header["__metadata__"]["meta"])
    return load(bytes(data)), meta
