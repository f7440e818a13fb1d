"""A device that no machine has: its tensors compute on the CPU, and refuse tensors of the CPU.

So tests see, without a GPU, whether all that meets on a device is there. torch calls such a device
a backend in Python: it takes the place of PrivateUse1.
"""

from __future__ import annotations

import copy
from functools import cache, partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils import backend_registration
from torch.utils._pytree import tree_leaves, tree_map

aten = torch.ops.aten
NAME = "pretended"
COPIES = {aten._to_copy.default, aten.copy_.default}
INDEXED = {aten.index.Tensor, aten.index_put_.default, aten._index_put_impl_.default}
"""Operations that take a CPU's index of a GPU's tensor."""

NEW = (
    aten.arange.default, aten.arange.start, aten.arange.start_step, aten.empty.memory_format,
    aten.empty_strided.default, aten.randperm.default, aten.triu_indices.default,
)  # fmt: skip
"""Operations that make a tensor, from which torch makes all others."""
PRODUCTS = {torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__}


class OnDevice(torch.Tensor):
    """A tensor on the device; `held` is the same on the CPU."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> OnDevice:
        tensor: OnDevice = torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=torch.device(NAME, 0),
        )
        tensor.held = held
        return tensor

    def __repr__(self) -> str:  # type: ignore[override]
        return f"OnDevice({self.held!r})"

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # torch would change the shape of a product with a vector in place.
        if func in PRODUCTS and args[0].dim() == 1 < args[1].dim():
            return (args[0][None] @ args[1])[..., 0, :]
        if func in PRODUCTS and args[1].dim() == 1 < args[0].dim():
            return (args[0] @ args[1][:, None])[..., 0]
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run(func, *args, **(kwargs or {}))

    def untyped_storage(self) -> Any:
        return self.held.untyped_storage()

    def new_tensor(self, data: Any, **kwargs: Any) -> OnDevice:
        return OnDevice(self.held.new_tensor(data, **kwargs))

    def tolist(self) -> Any:
        return self.held.tolist()


def held(value: Any) -> Any:
    return value.held if isinstance(value, OnDevice) else value


def run(func: Any, *args: Any, **kwargs: Any) -> Any:
    """Run an operation on the CPU; its tensors must be of one device, as on a GPU."""
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
    ours = [x for x in tensors if isinstance(x, OnDevice)]
    # A GPU takes single numbers of the CPU.
    others = [x for x in tensors if not isinstance(x, OnDevice) and x.dim()]
    index = func in INDEXED and isinstance(args[0], OnDevice)
    if ours and others and func not in COPIES and not index:
        places = ", ".join(f"{tuple(x.shape)} on {x.device.type}" for x in tensors)
        raise RuntimeError(f"{func}: tensors must be on one device, got {places}.")
    device = kwargs.get("device")
    on_device = bool(ours) if device is None else torch.device(device).type == NAME
    given = dict(kwargs, device="cpu") if device is not None else kwargs
    result = func(*map(_held, args), **_held(given))
    changed = [
        kwargs.get(x.name, args[i] if i < len(args) else None)
        for i, x in enumerate(func._schema.arguments)
        if x.alias_info is not None and x.alias_info.is_write
    ]
    if changed:
        assert all(x.shape == held(x).shape for x in changed), (
            f"{func} changed the shape of a tensor"
        )
        return changed[0] if len(changed) == 1 else tuple(changed)
    return tree_map(_on_device, result) if on_device else result


def _held(value: Any) -> Any:
    return tree_map(held, value)


def _on_device(value: Any) -> Any:
    return OnDevice(value) if isinstance(value, torch.Tensor) else value


class Backend:
    """What torch asks of a backend."""

    def is_available(self) -> bool:
        return True

    is_initialized = is_available

    def _is_in_bad_fork(self) -> bool:
        return False

    def device_count(self) -> int:
        return 1

    def current_device(self) -> int:
        return 0

    def manual_seed_all(self, seed: int) -> None:
        pass

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


def _copy_from(source: torch.Tensor, to: torch.Tensor, _: bool = False) -> torch.Tensor:
    held(to).copy_(held(source))
    return to


@cache
def _registered() -> torch.library.Library:
    backend_registration._setup_privateuseone_for_python_backend(NAME, Backend())
    library = torch.library.Library("aten", "IMPL", "PrivateUse1")
    library.impl("_copy_from", _copy_from)
    for operation in NEW:
        library.impl(operation, partial(run, operation))
    return library


def pretended_device() -> torch.device:
    """The device. Skips the test where torch has no backends in Python."""
    if not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"):
        pytest.skip("this torch has no backends in Python")
    _registered()
    return torch.device(NAME, 0)


def on_device(model: nn.Module) -> nn.Module:
    """A copy of a model, with its weights on the device."""
    model = copy.deepcopy(model)
    moved: dict[int, torch.Tensor] = {}
    for module in model.modules():
        for table in (module._parameters, module._buffers):
            for name, weight in table.items():
                if weight is None:
                    continue
                if id(weight) not in moved:
                    tensor: torch.Tensor = OnDevice(weight.detach())
                    moved[id(weight)] = (
                        nn.Parameter(tensor, weight.requires_grad)
                        if isinstance(weight, nn.Parameter)
                        else tensor
                    )
                table[name] = moved[id(weight)]  # type: ignore[assignment]
    return model
