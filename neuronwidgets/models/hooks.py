"""The one hook that every reader and editor of a layer uses; it dies with its `with`."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from neuronwidgets.core.compat import forward_hooks
from neuronwidgets.core.compiled import hooks_seen, plain
from neuronwidgets.models.forward import call, described


class _Reached(BaseException):
    """Ends a forward pass as soon as the layer that is read has answered.

    No `Exception`, so that a model that catches those does not go on.
    """


_OURS: weakref.WeakKeyDictionary[Any, tuple[int, bool] | None] = weakref.WeakKeyDictionary()
"""Each hook of ours: the thread it is for, and whether it is for all threads; `None`: it changes
nothing."""
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


def acts_here(owner: int, every_thread: bool) -> bool:
    """Whether a hook that was made by the thread `owner` acts on this thread's passes."""
    if threading.get_ident() == owner:
        return True
    return every_thread and not getattr(_local, "undisturbed", False)


def bound(hook: Any, every_thread: bool = False) -> Any:
    """`hook`, known as one of ours, for this thread's passes or (unless `undisturbed`) for all."""
    _OURS[hook] = threading.get_ident(), every_thread
    return hook


def watching(hook: Any) -> Any:
    """`hook`, known as one of ours that changes nothing."""
    _OURS[hook] = None
    return hook


def foreign_hooks(part: nn.Module) -> bool:
    """Whether a module has hooks that may change this thread's passes."""
    for hook in forward_hooks(part):
        about = _OURS.get(hook, (threading.get_ident(), True))
        if about is not None and acts_here(*about):
            return True
    return False


@contextmanager
def ended_early() -> Iterator[None]:
    """A pass that is made inside may end before the model's own code does: those that wait for its
    end (`awaiting_end`) are told when the `with` ends."""
    before = len(_waiting())
    try:
        yield
    finally:
        for tell in _waiting()[before:][::-1]:
            tell()
        del _waiting()[before:]


def awaiting_end(tell: Callable[[], None]) -> Callable[[], None]:
    """Call `tell()` if this thread's pass is ended early. What this returns ends the waiting."""
    _waiting().append(tell)

    def came() -> None:
        if tell in _waiting():
            _waiting().remove(tell)

    return came


def _waiting() -> list[Callable[[], None]]:
    if not hasattr(_local, "waiting"):
        _local.waiting = []
    return _local.waiting


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
        return hook(output) if acts_here(owner, every_thread) else None

    handle = module.register_forward_hook(bound(edit, every_thread))
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

    def __call__(self, inputs: Any, take: Callable[[str, Any], None], go_on: bool = False) -> None:
        """Call `take(name, output)` as each layer answers: with answer number `call` of a layer
        that is called more than once. Whatever layers above do to it in place comes after.

        Args:
            inputs: a mapping (keywords), a tuple (positional) or a single argument.
            take: what it raises ends the pass and is raised here.
            go_on: end the pass with the part of the model that holds the layers (not with the
                model: a head over a vocabulary may be larger than all else), so that others see
                all calls of the layers. What is raised after the last answer is dropped.
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
                if not waiting and not go_on:
                    raise _Reached

            return answer

        def passed(_output: Any) -> None:
            if not waiting:
                raise _Reached

        with ExitStack() as hooks:
            for name, module in self._modules.items():
                hooks.enter_context(hooked(module, hook(name)))
            for part in self._holders() if go_on else ():
                hooks.enter_context(hooked(part, passed))
            try:
                with ended_early():
                    call(self._model, inputs)
            except _Reached:
                if failed:
                    raise failed[0] from None
                return
            except Exception as error:
                if not waiting:
                    return
                known = (AttributeError, IndexError, KeyError, RuntimeError, TypeError)
                if isinstance(error, torch.OutOfMemoryError) or not isinstance(error, known):
                    raise
                raise RuntimeError(
                    f"{type(self._model).__name__} could not run on this data "
                    f"({described(inputs)}): {error}"
                ) from error
        if not waiting:
            return
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

    def _holders(self) -> list[nn.Module]:
        """The model's own parts that hold a layer inside."""
        wanted = set(self._modules.values())
        return [
            part
            for part in plain(self._model).children()
            if part not in wanted and not wanted.isdisjoint(part.modules())
        ]
