"""Models that went through `torch.compile`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

COMPILED = "_orig_mod."
_lock = threading.Lock()
_users: list[Any] = []


def plain(model: nn.Module) -> nn.Module:
    """The model itself, where `torch.compile` has wrapped it."""
    inner = getattr(model, "_orig_mod", None)
    return inner if isinstance(inner, nn.Module) else model


@contextmanager
def hooks_seen() -> Iterator[None]:
    """Compiled code runs as it was written: else it passes by the hooks that came after it."""
    if "torch._dynamo" not in sys.modules:
        yield
        return
    with _lock:
        # One for all threads: each would otherwise restore what another had set.
        if not _users:
            _users.append(torch.compiler.set_stance("force_eager"))
            _users[0].__enter__()
        _users.append(None)
    try:
        yield
    finally:
        with _lock:
            _users.pop()
            if len(_users) == 1:
                _users.pop().__exit__(None, None, None)
