"""Hooks die with their `with`, on every way out, and are this thread's alone."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets import capture
from neuronwidgets.models.hooks import TruncatedForward, evaluating, hooked


class Net(nn.Module):
    """Three layers; `last` fails when it is reached and `fail` is set."""

    def __init__(self, fail: BaseException | None = None) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.drop = nn.Dropout(0.5)
        self.last = nn.Linear(4, 2)
        self.fail = fail
        self.seen: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.drop(self.first(x))
        if self.fail is not None:
            raise self.fail
        return self.last(x)


def hooks(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


@pytest.fixture
def model() -> Net:
    made = Net()
    # A mixed state that `model.train()` could not bring back.
    made.train()
    made.last.eval()
    return made


def modes(model: nn.Module) -> list[bool]:
    return [module.training for module in model.modules()]


def good() -> Iterator[torch.Tensor]:
    yield from torch.zeros(2, 5, 3)


def broken() -> Iterator[torch.Tensor]:
    yield torch.zeros(5, 3)
    raise OSError("the disk is gone")


def interrupted() -> Iterator[torch.Tensor]:
    yield torch.zeros(5, 3)
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("data", "fail", "error"),
    [
        (good, None, None),
        (good, RuntimeError("no"), RuntimeError),
        (good, KeyboardInterrupt(), KeyboardInterrupt),
        (broken, None, nw.CaptureError),
        (interrupted, None, UserWarning),
    ],
)
def test_hooks_and_modes_are_as_before_on_every_way_out(
    model: Net,
    data: Callable[[], Iterator[torch.Tensor]],
    fail: BaseException | None,
    error: type[BaseException] | None,
) -> None:
    model.fail = fail
    before = modes(model)
    if error is None:
        capture(model, data(), "last", progress=False)
    else:
        with pytest.raises(error):
            capture(model, data(), "last", progress=False)
    assert modes(model) == before
    assert hooks(model) == 0
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_a_hook_that_fails_is_removed(model: Net) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("no")

    def use() -> None:
        with hooked(model.first, fail):
            model(torch.zeros(1, 3))

    with pytest.raises(RuntimeError, match="no"):
        use()
    assert hooks(model) == 0


def test_the_users_own_hooks_stay(model: Net) -> None:
    seen = []
    handle = model.first.register_forward_hook(lambda *_: seen.append(1))
    capture(model, torch.zeros(4, 3), "first", progress=False)
    assert seen == [1]
    assert hooks(model) == 1
    handle.remove()


def test_a_hook_replaces_the_output_or_leaves_it(model: Net) -> None:
    model.eval()
    x = torch.ones(2, 3)
    plain = model(x)
    with hooked(model.first, lambda output: None):
        torch.testing.assert_close(model(x), plain)
    with hooked(model.first, torch.zeros_like):
        torch.testing.assert_close(model(x), model.last.bias.expand(2, 2))
    torch.testing.assert_close(model(x), plain)


def test_evaluating_sets_and_restores_each_mode(model: Net) -> None:
    before = modes(model)
    with evaluating(model):
        assert not any(modes(model))
        assert not model(torch.zeros(1, 3)).requires_grad
    assert modes(model) == before
    assert model(torch.zeros(1, 3)).requires_grad


class Exported(nn.Module):
    """As `torch.export.export(...).module()`."""

    def eval(self) -> Any:
        raise NotImplementedError("Calling eval() is not supported yet.")


def test_a_model_of_torch_export_is_refused_in_words() -> None:
    model = Exported()
    for _ in range(2):
        with pytest.raises(TypeError, match=r"comes from torch\.export"), evaluating(model):
            pass
    assert model.training


def answer(model: nn.Module, name: str, inputs: Any) -> torch.Tensor:
    """What one layer gives."""
    found: list[torch.Tensor] = []
    TruncatedForward(model, {name: model.get_submodule(name)})(
        inputs, lambda _, output: found.append(output)
    )
    (output,) = found
    return output


def test_the_pass_stops_after_the_layer() -> None:
    model = Net(fail=AssertionError("reached")).eval()
    x = torch.randn(5, 3)

    def read(inputs: Any) -> torch.Tensor:
        return answer(model, "first", inputs)

    torch.testing.assert_close(read(x), model.first(x))
    torch.testing.assert_close(read((x,)), model.first(x))
    torch.testing.assert_close(read({"x": x}), model.first(x))


class Forgiving(nn.Module):
    """Catches every `Exception`, as some models do around a branch."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.reached = nn.Linear(3, 4), False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with contextlib.suppress(Exception):
            x = self.first(x)
        self.reached = True
        return x


