"""What all widgets' tests share."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch
from torch import nn


@pytest.fixture(autouse=True)
def _no_nulls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Explorers opened by the dozen draw no nulls: a quarter of a second each."""
    from neuronwidgets.widgets.split_explorer.limits import Limits
    from neuronwidgets.widgets.split_explorer.widget import SplitExplorer

    monkeypatch.setattr(SplitExplorer, "_limits", Limits(draws=0))


class Stepped(nn.Module):
    """Hands its inputs on, one batch of a background capture for each `allow()`."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.again = nn.Identity(), nn.Identity()
        self.allowed, self.fails = threading.Semaphore(0), False

    def allow(self, batches: int = 1) -> None:
        for _ in range(batches):
            self.allowed.release()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if threading.current_thread().name == "neuronwidgets-capture":
            assert self.allowed.acquire(timeout=30)
            if self.fails:
                raise RuntimeError("broken")
        return self.again(self.body(x))


@pytest.fixture
def model() -> Iterator[Stepped]:
    """A model whose background capture reads a batch for each `allow()`."""
    model = Stepped()
    yield model
    model.allow(1000)
