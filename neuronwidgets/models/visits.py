"""Counts the forward passes that could call a layer."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn

from neuronwidgets.models.hooks import acts_here, awaiting_end, watching


class Visits:
    """Counts the forward passes of modules that contain a layer.

    A pass begins and ends with the outermost such module that is called: the model, or a part of
    it that the user calls alone. Passes of several threads may overlap.
    """

    def __init__(
        self,
        begin: Callable[[Any, Any], None] = lambda args, kwargs: None,
        end: Callable[[], None] = lambda: None,
    ) -> None:
        """Call `begin(args, kwargs)` as a pass begins and `end()` as it ends, even if it raises."""
        self.passes = 0
        self._begin, self._end = begin, end
        self._depth: Counter[int] = Counter()
        self._cancel: dict[int, Callable[[], None]] = {}

    @contextmanager
    def counted(self, model: nn.Module, module: nn.Module, every_thread: bool) -> Iterator[None]:
        """Count passes of `model` around `module` by this thread, or by every thread."""
        owner = threading.get_ident()
        parts = around(model, module)

        def enter(part: nn.Module, args: Any, kwargs: Any) -> None:
            if acts_here(owner, every_thread):
                if part is parts[0]:
                    # An interrupted pass did not end.
                    self._over()
                thread = threading.get_ident()
                self._depth[thread] += 1
                if self._depth[thread] == 1:
                    self.passes += 1
                    self._cancel[thread] = awaiting_end(self._over)
                    self._begin(args, kwargs)

        def leave(_module: nn.Module, _args: Any, _output: Any) -> None:
            thread = threading.get_ident()
            if self._depth[thread] == 1:
                self._over()
            elif self._depth[thread]:
                self._depth[thread] -= 1

        with ExitStack() as stack:
            stack.callback(self._over)
            for part in parts:
                entry = part.register_forward_pre_hook(watching(enter), with_kwargs=True)
                stack.callback(entry.remove)
                exit_ = part.register_forward_hook(watching(leave), always_call=True)
                stack.callback(exit_.remove)
            yield

    def _over(self) -> None:
        """End this thread's pass, if there is one."""
        thread = threading.get_ident()
        if self._depth.pop(thread, 0):
            self._cancel.pop(thread)()
            self._end()


def around(model: nn.Module, module: nn.Module) -> list[nn.Module]:
    """The modules that contain `module`, the model first."""
    return [
        part
        for part in model.modules()
        if part is not module and any(inner is module for inner in part.modules())
    ]
