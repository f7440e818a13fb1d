"""The one hook that every reader and editor of a layer uses; it dies with its `with`."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from neuronwidgets.models.compiled import hooks_seen
from neuronwidgets.models.run import call, described


class _Reached(BaseException):
    """Ends a forward pass as soon as the layer that is read has answered.

    No `Exception`, so that a model that catches those does not go on.
    """


_OURS: weakref.WeakKeyDictionary[Any, tuple[int, bool]] = weakref.WeakKeyDictionary()
"""Each hook of ours: the thread it is for, and whether it is for all threads."""
_local = threading.local()
_modes: weakref.WeakKeyDictionary[nn.Module, tuple[int, list[nn.Module]]]
_modes = weakref.WeakKeyDictionary()
_lock = threading.Lock()


@contextmanager
def undisturbed() -> Iterator[None]:
    """This thread's passes are not touched by edits that others make for all threads.

    So that a widget measures the model itself while a cell has a mask on it.
    """
    before, _local.undisturbed = getattr(_local, "undisturbed", False), True
    try:
        yield
    finally:
        _local.undisturbed = before


def _mine(owner: int, every_thread: bool) -> bool:
    """Whether a hook of ours acts on this thread's passes."""
    if threading.get_ident() == owner:
        return True
    return every_thread and not getattr(_local, "undisturbed", False)


def bound(hook: Any) -> Any:
    """`hook`, known as one of ours that acts on this thread's passes only."""
    _OURS[hook] = threading.get_ident(), False
    return hook


def foreign_hooks(part: nn.Module) -> bool:
    """Whether a module has hooks that act on this thread's passes."""
    found = (*part._forward_hooks.values(), *part._forward_pre_hooks.values())
    return any(_mine(*_OURS[hook]) if hook in _OURS else True for hook in found)


@contextmanager
def hooked(
    module: nn.Module, hook: Callable[[Any], Any], every_thread: bool = False
) -> Iterator[None]:
    """Call `hook(output)` at every forward of `module` made by this thread.

    What the hook returns replaces the output; `None` leaves it. Other threads' passes through
    the same module are not touched, so that a widget's job and a user's cell can share a model;
    with `every_thread` they are (unless `undisturbed`), as when a model generates on a thread of
    its own.
    """
    owner = threading.get_ident()

    def edit(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        return hook(output) if _mine(owner, every_thread) else None

    _OURS[edit] = owner, every_thread
    handle = module.register_forward_hook(edit)
    try:
        with hooks_seen():
            yield
    finally:
        handle.remove()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """`model.eval()` without gradients; each module's own mode is restored on every way out, when
    the last thread that needs the model so has left.

    Not `torch.inference_mode`, and not in the notebook's own either: a tensor that the model keeps
    from such a pass (a cache of rotary positions, say) could never be trained through again.
    """
    with _lock:
        users, training = _modes.get(model, (0, []))
        training = training + [module for module in model.modules() if module.training]
        _modes[model] = users + 1, training
        if any(module.training for module in model.modules()):
            model.eval()
    try:
        with torch.inference_mode(False), torch.no_grad():
            yield
    finally:
        with _lock:
            users, training = _modes[model]
            if users > 1:
                _modes[model] = users - 1, training
            else:
                del _modes[model]
                for module in training:
                    module.training = True


class Reader:
    """Runs a model up to the last of some layers and no further."""

    def __init__(self, model: nn.Module, modules: Mapping[str, nn.Module], call: int = 0) -> None:
        self._model, self._modules, self._call = model, dict(modules), call

    def __call__(self, inputs: Any, take: Callable[[str, Any], None]) -> None:
        """Call `take(name, output)` as each layer answers: with answer number `call` of a layer
        that is called more than once. Whatever layers above do to it in place comes after.

        Args:
            inputs: a mapping (keywords), a tuple (positional) or a single argument.
            take: what it raises ends the pass and is raised here.
        """
        waiting = set(self._modules)
        calls = dict.fromkeys(self._modules, 0)
        failed: list[BaseException] = []

        def hook(name: str) -> Callable[[Any], None]:
            def answer(output: Any) -> None:
                calls[name] += 1
                if name not in waiting or calls[name] <= self._call:
                    return
                waiting.remove(name)
                try:
                    take(name, output)
                except BaseException as error:
                    # Not through the model, which may catch it.
                    failed.append(error)
                    raise _Reached from None
                if not waiting:
                    raise _Reached

            return answer

        with ExitStack() as hooks:
            for name, module in self._modules.items():
                hooks.enter_context(hooked(module, hook(name)))
            try:
                call(self._model, inputs)
            except _Reached:
                if failed:
                    raise failed[0] from None
                return
            except torch.OutOfMemoryError:
                raise
            except (AttributeError, IndexError, KeyError, RuntimeError, TypeError) as error:
                raise RuntimeError(
                    f"{type(self._model).__name__} could not run on this data "
                    f"({described(inputs)}): {error}"
                ) from error
        name = next(name for name in self._modules if name in waiting)
        if calls[name]:
            times = "once" if calls[name] == 1 else f"{calls[name]} times"
            raise ValueError(
                f"layer {name!r} was called {times} while {type(self._model).__name__} ran on this "
                f"data: there is no call={self._call} (they count from 0)."
            )
        raise ValueError(
            f"layer {name!r} was never called while {type(self._model).__name__} ran on this "
            "data: choose a layer that the forward pass uses."
        )
