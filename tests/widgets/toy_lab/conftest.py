"""A ToyLab of two small runs.

The functions below are fixtures: tests are in several files and cannot import from here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.toy import Config
from neuronwidgets.widgets.protocol.buffers import unpack

SMALL = {"features": 20, "dims": 8, "neurons": 24, "batch": 32, "steps": 300, "cycle": 100}
WAIT = 60
"""Seconds."""


def _ask(lab: Any, **message: Any) -> None:
    """As a view does."""
    lab._on_view_message(lab, message, [])


def _strict(data: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """A message whose JSON is what browsers take: no NaN, no Infinity."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} in the message")

    json.loads(header["__metadata__"]["meta"], parse_constant=refuse)
    return unpack(data)


def _trained(lab: Any) -> Any:
    lab.run()
    assert lab.wait(WAIT)
    return lab


def _same(run: Any, other: Any) -> None:
    assert run.step == other.step
    for name in ("W1", "b", "W2"):
        np.testing.assert_array_equal(getattr(run, name)[-1], getattr(other, name)[-1])
    np.testing.assert_array_equal(run.log.loss, other.log.loss)


def _pictured(lab: Any) -> Any:
    """What a view makes of the picture: a model at rest is its last checkpoint."""
    tensors, meta = _strict(lab._picture)
    stills, _ = _strict(lab._checkpoints)
    for r, about in enumerate(meta["runs"]):
        for name in ("A", "neurons", "features", "bias", "share"):
            key = f"{name}{r}"
            assert (key in tensors) != about["kept"]
            tensors.setdefault(key, stills[key][-1])
    return tensors, meta


@pytest.fixture
def small() -> dict[str, Any]:
    """Settings of a small model."""
    return dict(SMALL)


@pytest.fixture
def lab() -> Any:
    made = nw.ToyLab([Config.zero_bias(**SMALL), Config.negative_bias(**SMALL)])
    yield made
    made.close()


@pytest.fixture
def ask() -> Callable[..., Any]:
    return _ask


@pytest.fixture
def strict() -> Callable[..., Any]:
    return _strict


@pytest.fixture
def trained() -> Callable[..., Any]:
    return _trained


@pytest.fixture
def same() -> Callable[..., Any]:
    return _same


@pytest.fixture
def pictured() -> Callable[..., Any]:
    return _pictured
