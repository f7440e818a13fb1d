"""Whether kernels in Triton run on a device. PyTorch does their work everywhere else."""

from __future__ import annotations

import threading
from importlib.util import find_spec

import torch

from neuronwidgets.core.warning import warn

_FOUND: dict[torch.device, bool] = {}
_TRYING = threading.Lock()


def compile_on(device: torch.device) -> bool:
    """Whether Triton is installed and compiles for a device: a GPU of CUDA. It is tried once.

    Triton comes with torch for CUDA on Linux, and needs a C compiler and Python's headers.

    Warns:
        RuntimeWarning: it is installed and does not compile.
    """
    if device.type != "cuda":
        return False
    with _TRYING:
        if device not in _FOUND:
            _FOUND[device] = find_spec("triton") is not None and _tried(device)
        return _FOUND[device]


def _tried(device: torch.device) -> bool:
    try:
        from neuronwidgets.core import trial_kernel

        trial_kernel.run(device)
    except Exception as error:
        warn(
            f"Triton compiles no kernel for {device}: {error}. PyTorch does the work instead, "
            "with the same results, but more slowly.",
            RuntimeWarning,
        )
        return False
    return True
