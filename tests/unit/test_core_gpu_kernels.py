"""Whether kernels in Triton run on a device."""

import importlib
import os
import sys
import types

import pytest
import torch

from neuronwidgets import core
from neuronwidgets.core import gpu_kernels

CUDA = torch.device("cuda", 0)


@pytest.fixture(autouse=True)
def nothing_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_kernels, "_FOUND", {})


def trial(monkeypatch: pytest.MonkeyPatch, error: Exception | None) -> list[torch.device]:
    """Puts a trial in place of the kernel, which needs Triton and a GPU. Returns its calls."""
    calls = []

    def run(device: torch.device) -> None:
        calls.append(device)
        if error is not None:
            raise error

    kernel = types.SimpleNamespace(run=run)
    monkeypatch.setattr(gpu_kernels, "find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, f"{core.__name__}.trial_kernel", kernel)
    monkeypatch.setattr(core, "trial_kernel", kernel, raising=False)
    return calls


def test_it_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = trial(monkeypatch, None)
    assert gpu_kernels.compile_on(CUDA)
    assert gpu_kernels.compile_on(CUDA)
    assert calls == [CUDA]


def test_without_a_compiler_pytorch_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    trial(monkeypatch, RuntimeError("Failed to find C compiler"))
    with pytest.warns(RuntimeWarning, match="for cuda:0: Failed to find C compiler"):
        assert not gpu_kernels.compile_on(CUDA)
    # It is said once.
    assert not gpu_kernels.compile_on(CUDA)


def test_nothing_is_tried_without_triton_or_on_another_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = trial(monkeypatch, None)
    assert not gpu_kernels.compile_on(torch.device("cpu"))
    assert not gpu_kernels.compile_on(torch.device("mps"))
    monkeypatch.setattr(gpu_kernels, "find_spec", lambda name: None)
    assert not gpu_kernels.compile_on(CUDA)
    assert calls == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="interpreted")
def test_the_trial_kernel_compiles_on_a_gpu() -> None:
    pytest.importorskip("triton")
    importlib.import_module("neuronwidgets.core.trial_kernel").run(CUDA)
