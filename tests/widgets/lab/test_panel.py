"""A page's comm: what it is told, and what it asks for. The comm and the shell are fakes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.lab import target
from neuronwidgets.lab.holdings import Holdings
from neuronwidgets.lab.panel import Explorers, Panel
from neuronwidgets.widgets.base.widget import WIDGETS
from neuronwidgets.widgets.protocol.lab import TARGET

SOON = 30.0
VALUES = np.random.default_rng(0).normal(size=(300, 12)).astype("f4")


class FakeComm:
    """Keeps what is sent; `page` says something as the page would."""

    def __init__(self) -> None:
        self.sent: queue.Queue[Any] = queue.Queue()
        self.comm_id, self.topic = "fake", b"comm-fake"

    def on_msg(self, call: Any) -> None:
        self._on_message = call

    def on_close(self, call: Any) -> None:
        self._on_close = call

    def send(self, data: Any) -> None:
        self.sent.put(data)

    def page(self, request: Any) -> None:
        self._on_message({"content": {"data": request}})

    def leave(self) -> None:
        self._on_close({})

    def until(self, kind: str, **wanted: int) -> Any:
        """The next message of a kind in which the lists have these lengths."""
        while True:
            message = self.sent.get(timeout=SOON)
            if message["type"] == kind and all(len(message[k]) == n for k, n in wanted.items()):
                return message


@pytest.fixture
def namespace() -> dict[str, Any]:
    return {}


@pytest.fixture
def comm(namespace: dict[str, Any]) -> Iterator[FakeComm]:
    comm = FakeComm()
    panel = Panel(comm, Holdings(namespace), Explorers(), tick=0.01)
    yield comm
    comm.leave()
    panel._thread.join(SOON)
    assert not panel._thread.is_alive()
    for widget in WIDGETS.all():
        widget.close()


def activations(layer: str = "relu2") -> nw.Activations:
    return nw.Activations.from_arrays(VALUES, labels=["a", "b", "c"] * 100, layer=layer)


def start(model: Any, layer: Any = "body") -> Any:
    return nw.capture(model, VALUES, layer, batch_size=20, background=True)


def test_the_page_is_told_at_once_and_again_only_what_changes(
    comm: FakeComm, namespace: dict[str, Any]
) -> None:
    assert comm.sent.get(timeout=SOON)["stores"] == []
    namespace["acts"] = activations()
    assert comm.sent.get(timeout=SOON)["stores"][0]["variable"] == "acts"
    # Nothing changes, so the next message is about the next change.
    del namespace["acts"]
    assert comm.sent.get(timeout=SOON)["stores"] == []


def test_a_state_comes_at_most_once_a_tick(namespace: dict[str, Any]) -> None:
    comm = FakeComm()
    panel = Panel(comm, Holdings(namespace), Explorers(), tick=3600.0)
    namespace["acts"] = activations()
    assert comm.sent.get(timeout=SOON)["stores"] == []
    assert comm.sent.empty()
    comm.leave()
    panel._thread.join(SOON)


def test_a_capture_is_stopped(comm: FakeComm, namespace: dict[str, Any], model: Any) -> None:
    running = namespace["running"] = start(model)
    entry = next(
        each
        for state in iter(lambda: comm.until("kernel.state"), None)
        for each in state["captures"]
        if each["variable"] == "running"
    )
    comm.page({"type": "capture.cancel", "id": entry["id"]})
    assert running.cancelled
    model.allow(1000)
    assert running.wait(timeout=SOON)
    while True:
        captures = comm.until("kernel.state")["captures"]
        if [c["state"] for c in captures if c["variable"] == "running"] == ["stopped"]:
            break


def test_activations_are_explored_and_the_same_again(
    comm: FakeComm, namespace: dict[str, Any]
) -> None:
    namespace["acts"] = activations()
    (store,) = comm.until("kernel.state", stores=1)["stores"]
    for _ in range(2):
        comm.page({"type": "store.explore", "id": store["id"]})
    first, second = comm.until("widget.opened"), comm.until("widget.opened")
    assert first == second
    (explorer,) = [w for w in WIDGETS.all() if isinstance(w, nw.Explorer) and w.comm is not None]
    assert explorer.acts is namespace["acts"]
    assert first["id"] == explorer.model_id
    assert first["title"] == "neuron 0 of relu2"
    # A closed one is opened anew.
    explorer.close()
    comm.page({"type": "store.explore", "id": store["id"]})
    assert comm.until("widget.opened")["id"] != first["id"]


def test_an_explorer_of_the_panel_belongs_to_no_cell(
    comm: FakeComm, namespace: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, forgotten = [], []
    cells = SimpleNamespace(
        made=lambda cell, _: made.append(cell), forget=lambda cell, _: forgotten.append(cell)
    )
    monkeypatch.setattr("neuronwidgets.widgets.base.presence.cells", lambda: cells)
    monkeypatch.setattr("neuronwidgets.widgets.base.presence.current_cell", lambda: "cell3")
    namespace["acts"] = activations()
    (store,) = comm.until("kernel.state", stores=1)["stores"]
    comm.page({"type": "store.explore", "id": store["id"]})
    comm.until("widget.opened")
    # The explorer and its browser; one for a neuron may follow.
    assert made[:2] == forgotten[:2] == ["cell3", "cell3"]
    assert comm.until("kernel.state", widgets=1)["widgets"][0]["cell"] is None


def test_a_capture_is_explored_as_soon_as_it_has_samples(
    comm: FakeComm, namespace: dict[str, Any], model: Any
) -> None:
    running = namespace["running"] = start(model, ["body", "again"])
    (entry,) = [c for c in Holdings(namespace).state()["captures"] if c["variable"] == "running"]
    assert entry["layer"] == "body, again"
    entries = comm.until("kernel.state")["captures"]
    while not (ids := [c["id"] for c in entries if c["variable"] == "running"]):
        entries = comm.until("kernel.state")["captures"]
    comm.page({"type": "capture.explore", "id": ids[0]})
    # It waits for samples; the page can still stop another capture, or ask for another thing.
    comm.page({"type": "path.explore", "path": "/nowhere/at/all"})
    assert "does not exist" in comm.until("request.failed")["text"]
    model.allow(1000)
    opened = comm.until("widget.opened")
    assert opened["title"] == "neuron 0 of body"
    assert running.wait(timeout=SOON)


def test_a_folder_is_explored(comm: FakeComm, tmp_path: Path) -> None:
    folder = activations("stored").save(tmp_path / "store")
    comm.page({"type": "path.explore", "path": str(folder)})
    assert comm.until("widget.opened")["title"] == "neuron 0 of stored"


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({"type": "store.explore", "id": "gone"}, "these activations do not exist any more"),
        ({"type": "capture.explore", "id": "gone"}, "this capture does not exist any more"),
        ({"type": "capture.cancel", "id": "gone"}, "this capture does not exist any more"),
        ({"type": "path.explore", "path": "."}, "holds no manifest.json"),
        ({"type": "store.explore"}, "KeyError: id"),
    ],
)
def test_what_cannot_be_done_is_said(comm: FakeComm, request_: Any, text: str) -> None:
    comm.page(request_)
    said = comm.until("request.failed")["text"]
    assert text in said


@pytest.mark.parametrize("request_", [{"type": "other"}, {}, "text", None])
def test_an_unknown_message_is_logged(
    comm: FakeComm, request_: Any, caplog: pytest.LogCaptureFixture
) -> None:
    comm.page(request_)
    assert "unknown message" in caplog.text


def test_a_look_that_fails_is_repeated(
    comm: FakeComm, namespace: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    failed, state = threading.Event(), Holdings.state

    def fails(self: Holdings) -> Any:
        failed.set()
        raise RuntimeError("dictionary changed size during iteration")

    monkeypatch.setattr(Holdings, "state", fails)
    assert failed.wait(SOON)
    monkeypatch.setattr(Holdings, "state", state)
    namespace["acts"] = activations()
    comm.until("kernel.state", stores=1)


def test_a_first_look_that_fails_does_not_refuse_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    comm, state = FakeComm(), Holdings.state

    def fails(self: Holdings) -> Any:
        monkeypatch.setattr(Holdings, "state", state)
        raise RuntimeError("dictionary changed size during iteration")

    monkeypatch.setattr(Holdings, "state", fails)
    panel = Panel(comm, Holdings({}), Explorers(), tick=0.01)
    comm.until("kernel.state", stores=0)
    comm.leave()
    panel._thread.join(SOON)


# The target


class FakeManager:
    def __init__(self) -> None:
        self.targets: dict[str, Any] = {}
        self.comms: list[Any] = []

    def register_target(self, name: str, call: Any) -> None:
        self.targets[name] = call

    def register_comm(self, comm: Any) -> None:
        self.comms.append(comm)


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> FakeManager:
    manager = FakeManager()
    monkeypatch.setattr("comm.get_comm_manager", lambda: manager)
    create = import_module("comm").create_comm

    def created(**about: Any) -> Any:
        # Widgets that other threads open meanwhile live longer than this.
        return SimpleNamespace(**about) if about.get("target_name") == TARGET else create(**about)

    monkeypatch.setattr("comm.create_comm", created)
    return manager


def shell(monkeypatch: pytest.MonkeyPatch, **about: Any) -> None:
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(**about))


def test_the_target_is_registered_once_with_a_comm_that_pages_can_find(
    monkeypatch: pytest.MonkeyPatch, manager: FakeManager
) -> None:
    shell(monkeypatch, kernel=object(), user_ns={}, user_ns_hidden={})
    for _ in range(2):
        target.register()
    assert [*manager.targets] == [TARGET]
    assert [vars(comm) for comm in manager.comms] == [{"target_name": TARGET, "primary": False}]


def test_pages_share_what_is_explored(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = FakeManager()
    with monkeypatch.context() as registering:
        # Only for a moment: widgets open comms, too.
        shell(registering, kernel=object(), user_ns={"acts": activations()}, user_ns_hidden={})
        registering.setattr("comm.get_comm_manager", lambda: manager)
        target.register()
    pages = [FakeComm(), FakeComm()]
    opened = []
    for comm in pages:
        manager.targets[TARGET](comm, {})
        (store,) = comm.until("kernel.state")["stores"]
        comm.page({"type": "store.explore", "id": store["id"]})
        opened.append(comm.until("widget.opened"))
    assert opened[0] == opened[1]
    for comm in pages:
        comm.leave()
    for widget in WIDGETS.all():
        widget.close()


@pytest.mark.parametrize("about", [{}, {"kernel": None}])
def test_nothing_is_registered_without_a_kernel(
    monkeypatch: pytest.MonkeyPatch, manager: FakeManager, about: dict[str, Any]
) -> None:
    shell(monkeypatch, **about)
    target.register()
    assert manager.targets == {}


def test_registering_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    shell(monkeypatch, kernel=object())

    def broken() -> Any:
        raise RuntimeError("no comms here")

    monkeypatch.setattr("comm.get_comm_manager", broken)
    target.register()
