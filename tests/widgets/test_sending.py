"""Messages with large arrays, as a kernel sends them."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import zmq
from jupyter_client.manager import KernelManager

from neuronwidgets.widgets.base import sending

COUNT, LARGE = 20, 400_000
ENDING = f"""
import numpy as np, neuronwidgets as nw, zmq.utils.garbage
shown = nw.SplitExplorer(nw.Activations.from_arrays(np.eye(30, dtype='f4')), neuron=0)
shown.wait()
zmq.utils.garbage.gc._atexit()
for _ in range({COUNT}):
    shown.send(dict(type='large'), [bytes({LARGE}), bytes(100_000)])
"""
"""A kernel at its end, when pyzmq's thread for arrays is over and a job still sends."""
DELIMITER = b"<IDS|MSG>"
"""It is once in each of Jupyter's messages."""


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    sending.send_copies.cache_clear()
    yield
    sending.send_copies.cache_clear()


@pytest.mark.parametrize(("before", "after"), [(sending.DEFAULT, sys.maxsize), (1_000, 1_000)])
def test_a_limit_of_the_user_stays(
    monkeypatch: pytest.MonkeyPatch, before: int, after: int
) -> None:
    session = SimpleNamespace(copy_threshold=before)
    kernel = SimpleNamespace(session=session)
    monkeypatch.setattr(sending, "get_ipython", lambda: SimpleNamespace(kernel=kernel))
    sending.send_copies()
    assert session.copy_threshold == after


@pytest.mark.parametrize("shell", [None, SimpleNamespace(), SimpleNamespace(kernel=None)])
def test_outside_a_kernel_nothing_happens(monkeypatch: pytest.MonkeyPatch, shell: object) -> None:
    monkeypatch.setattr(sending, "get_ipython", lambda: shell)
    sending.send_copies()


@pytest.mark.notebook
def test_messages_stay_whole_while_a_kernel_ends(tmp_path: Path) -> None:
    with (tmp_path / "stderr.txt").open("w+") as stderr, warnings.catch_warnings():
        # jupyter_client warns that messages on this machine are not encrypted.
        warnings.simplefilter("ignore")
        manager = KernelManager()
        manager.start_kernel(stderr=stderr)
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(60)
        over, all_here = threading.Event(), threading.Event()
        counts: list[int] = []
        reader = threading.Thread(
            target=delimiters, args=(client._make_url("iopub"), over, all_here, counts)
        )
        reader.start()
        try:
            client.execute(ENDING)
            assert client.get_shell_msg(timeout=60)["content"]["status"] == "ok"
            assert all_here.wait(60)
            manager.shutdown_kernel()
        finally:
            over.set()
            reader.join()
            client.stop_channels()
            manager.shutdown_kernel(now=True)
        stderr.seek(0)
        assert "Traceback" not in stderr.read()
    assert {*counts} == {1}


def delimiters(
    address: str, over: threading.Event, all_here: threading.Event, counts: list[int]
) -> None:
    """How often the delimiter is in each message from an address, until it is over; whether all
    large ones are here."""
    large = 0
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.subscribe(b"")
        socket.connect(address)
        while not over.is_set() or socket.poll(100):
            if socket.poll(100):
                parts = socket.recv_multipart(copy=False)
                counts.append(sum(bytes(part.buffer[:9]) == DELIMITER for part in parts))
                large += any(len(part.buffer) == LARGE for part in parts)
                if large == COUNT:
                    all_here.set()
