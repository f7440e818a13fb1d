"""Forward passes of a model, as seen from one of its layers."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn

from neuronwidgets.models.hooks import acts_here, awaiting_end, watching


class Visits:
    """Counts the forward passes that a layer could have taken part in.

    A pass begins with the outermost module around the layer that is called (the model itself, or a
    part of it that the user calls alone) and ends with it. Passes of several threads may overlap.
    """

    def __init__(
        self,
        begin: Callable[[Any, Any], None] = lambda args, kwargs: None,
        end: Callable[[], None] = lambda: None,
    ) -> None:
        """`begin(args, kwargs)` is called as a pass begins and `end()` as it ends, also if it
        raises."""
        self.passes = 0
        self._begin, self._end = begin, end
        self._depth: Counter[int] = Counter()
        self._came: dict[int, Callable[[], None]] = {}

    @contextmanager
    def counted(self, model: nn.Module, module: nn.Module, every_thread: bool) -> Iterator[None]:
        """Count passes of `model` around `module` by this thread (or by all)."""
        owner = threading.get_ident()

        parts = around(model, module)

        def enter(part: nn.Module, args: Any, kwargs: Any) -> None:
            if acts_here(owner, every_thread):
                if part is parts[0]:
                    # A pass that was interrupted has not said that it is over.
                    self._over()
                here = threading.get_ident()
                self._depth[here] += 1
                if self._depth[here] == 1:
                    self.passes += 1
                    self._came[here] = awaiting_end(self._over)
                    self._begin(args, kwargs)

        def leave(_module: nn.Module, _args: Any, _output: Any) -> None:
            here = threading.get_ident()
            if self._depth[here] == 1:
                self._over()
            elif self._depth[here]:
                self._depth[here] -= 1

        with ExitStack() as stack:
            stack.callback(self._over)
            for part in parts:
                entry = part.register_forward_pre_hook(watching(enter), with_kwargs=True)
                stack.callback(entry.remove)
                exit_ = part.register_forward_hook(watching(leave), always_call=True)
                stack.callback(exit_.remove)
            yield

    def _over(self) -> None:
        """This thread's pass has ended."""
        here = threading.get_ident()
        if self._depth.pop(here, 0):
            self._came.pop(here)()
            self._end()


def around(model: nn.Module, module: nn.Module) -> list[nn.Module]:
    """The modules that contain `module`, the model first."""
    return [
        part
        for part in model.modules()
        if part is not module and any(inner is module for inner in part.modules())
    ]
