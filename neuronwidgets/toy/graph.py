"""A step of training on a GPU, captured once and repeated with one launch."""

from __future__ import annotations

from collections.abc import Callable

import torch

from neuronwidgets.core.compat import end_failed_capture
from neuronwidgets.core.warning import warn

WARM = 3
"""Steps before the capture: the libraries of CUDA initialise themselves in the first ones."""


class StepGraph:
    """Repeats a step that reads and writes the same tensors each time.

    On a CUDA device the step becomes a CUDA graph: one launch instead of about forty. A step that
    cannot be captured runs as it is, with a warning, and so do steps on other devices.

    At most two steps are queued, so that a slice of training takes the time of its steps.
    """

    def __init__(self, device: torch.device) -> None:
        self._device, self._warm = device, WARM
        self._graph: torch.cuda.CUDAGraph | None = None
        self._ends: list[torch.cuda.Event] = []
        if device.type == "cuda":
            self._ends = [torch.cuda.Event() for _ in range(2)]  # type: ignore[no-untyped-call]

    def __call__(self, step: Callable[[], None]) -> None:
        """Do a step, the same at each call: it has no effect but on tensors of the device."""
        if not self._ends:
            step()
            return
        with torch.cuda.device(self._device):
            self._ends.reverse()
            self._ends[0].synchronize()
            if self._warm == 0:
                self._graph = captured(step)
            self._warm -= 1
            if self._graph is None:
                step()
            else:
                self._graph.replay()
            self._ends[0].record()


def captured(step: Callable[[], None]) -> torch.cuda.CUDAGraph | None:
    """The step as a graph, without doing it; None where that fails."""
    try:
        return _capture(step)
    except RuntimeError as error:
        reason = str(error).splitlines()[0].rstrip(".")
        warn(
            f"the step of a toy model could not become a CUDA graph: {reason}. Training goes on "
            "without, with the same results, but more slowly.",
        )
        return None


def _capture(step: Callable[[], None]) -> torch.cuda.CUDAGraph:
    graph = torch.cuda.CUDAGraph()
    before, pool = torch.cuda.current_stream(), torch.cuda.graph_pool_handle()
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    try:
        # Other threads, as those of a notebook, may use or capture on the device meanwhile.
        with torch.cuda.graph(graph, pool, stream, capture_error_mode="thread_local"):
            step()
    except RuntimeError:
        # Torch leaves the stream, the allocator and the generator as they are during a capture:
        # the user's next random numbers would raise an error.
        torch.cuda.set_stream(before)
        device = torch.cuda.current_device()
        end_failed_capture(device, pool)
        generator = torch.cuda.default_generators[device]
        generator.graphsafe_set_state(generator.clone_state())
        raise
    return graph
