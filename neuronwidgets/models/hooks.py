"""Forward hooks as context managers, used by all code that reads or edits a layer."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from neuronwidgets.core.compat import forward_hooks
from neuronwidgets.core.compiled import hooks_seen, plain
from neuronwidgets.core.layer_place import At
from neuronwidgets.models.forward import call, described


class _Reached(BaseException):
    """Ends a forward pass when the last layer to read has been called.

    It is no `Exception`, since a model that catches exceptions would go on.
    """


_OUR_HOOKS: weakref.WeakKeyDictionary[Any, tuple[int, bool] | None] = weakref.WeakKeyDictionary()
"""This package's hooks: `(thread, acts on every thread)`; `None` for hooks that change nothing."""
_local = threading.local()
_modes: weakref.WeakKeyDictionary[nn.Module, tuple[int, list[nn.Module]]]
_modes = weakref.WeakKeyDictionary()
"""Models in `evaluating`: the number of threads, and the modules to set back to training."""
_lock = threading.Lock()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Protect this thread's passes from edits that other threads made for all threads.

    So a widget can measure the unedited model while a cell holds a mask on it.
    """
    before, _local.undisturbed = getattr(_local, "undisturbed", False), True
    try:
        yield
    finally:
        _local.undisturbed = before


def acts_here(owner: int, every_thread: bool) -> bool:
    """Whether a hook made by the thread `owner` acts on this thread's passes."""
    if threading.get_ident() == owner:
        return True
    return every_thread and not getattr(_local, "undisturbed", False)


def bound(hook: Any, every_thread: bool = False) -> Any:
    """Register `hook` as this package's, for this thread's passes or for every thread's.

    Threads in `undisturbed` are left out.
    """
    _OUR_HOOKS[hook] = threading.get_ident(), every_thread
    return hook


def watching(hook: Any) -> Any:
    """Register `hook` as this package's and as one that changes nothing."""
    _OUR_HOOKS[hook] = None
    return hook


def foreign_hooks(part: nn.Module) -> bool:
    """Whether a module has hooks that may change this thread's passes."""
    for hook in forward_hooks(part):
        scope = _OUR_HOOKS.get(hook, (threading.get_ident(), True))
        if scope is not None and acts_here(*scope):
            return True
    return False


@contextmanager
def ended_early() -> Iterator[None]:
    """Allow a pass inside to be cut short: `awaiting_end` callbacks run when the `with` ends."""
    before = len(_waiting())
    try:
        yield
    finally:
        for callback in _waiting()[before:][::-1]:
            callback()
        del _waiting()[before:]


def awaiting_end(callback: Callable[[], None]) -> Callable[[], None]:
    """Call `callback()` if this thread's pass is cut short. Returns a function that cancels it."""
    _waiting().append(callback)

    def cancel() -> None:
        if callback in _waiting():
            _waiting().remove(callback)

    return cancel


def _waiting() -> list[Callable[[], None]]:
    """This thread's callbacks."""
    if not hasattr(_local, "waiting"):
        _local.waiting = []
    return _local.waiting


def register(
    module: nn.Module, hook: Callable[..., Any], at: At, mark: Callable[[Any], Any]
) -> RemovableHandle:
    """Call `hook(module, args, output)` after each forward of `module`.

    At the input, call `hook(module, args, tensor)` before it: the layer's first tensor argument,
    by position or keyword, or `None` without one. The hook's result replaces the output or that
    argument; `None` keeps it. `mark` is `bound` or `watching`.
    """
    if at == "output":
        return module.register_forward_hook(mark(hook))

    def before(part: nn.Module, args: Any, kwargs: Any) -> Any:
        edited = hook(part, args, first_tensor(args, kwargs))
        return None if edited is None else with_first_tensor(args, kwargs, edited)

    return module.register_forward_pre_hook(mark(before), with_kwargs=True)


def first_tensor(args: Sequence[Any], kwargs: Mapping[str, Any]) -> torch.Tensor | None:
    """The first argument that is a tensor: of those by position, then of those by keyword."""
    given = (*args, *kwargs.values())
    return next((value for value in given if isinstance(value, torch.Tensor)), None)


