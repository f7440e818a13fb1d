"""Fast paths of torch that skip hooks: compiled code and the fused Transformer encoder."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn

from neuronwidgets.core.compat import ORIGINAL, dynamo_loaded

COMPILED = f"{ORIGINAL}."
"""What the names of a compiled model's modules and parameters begin with."""
_lock = threading.Lock()
_users = 0
_plain_paths = ExitStack()


def plain(model: nn.Module) -> nn.Module:
    """The model inside a wrapper of `torch.compile`; any other model is returned as it is."""
    inner = getattr(model, ORIGINAL, None)
    return inner if isinstance(inner, nn.Module) else model


@contextmanager
def hooks_seen() -> Iterator[None]:
    """Run models as they are written, so that the hooks on their modules are called.

    Compiled code runs eagerly. `nn.TransformerEncoder` calls its layers instead of one fused
    kernel, which would also turn padded batches into nested tensors.
    """
    global _users
    with _lock:
        # The switches are global: a thread that restored them would switch them off for others.
        _users += 1
        if _users == 1:
            _plain_paths.callback(
                torch.backends.mha.set_fastpath_enabled, torch.backends.mha.get_fastpath_enabled()
            )
            torch.backends.mha.set_fastpath_enabled(False)
        if _users == 1 and dynamo_loaded():
            _plain_paths.enter_context(torch.compiler.set_stance("force_eager"))
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _plain_paths.close()
