"""Runs a model once, then again from one layer on, with everything below the layer reused.

The first pass keeps the outputs of the outermost modules that finish before the layer. In later
passes those modules return what was kept, the layer returns an edited output (or gets an edited
input), and all other modules compute as usual. What a model computes between its modules
(embedding sums, attention masks) is computed again, which is cheap. Passes of other threads are
unaffected.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import nn

from neuronwidgets.core.compat import in_place_changes
from neuronwidgets.core.compiled import hooks_seen
from neuronwidgets.core.layer_place import At
from neuronwidgets.models.hooks import bound, first_tensor, foreign_hooks, with_first_tensor

# Concurrent replays would undo each other's stubs.
_REPLAYING = threading.RLock()


class Resume:
    """One input's forward pass, which can be resumed at a layer any number of times.

    `resume = Resume(model, module)`, then `base = resume.record(run)`, where `run()` calls the
    model, then `resume.replay(run, edit)`, where `edit(output)` returns the layer's new output; at
    the input, `edit(tensor)` its new first tensor argument. Both under `torch.no_grad()`, in eval
    mode.
    """

    def __init__(
        self, model: nn.Module, module: nn.Module, copying: bool = False, at: At = "output"
    ) -> None:
        self._model, self._module, self._at = model, module, at
        self._kept: dict[nn.Module, list[Any]] = {}
        self._ancestors = {
            m for m in model.modules() if any(part is module for part in m.modules())
        }
        self.copying = copying
        """Whether the model changes kept outputs in place, so that replays need copies."""

    @staticmethod
    def obstacle(model: nn.Module, module: nn.Module) -> str | None:
        """Why this model cannot be resumed at this layer, for messages; `None` if no reason is
        known. Compare a replay without an edit to be sure."""
        for name, part in model.named_modules():
            if foreign_hooks(part):
                return f"{name or 'the model'} has hooks of its own, which would act twice"
        if module is model:
            return "the layer is the whole model"
        return None

    def record(self, run: Callable[[], Any]) -> Any:
        """Run the model and keep the outputs of the modules before the layer.

        Raises:
            ValueError: the pass does not call the layer.
        """
        kept: dict[nn.Module, list[Any]] = {}
        running: list[nn.Module] = []
        reached = False
        owner = threading.get_ident()
        above = self._ancestors - {self._module}

        def enter(module: nn.Module, _inputs: Any) -> None:
            nonlocal reached
            if not reached and threading.get_ident() == owner:
                running.append(module)
                reached = module is self._module and self._at == "input"

        def leave(module: nn.Module, _inputs: Any, output: Any) -> None:
            nonlocal reached
            if reached or threading.get_ident() != owner:
                return
            running.pop()
            reached = module is self._module
            # Keep the outermost modules: all that still run contain the layer.
            if module is self._module or (
                module not in self._ancestors and above.issuperset(running)
            ):
                kept.setdefault(module, []).append(_copied(output))

        handles = []
        try:
            for module in self._model.modules():
                handles.append(module.register_forward_pre_hook(bound(enter)))
                handles.append(module.register_forward_hook(bound(leave)))
            with hooks_seen():
                result = run()
        finally:
            for handle in handles:
                handle.remove()
        if not reached:
            raise ValueError("the layer was never called in the forward pass of this input.")
        self._kept = kept
        return result

    def replay(self, run: Callable[[], Any], edit: Callable[[Any], Any]) -> Any:
        """Run the model again with `edit(output)` as the layer's output, at each of its calls.

        `None` keeps the output. `edit` gets a copy, which it may change in place. At the input,
        `edit(tensor)` replaces the first tensor argument.
        """
        before = self._versions()
        with _REPLAYING, hooks_seen(), self._stubbed(edit):
            result = run()
        if self._versions() != before:
            self.copying = True
            self.record(run)
        return result

    def _versions(self) -> list[int]:
        """How often each kept tensor was changed in place, by autograd's counters."""
        kept = (t for outputs in self._kept.values() for o in outputs for t in _tensors(o))
        return [in_place_changes(t) for t in kept]

    @property
    def size(self) -> int:
        """Bytes of the kept outputs."""
        kept = (t for outputs in self._kept.values() for o in outputs for t in _tensors(o))
        return sum(t.element_size() * t.nelement() for t in kept)

    @contextmanager
    def _stubbed(self, edit: Callable[[Any], Any]) -> Iterator[None]:
        """Let the kept modules return their kept outputs, until the layer was called."""
        reached = False
        owner = threading.get_ident()

        def edited(output: Any) -> Any:
            replacement = edit(output)
            return output if replacement is None else replacement

        def at_input(args: Any, kwargs: Any) -> tuple[Any, Any]:
            replacement = edit(_copied(first_tensor(args, kwargs)))
            if replacement is None:
                return args, kwargs
            return with_first_tensor(args, kwargs, replacement)

        def stub(module: nn.Module, outputs: list[Any]) -> None:
            forward = module.forward
            remaining = iter(outputs)

            def replayed(*args: Any, **kwargs: Any) -> Any:
                nonlocal reached
                if threading.get_ident() != owner:
                    return forward(*args, **kwargs)
                if module is self._module and self._at == "input":
                    reached = True
                    args, kwargs = at_input(args, kwargs)
                    return forward(*args, **kwargs)
                if not reached:
                    with suppress(StopIteration):
                        output = next(remaining)
                        if module is self._module:
                            reached = True
                            return edited(_copied(output))
                        return _copied(output) if self.copying else output
                output = forward(*args, **kwargs)
                return edited(output) if module is self._module else output

            object.__setattr__(module, "forward", replayed)

        stubs = {**self._kept, self._module: self._kept.get(self._module, [])}
        own_forwards = {m: m.__dict__["forward"] for m in stubs if "forward" in m.__dict__}
        try:
            for module, outputs in stubs.items():
                stub(module, outputs)
            yield
        finally:
            for module in stubs:
                if module in own_forwards:
                    object.__setattr__(module, "forward", own_forwards[module])
                else:
                    module.__dict__.pop("forward", None)


def _copied(output: Any) -> Any:
    """`output` with its tensors copied, since later modules may change them in place."""
    if isinstance(output, torch.Tensor):
        return output.clone()
    if isinstance(output, tuple):
        parts = [_copied(part) for part in output]
        if hasattr(output, "n_sequence_fields"):  # as torch.max returns
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
