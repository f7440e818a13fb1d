"""The private parts of other libraries that this package uses. No other module uses any.

Each docstring says which public interface is missing. `tests/unit/test_compat.py` fails when one of
them moves.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import nn

ORIGINAL = "_orig_mod"
"""The attribute of a module wrapped by `torch.compile` that holds the module itself; also the first
part of its parameters' names. torch has no public name for it."""


def dynamo_loaded() -> bool:
    """Whether the compiler of torch has been imported, so that code may be compiled. Asking torch
    itself would import it, which takes seconds."""
    return "torch._dynamo" in sys.modules


def forward_hooks(module: nn.Module) -> list[Callable[..., Any]]:
    """The hooks of a module that are called before and after its forward pass; torch can add and
    remove hooks in public, but not list them."""
    return [*module._forward_hooks.values(), *module._forward_pre_hooks.values()]


def in_place_changes(tensor: torch.Tensor) -> int:
    """How often a tensor has been changed in place, as autograd counts it for its own checks.

    Raises:
        RuntimeError: the tensor was made in inference mode, where nothing is counted.
    """
    return tensor._version


def dropout_rate(module: nn.Module) -> float:
    """The probability of one of torch's kinds of dropout, 0 for any other module; their common base
    class is private."""
    from torch import nn

    return module.p if isinstance(module, nn.modules.dropout._DropoutNd) else 0.0


def has_batch_statistics(module: nn.Module) -> bool:
    """Whether a module is one of torch's batch or instance norms, which compute with the batch's
    own statistics while they train; their common base class is private."""
    from torch import nn

    return isinstance(module, nn.modules.batchnorm._NormBase)


def fused_adam(
    weights: list[torch.Tensor],
    gradients: list[torch.Tensor],
    means: list[torch.Tensor],
    squares: list[torch.Tensor],
    steps: list[torch.Tensor],
    **settings: Any,
) -> None:
    """One step of Adam in one pass over memory, in place. `torch.optim.Adam(fused=True)` calls it;
    in public it is bound to parameters and their `.grad`.

    Args:
        steps: the number of steps, this one included.
        settings: `lr`, `beta1`, `beta2`, `weight_decay`, `eps`, `amsgrad`, `maximize`.
    """
    import torch

    torch._fused_adam_(weights, gradients, means, squares, [], steps, **settings)


def shuffles(stream: Any) -> bool:
    """Whether an `IterableDataset` of Hugging Face is shuffled; `False` for anything else. The
    library does not say so in public."""
    if getattr(stream, "_shuffling", None) is not None:  # datasets < 5
        return True
    part = getattr(stream, "_ex_iterable", None)
    while part is not None:
        if "Shuffled" in type(part).__name__:
            return True
        part = getattr(part, "ex_iterable", None)
    return False


def dispatch_mode() -> Any:
    """The class of torch whose subclasses see each operation that is dispatched. Its documentation
    names it, but its module is private."""
    from torch.utils._python_dispatch import TorchDispatchMode

    return TorchDispatchMode


def end_failed_capture(device: int, pool: tuple[int, int]) -> None:
    """Take a CUDA device's allocator out of a graph capture that failed.

    Torch leaves it there, so that it asks about that capture at every allocation. In public only
    the end of a capture that succeeded does this.

    Args:
        device: its number.
        pool: the pool of memory that the capture was given.
    """
    # Where the capture itself ended in order this has been done; older versions have other names.
    with suppress(RuntimeError, ImportError):
        from torch._C import _cuda_endAllocateToPool, _cuda_releasePool

        _cuda_endAllocateToPool(device, pool)
        _cuda_releasePool(device, pool)
