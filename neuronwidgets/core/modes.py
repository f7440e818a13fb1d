"""Shields our arithmetic from the settings of a notebook."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

_QUIET: dict[str, Any] = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
"""NumPy's own default for floating-point errors."""
_SILENT = dict.fromkeys(_QUIET, "ignore")
_DEVICES = ("cpu", "cuda", "mps", "xpu")


@contextmanager
def own_modes() -> Iterator[None]:
    """Suspend what a notebook may have set for torch and NumPy: inference mode, autocast, a default
    device, and a `numpy.seterr` that raises or prints.

    It also works as a decorator. The default dtype is shared by all threads and is not changed, so
    code inside makes tensors with an explicit dtype. A user's model runs outside.
    """
    with ExitStack() as stack:
        if np.geterr() not in (_QUIET, _SILENT):
            stack.enter_context(np.errstate(**_QUIET))
        # If torch is not imported, nothing of it is set.
        if "torch" in sys.modules:
            _enter_torch(stack)
        yield


def _enter_torch(stack: ExitStack) -> None:
    import torch

    if torch.is_inference_mode_enabled():
        stack.enter_context(torch.inference_mode(False))
    for device in _DEVICES:
        if torch.is_autocast_enabled(device):
            stack.enter_context(torch.autocast(device, enabled=False))
    if torch.get_default_device().type != "cpu":
        stack.enter_context(torch.device("cpu"))
