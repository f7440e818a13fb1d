"""Run a model once, then again from one layer on: everything below the layer is reused.

No model is taken apart. While the model runs for the first time, the outputs of the outermost
modules that finish before the layer does are kept; when it runs again, those modules hand out what
they gave, the layer hands out an edited output, and the rest computes as ever. What a model does
between its modules (embedding sums, attention masks) is done again; it is cheap. Passes that other
threads make meanwhile are ordinary ones.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import nn

from neuronwidgets.core.compat import in_place_changes
from neuronwidgets.models.hooks import bound, foreign_hooks

# Two replays at once would undo each other's stubs.
_ONE = threading.RLock()


class Resume:
    """One input's forward pass, which can be resumed at a layer any number of times.

    Use: `resume = Resume(model, module)`; `base = resume.record(run)`, where `run()` calls the
    model; then `resume.replay(run, edit)`, where `edit(output)` returns the layer's new output.
    Both under `torch.no_grad()`, in eval mode.
    """

    def __init__(self, model: nn.Module, module: nn.Module, copying: bool = False) -> None:
        self._model, self._module = model, module
        self._kept: dict[nn.Module, list[Any]] = {}
        self._ancestors = {
            m for m in model.modules() if any(part is module for part in m.modules())
        }
        self.copying = copying
        """Whether the model works in place on what is kept, so that replays need copies."""

    @staticmethod
    def obstacle(model: nn.Module, module: nn.Module) -> str | None:
        """Why this model cannot be resumed at this layer, in words; `None` if nothing speaks
        against it. Whether it works is seen when it is tried: compare a replay without edit."""
        for name, part in model.named_modules():
            if foreign_hooks(part):
                return f"{name or 'the model'} has hooks of its own, which would act twice"
        if module is model:
            return "the layer is the whole model"
        return None

    def record(self, run: Callable[[], Any]) -> Any:
        """Run the model and keep what the modules before the layer give."""
        kept: dict[nn.Module, list[Any]] = {}
        running: list[nn.Module] = []
        reached = False
        owner = threading.get_ident()
        above = self._ancestors - {self._module}

        def enter(module: nn.Module, _inputs: Any) -> None:
            if not reached and threading.get_ident() == owner:
                running.append(module)

        def leave(module: nn.Module, _inputs: Any, output: Any) -> None:
            nonlocal reached
            if reached or threading.get_ident() != owner:
                return
            running.pop()
            reached = module is self._module
            # The outermost ones: all that still runs has the layer inside.
            if module is self._module or (
                module not in self._ancestors and above.issuperset(running)
            ):
                kept.setdefault(module, []).append(_copied(output))

        handles = []
        try:
            for module in self._model.modules():
                handles.append(module.register_forward_pre_hook(bound(enter)))
                handles.append(module.register_forward_hook(bound(leave)))
            result = run()
        finally:
            for handle in handles:
                handle.remove()
        if not reached:
            raise ValueError("the layer was never called in the forward pass of this input.")
        self._kept = kept
        return result

    def replay(self, run: Callable[[], Any], edit: Callable[[Any], Any]) -> Any:
        """Run the model again with `edit(output)` for the layer's output, at each of its calls;
        where that is `None`, the output stays.

        The output is a copy of what the layer gave; the edit may work in place.
        """
        before = self._versions()
        with _ONE, self._stubbed(edit):
            result = run()
        if self._versions() != before:
            self.copying = True
            self.record(run)
        return result

    def _versions(self) -> list[int]:
        """What autograd counts of each kept tensor: how often it was changed in place."""
        kept = (t for outputs in self._kept.values() for o in outputs for t in _tensors(o))
        return [in_place_changes(t) for t in kept]

    @property
    def size(self) -> int:
        """Bytes of what is kept."""
        kept = (t for outputs in self._kept.values() for o in outputs for t in _tensors(o))
        return sum(t.element_size() * t.nelement() for t in kept)

    @contextmanager
    def _stubbed(self, edit: Callable[[Any], Any]) -> Iterator[None]:
        passed = False
        owner = threading.get_ident()

        def edited(output: Any) -> Any:
            made = edit(output)
            return output if made is None else made

        def stub(module: nn.Module, outputs: list[Any]) -> None:
            forward = module.forward
            waiting = iter(outputs)

            def give(*args: Any, **kwargs: Any) -> Any:
                nonlocal passed
                if threading.get_ident() != owner:
                    return forward(*args, **kwargs)
                if not passed:
                    with suppress(StopIteration):
                        output = next(waiting)
                        if module is self._module:
                            passed = True
                            return edited(_copied(output))
                        return _copied(output) if self.copying else output
                output = forward(*args, **kwargs)
                return edited(output) if module is self._module else output

            object.__setattr__(module, "forward", give)

        own = {m: m.__dict__["forward"] for m in self._kept if "forward" in m.__dict__}
        try:
            for module, outputs in self._kept.items():
                stub(module, outputs)
            yield
        finally:
            for module in self._kept:
                if module in own:
                    object.__setattr__(module, "forward", own[module])
                else:
                    module.__dict__.pop("forward", None)


def _copied(output: Any) -> Any:
    """Tensors copied: what comes after a module may work in place on what it gave."""
    if isinstance(output, torch.Tensor):
        return output.clone()
    if isinstance(output, tuple):
        parts = [_copied(part) for part in output]
        if hasattr(output, "n_sequence_fields"):  # what torch.max and its kin return
            return type(output)(parts)
        return type(output)(*parts) if hasattr(output, "_fields") else tuple(parts)
    if isinstance(output, list):
        return [_copied(part) for part in output]
    if type(output) is dict:
        return {key: _copied(value) for key, value in output.items()}
    if isinstance(output, Mapping):  # a ModelOutput
        return type(output)(**{key: _copied(value) for key, value in output.items()})
    return output


def _tensors(output: Any) -> list[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        return [output]
    parts = output.values() if isinstance(output, Mapping) else output
    if not isinstance(output, Mapping | tuple | list):
        return []
    return [tensor for part in parts for tensor in _tensors(part)]
