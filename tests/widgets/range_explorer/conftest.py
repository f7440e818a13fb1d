"""A trained classifier of three labels, held-out data, and a RangeExplorer of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw

CLASSES = ["hat", "boot", "bag"]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.below = nn.Linear(6, 10)
        self.above = nn.Linear(10, 3)
        self.gate = threading.Event()
        self.gate.set()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.gate.wait(30)
        return self.above(self.below(x))


@pytest.fixture(scope="module")
def case() -> dict[str, Any]:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 700)
    x = (rng.normal(size=(3, 6))[y] * 2 + rng.normal(size=(700, 6))).astype("f4")
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(80):
        optimizer.zero_grad()
        logits = model(torch.from_numpy(x[:300]))
        torch.autograd.backward(nn.functional.cross_entropy(logits, torch.tensor(y[:300])))
        optimizer.step()
    names = np.array(CLASSES)[y]
    acts = nw.capture(model, x[:300], "below", labels=names[:300], progress=False)
    held_out = {"data": x[300:], "labels": names[300:], "classes": CLASSES}
    return {"model": model, "acts": acts, **held_out}


@pytest.fixture
def explorer(case: dict[str, Any]) -> Iterator[Any]:
    made = nw.RangeExplorer(case["acts"], 3, "boot", model=case["model"], data=case["data"],
                            labels=case["labels"], classes=CLASSES, batch_size=100)  # fmt: skip
    assert made.wait(30)
    yield made
    made.close()
