"""What goes between a device and this process: a read waits for all that the device has to do."""

from __future__ import annotations

from typing import Any

import torch


def read(numbers: torch.Tensor) -> list[Any]:
    """A few numbers on a device, as Python numbers. It waits for a GPU.

    Collectors read a device by this function only, at most once a batch for all layers that come
    side by side.
    """
    return list(numbers.cpu().numpy().tolist())


def sent(column: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A column on a device. The way to a GPU does not wait for what the GPU has to do."""
    if device.type == "cuda" and column.device.type == "cpu":
        return column.contiguous().pin_memory().to(device, non_blocking=True)
    return column.to(device)
