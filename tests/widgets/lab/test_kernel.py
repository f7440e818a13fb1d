"""The panel's comm with a real kernel, as a page has it."""

from __future__ import annotations

import queue
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

from neuronwidgets.widgets.protocol.lab import TARGET

pytestmark = pytest.mark.notebook
SOON = 60.0
SLOW_CAPTURE = """
import threading, numpy as np, torch, neuronwidgets as nw
class Slow(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.go = torch.nn.Identity(), threading.Event()
    def forward(self, x):
        if threading.current_thread() is not threading.main_thread():
            self.go.wait(0.02)
        return self.body(x)
slow = Slow()
data = np.random.default_rng(0).normal(size=(100_000, 4)).astype('f4')
nw.capture(slow, data[:8], 'body', batch_size=4)
"""
BUSY = """
import time
running = nw.capture(slow, data, 'body', batch_size=4, background=True)
while not running.done:
    time.sleep(0.01)
print('stopped after', running.reading.samples > 0)
"""
SHOWN = """
import time, numpy as np, neuronwidgets as nw
shown = nw.SplitExplorer(nw.Activations.from_arrays(np.eye(30, dtype='f4')), neuron=0)
shown.wait()
print(shown.comm.comm_id)
"""
WAITING = f"""
shown.neuron = 2  # now this cell is the last that has sent something to the view
print('waiting')
end = time.monotonic() + {SOON}
while shown.neuron != 1:
    assert time.monotonic() < end, 'the view is not heard'
    time.sleep(0.01)
"""


class Kernel:
    """A kernel, and the messages of a page."""

    def __init__(self, manager: Any) -> None:
        self.client = manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(SOON)

    def shell(self, kind: str, content: Any, subshell: str | None = None) -> str:
        message = self.client.session.msg(kind, content)
        message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def reply(self, request: str) -> Any:
        while True:
            message = self.client.get_shell_msg(timeout=SOON)
            if message["parent_header"].get("msg_id") == request:
                return message["content"]

    def run(self, code: str) -> str:
        """Begin to run code; its request."""
        return self.shell("execute_request", {"code": code, "silent": False})

    def done(self, request: str) -> None:
        answer = self.reply(request)
        assert answer["status"] == "ok", answer

    def subshell(self) -> str:
        """Make a subshell, as JupyterLab does for each comm."""
        message = self.client.session.msg("create_subshell_request", {})
        self.client.control_channel.send(message)
        return str(self.client.get_control_msg(timeout=SOON)["content"]["subshell_id"])

    def known(self) -> list[str]:
        """The comms of the target that the kernel lists."""
        return [*self.reply(self.shell("comm_info_request", {"target_name": TARGET}))["comms"]]

    def open(self, target: str = TARGET) -> str:
        comm = uuid.uuid4().hex
        self.shell("comm_open", {"comm_id": comm, "target_name": target, "data": {}})
        return comm

    def until(self, wanted: Callable[[Any], Any], timeout: float = SOON) -> Any:
        """The content of the next message on iopub that is wanted, and its parent."""
        end = time.monotonic() + timeout
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError("the message does not come") from None
            if wanted(message):
                return message

    def state(self, comm: str, wanted: Callable[[Any], Any], timeout: float = SOON) -> Any:
        def is_wanted(message: Any) -> bool:
            content = message["content"]
            said = message["msg_type"] == "comm_msg" and content["comm_id"] == comm
            return bool(said and wanted(content["data"]))

        return self.until(is_wanted, timeout)["content"]["data"]


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with warnings.catch_warnings():
        # jupyter_client warns that messages on this machine are not encrypted.
        warnings.simplefilter("ignore")
        manager = KernelManager()
        manager.start_kernel()
    kernel = Kernel(manager)
    yield kernel
    kernel.client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_a_kernel_is_silent_until_the_package_is_imported(kernel: Kernel) -> None:
    assert kernel.known() == []
    comm = kernel.open()
    closed = kernel.until(lambda m: m["msg_type"] == "comm_close")
    assert closed["content"]["comm_id"] == comm
    kernel.done(kernel.run("import neuronwidgets, sys; assert 'torch' not in sys.modules"))
    assert len(kernel.known()) == 1


def test_a_page_is_told_what_the_kernel_holds(kernel: Kernel) -> None:
    kernel.done(kernel.run("import neuronwidgets"))
    comm = kernel.open()
    state = kernel.state(comm, lambda data: True)
    assert state["type"] == "kernel.state"
    kernel.done(
        kernel.run(
            "import numpy as np, neuronwidgets as nw\n"
            "acts = nw.Activations.from_arrays(np.eye(30, dtype='f4'), layer='eye')"
        )
    )
    (store,) = kernel.state(comm, lambda data: data["stores"])["stores"]
    assert (store["variable"], store["layer"], store["samples"]) == ("acts", "eye", 30)
    kernel.shell("comm_msg", {"comm_id": comm, "data": {"type": "store.explore", **store}})
    opened = kernel.state(comm, lambda data: data["type"] == "widget.opened")
    # The whole is listed, not its parts, once these are put together.
    whole = (opened["id"], "neuron 0 of eye", None)
    kernel.state(
        comm,
        lambda data: [(w["id"], w["title"], w["cell"]) for w in data.get("widgets", ())] == [whole],
    )
    kernel.shell("comm_close", {"comm_id": comm, "data": {}})
    kernel.done(kernel.run("del acts"))


def test_a_capture_is_seen_and_stopped_while_its_cell_runs(kernel: Kernel) -> None:
    kernel.done(kernel.run(SLOW_CAPTURE))
    comm, subshell = kernel.open(), kernel.subshell()
    kernel.state(comm, lambda data: True)
    request = kernel.run(BUSY)
    kernel.until(lambda m: m["msg_type"] == "status" and m["parent_header"]["msg_id"] == request)
    begun = time.monotonic()
    running = kernel.state(comm, lambda data: data.get("captures"))["captures"]
    assert time.monotonic() - begun <= 1.0
    (entry,) = [c for c in running if c["variable"] in ("running", None)]
    assert (entry["state"], entry["total"]) == ("running", 100_000)
    stop = {"type": "capture.cancel", "id": entry["id"]}
    kernel.shell("comm_msg", {"comm_id": comm, "data": stop}, subshell)
    kernel.state(comm, lambda data: data["captures"] and data["captures"][0]["state"] == "stopped")
    kernel.done(request)
    kernel.shell("comm_close", {"comm_id": comm, "data": {}}, subshell)


def test_a_widget_follows_its_view_while_a_cell_runs(kernel: Kernel) -> None:
    kernel.done(kernel.run(SHOWN))
    said = kernel.until(lambda m: m["msg_type"] == "stream")["content"]["text"]
    subshell = kernel.subshell()
    request = kernel.run(WAITING)
    kernel.until(lambda m: m["content"].get("text") == "waiting\n")
    chosen = {"method": "update", "state": {"neuron": 1}, "buffer_paths": []}
    kernel.shell("comm_msg", {"comm_id": said.strip(), "data": chosen}, subshell)
    kernel.done(request)