def test_the_pass_stops_in_a_model_that_catches_exceptions() -> None:
    model, x = Forgiving(), torch.randn(2, 3)
    torch.testing.assert_close(answer(model, "first", x), model.first(x))
    assert not model.reached


def test_a_layer_that_is_not_called_is_named() -> None:
    model = Net()
    model.spare = nn.Linear(1, 1)
    with pytest.raises(ValueError, match="layer 'spare' was never called while Net ran"):
        answer(model, "spare", torch.zeros(1, 3))


class Twice(nn.Module):
    """Calls its first layer twice, and changes what it gave in place."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.relu, self.last = nn.Linear(3, 3), nn.ReLU(inplace=True), nn.Linear(3, 2)
        self.reached = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.last(self.relu(self.first(self.first(x))))
        self.reached = True
        return y


def test_several_layers_answer_in_one_pass_each_once() -> None:
    model, x = Twice(), torch.randn(4, 3)
    found: dict[str, torch.Tensor] = {}
    names = ("relu", "first")

    def take(name: str, output: torch.Tensor) -> None:
        assert name not in found
        found[name] = output.detach().clone()

    TruncatedForward(model, {name: model.get_submodule(name) for name in names})(x, take)
    assert not model.reached
    torch.testing.assert_close(found["first"], model.first(x))
    torch.testing.assert_close(found["relu"], model.first(model.first(x)).relu())
    assert hooks(model) == 0
    model.spare = nn.Linear(1, 1)
    with pytest.raises(ValueError, match="layer 'spare' was never called"):
        TruncatedForward(model, {"first": model.first, "spare": model.spare})(x, lambda *_: None)


def test_what_goes_wrong_with_an_answer_is_not_the_models() -> None:
    model = Forgiving()

    def take(_name: str, _output: torch.Tensor) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        TruncatedForward(model, {"first": model.first})(torch.randn(2, 3), take)
    assert not model.reached
    assert hooks(model) == 0


class Waiting(nn.Module):
    """Its first layer waits inside the forward pass until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 2)
        self.inside, self.go = threading.Event(), threading.Event()
        self.waits = threading.local()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if getattr(self.waits, "yes", False):
            self.inside.set()
            assert self.go.wait(20)
        return self.last(self.first(x))


def test_another_threads_pass_is_not_touched_while_a_reader_runs() -> None:
    model, x = Waiting(), torch.randn(2, 3)
    plain = model(x)
    found: list[torch.Tensor] = []

    def read() -> None:
        model.waits.yes = True
        found.append(answer(model, "first", x))

    thread = threading.Thread(target=read)
    thread.start()
    assert model.inside.wait(20)
    assert hooks(model) == 1
    # The whole pass, although the other thread's reader has its hook on `first`.
    torch.testing.assert_close(model(x), plain)
    model.go.set()
    thread.join(20)
    torch.testing.assert_close(found[0], model.first(x))
    assert hooks(model) == 0


class Caching(nn.Module):
    """Keeps a tensor of its first pass, as rotary embeddings do."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.cache = nn.Linear(3, 4), None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.cache is None:
            self.cache = torch.arange(3.0) + 1
        return self.first(x * self.cache)


def test_a_model_trains_after_it_was_read() -> None:
    model = Caching()
    acts = capture(model, np.ones((4, 3), np.float32), "first", progress=False)
    assert acts.shape == (4, 4)
    x = torch.ones(4, 3, requires_grad=True)
    model(x).sum().backward()
    assert x.grad is not None


def test_the_last_of_several_threads_restores_the_mode() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)).train()
    inside, leave = threading.Event(), threading.Event()

    def theirs() -> None:
        with evaluating(model):
            inside.set()
            leave.wait(30)

    thread = threading.Thread(target=theirs)
    thread.start()
    assert inside.wait(30)
    with evaluating(model):
        leave.set()
        thread.join(30)
        assert not model.training
        assert not model[1].training
    assert model.training
    assert model[1].training