def with_first_tensor(
    args: Sequence[Any], kwargs: Mapping[str, Any], tensor: torch.Tensor
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments with `tensor` in place of `first_tensor`."""
    for i, value in enumerate(args):
        if isinstance(value, torch.Tensor):
            return (*args[:i], tensor, *args[i + 1 :]), dict(kwargs)
    name = next(name for name, value in kwargs.items() if isinstance(value, torch.Tensor))
    return tuple(args), {**kwargs, name: tensor}


@contextmanager
def hooked(
    module: nn.Module, hook: Callable[[Any], Any], every_thread: bool = False, at: At = "output"
) -> Iterator[None]:
    """Call `hook(output)` after each forward of `module` on this thread.

    At the input, call `hook(tensor)` before it, with the layer's first tensor argument, or `None`
    if it has none. The hook's result replaces the output or that argument; `None` keeps it. Other
    threads are unaffected, so that a widget's job and a user's cell can share a model. With
    `every_thread` the hook acts on all threads but those in `undisturbed`, as for a model that
    generates on its own thread.
    """
    owner = threading.get_ident()

    def edit(_module: nn.Module, _inputs: Any, value: Any) -> Any:
        return hook(value) if acts_here(owner, every_thread) else None

    handle = register(module, edit, at, partial(bound, every_thread=every_thread))
    try:
        with hooks_seen():
            yield
    finally:
        handle.remove()


def at_call(hook: Callable[[Any], Any], call: int) -> Callable[[Any], Any]:
    """The hook at one of the layer's calls in a pass."""
    calls = -1

    def counted(output: Any) -> Any:
        nonlocal calls
        calls += 1
        return hook(output) if calls == call else None

    return counted


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Run with `model.eval()` and without gradients. The last thread to leave restores each
    module's mode.

    `torch.inference_mode` is off inside, even if the notebook has set it: tensors that the model
    caches there (rotary positions, say) could never be trained through again.

    Raises:
        TypeError: a model of `torch.export`, which has no such mode.
    """
    with _lock:
        users, training = _modes.get(model, (0, []))
        training = training + [module for module in model.modules() if module.training]
        if any(module.training for module in model.modules()):
            try:
                model.eval()
            except NotImplementedError:
                raise TypeError(
                    "model comes from torch.export, which leaves no layers to read: pass the "
                    "module that it was exported from, or torch.export.unflatten(program)."
                ) from None
        _modes[model] = users + 1, training
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


class TruncatedForward:
    """Runs a model up to the last of the given layers.

    Args:
        model: the model.
        modules: the layers, by name.
        call: for a layer that a pass calls more than once: the number of the call to read, from 0.
        at: whether to read the layers' outputs or their inputs; at the input, a layer does not run.
    """

    def __init__(
        self,
        model: nn.Module,
        modules: Mapping[str, nn.Module],
        call: int = 0,
        at: At = "output",
    ) -> None:
        self._model, self._modules, self._call, self._at = model, dict(modules), call, at

    def __call__(self, inputs: Any, take: Callable[[str, Any], None], go_on: bool = False) -> None:
        """Call `take(name, output)` at each layer's output, before later layers can change it; at
        the input, `take(name, tensor)` with its first tensor argument.

        Args:
            inputs: a mapping (keywords), a tuple (positional) or a single argument.
            take: its exceptions end the pass and are raised here.
            go_on: end the pass after the model's child that holds the layers, so that other hooks
                see all calls of the layers. The model's head, which may be its largest part, is
                still left out. Errors after the last output are dropped.

        Raises:
            ValueError: a layer was not called, or not often enough.
            RuntimeError: the model could not run on the inputs.
        """
        waiting = set(self._modules)
        calls = dict.fromkeys(self._modules, 0)
        failed: list[BaseException] = []

        def hook(name: str) -> Callable[[Any], None]:
            def read(output: Any) -> None:
                calls[name] += 1
                if name not in waiting or calls[name] <= self._call:
                    return
                waiting.remove(name)
                try:
                    take(name, output)
                except BaseException as error:
                    # The model may catch exceptions: raise this one outside it.
                    failed.append(error)
                    raise _Reached from None
                if not waiting and not go_on:
                    raise _Reached

            return read

        def after_holder(_output: Any) -> None:
            if not waiting:
                raise _Reached

        with ExitStack() as hooks:
            for name, module in self._modules.items():
                hooks.enter_context(hooked(module, hook(name), at=self._at))
            for part in self._holders() if go_on else ():
                hooks.enter_context(hooked(part, after_holder))
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
                known = (
                    AssertionError, AttributeError, IndexError, KeyError, RuntimeError, TypeError,
                )  # fmt: skip
                if isinstance(error, torch.OutOfMemoryError) or not isinstance(error, known):
                    raise
                raise RuntimeError(
                    f"{type(self._model).__name__} could not run on this data "
                    f"({described(inputs)}): {str(error) or type(error).__name__}"
                ) from error
        if not waiting:
            return
        name = next(name for name in self._modules if name in waiting)
        if calls[name]:
            times = "once" if calls[name] == 1 else f"{calls[name]} times"
            raise ValueError(
                f"call must be less than {calls[name]}, got {self._call} (counted from 0): layer "
                f"{name!r} was called {times} while {type(self._model).__name__} ran on this data."
            )
        raise ValueError(
            f"layer {name!r} was never called while {type(self._model).__name__} ran on this "
            "data: choose a layer that the forward pass uses."
        )

    def _holders(self) -> list[nn.Module]:
        """The model's children that contain a layer."""
        read_modules = set(self._modules.values())
        return [
            part
            for part in plain(self._model).children()
            if part not in read_modules and not read_modules.isdisjoint(part.modules())
        ]
