"""What a notebook keeps of widgets that are shown, that are not, and whose cell was run again."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import traitlets as t
from ipywidgets import VBox
from ipywidgets.widgets.widget import _instances

import neuronwidgets as nw
from neuronwidgets.widgets.base import presence as _presence
from neuronwidgets.widgets.base.front_end import STATIC

RNG = np.random.default_rng(0)
VALUES = RNG.random((60, 6))
LABELLED = nw.Activations.from_arrays(VALUES, labels=np.arange(60) % 3)
LARGE = ("_tree", "_evidence", "_esm", "_css")


class Shell:
    """A kernel that runs cells, as Jupyter's does."""

    def __init__(self) -> None:
        self.events = self
        self.calls: list[Any] = []
        self.parent: dict[str, Any] = {}

    def register(self, name: str, call: Any) -> None:
        assert name == "pre_run_cell"
        self.calls.append(call)

    def get_parent(self) -> dict[str, Any]:
        return self.parent

    def cell(self, name: str | None) -> None:
        """A cell begins."""
        self.parent = {"metadata": {} if name is None else {"cellId": name}}
        for call in self.calls:
            call(None)


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    made = Shell()
    monkeypatch.setattr(_presence, "get_ipython", lambda: made)
    before = set(_instances)
    yield made
    for key in set(_instances) - before:
        if key in _instances:
            _instances[key].close()


def explorer() -> Any:
    return nw.SplitExplorer(VALUES, 1)


def views(made: Any, count: int) -> None:
    """What a page says."""
    made._handle_custom_msg({"type": "views.count", "count": count}, [])


def size(made: Any) -> int:
    return sum(len(str(value)) for value in made.get_state().values())


@pytest.mark.parametrize("shown", [True, False])
def test_a_cell_that_is_run_again_closes_what_it_made(shell: Shell, shown: bool) -> None:
    count, alive = len(_instances), weakref.WeakSet[Any]()
    for _ in range(8):
        shell.cell("a")
        made = explorer()
        alive.add(made)
        if shown:
            made._repr_mimebundle_()
        assert made.wait(30)
        # With its layout.
        assert len(_instances) == count + 2
    gc.collect()
    assert list(alive) == [made]


def test_what_somebody_still_holds_is_there_and_comes_back(shell: Shell) -> None:
    shell.cell("a")
    made = explorer()
    made._repr_mimebundle_()
    assert made.wait(30)
    state = made.get_state()
    shell.cell("a")
    assert made.comm is None
    assert made.layout.comm is None
    # What it found is still there.
    assert len(made.concepts) > 0
    # The same concepts: another cut finds more.
    made.threshold = made.threshold * 0.999
    shell.cell("b")
    (bundle, _) = made._repr_mimebundle_()
    view = bundle["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == made.comm.comm_id
    assert made.layout.comm is not None
    assert made.wait(30)
    assert made.status["state"] == "idle"
    again = made.get_state()
    assert again.pop("threshold") < state.pop("threshold")
    assert again == state
    # Another cell has it now.
    shell.cell("a")
    assert made.comm is not None


def test_what_is_put_into_a_box_comes_back_too(shell: Shell) -> None:
    shell.cell("a")
    made = explorer()
    shell.cell("a")
    assert made.comm is None
    box = VBox([made])
    assert made.comm is not None
    assert box.get_state()["children"] == [f"IPY_MODEL_{made.comm.comm_id}"]


def test_what_was_closed_by_hand_stays_closed(shell: Shell) -> None:
    shell.cell("a")
    one, other = explorer(), explorer()
    one.close()
    shell.cell("a")
    other.close()
    for made in (one, other):
        assert made.comm is None
        assert made._repr_mimebundle_ is None


def test_another_cell_closes_nothing(shell: Shell) -> None:
    shell.cell("a")
    made = explorer()
    made._repr_mimebundle_()
    for name in ("b", "c", None, "b"):
        shell.cell(name)
        assert made.comm is not None
    made.close()


@pytest.mark.parametrize("cell", [None, ""])
def test_without_names_of_cells_nothing_is_closed(shell: Shell, cell: str | None) -> None:
    shell.cell(cell)
    made = explorer()
    made._repr_mimebundle_()
    shell.cell(cell)
    assert made.comm is not None
    assert size(made) > 50_000


def test_without_a_shell_there_are_no_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_presence, "get_ipython", lambda: None)
    assert _presence.current_cell() is None
    made = explorer()
    made._repr_mimebundle_()
    assert made.comm is not None
    made.close()


def test_what_is_shown_elsewhere_stays_until_it_is_not(shell: Shell) -> None:
    shell.cell("a")
    made = explorer()
    shell.cell("b")
    made._repr_mimebundle_()
    views(made, 1)
    shell.cell("a")
    assert made.comm is not None
    assert size(made) > 50_000
    views(made, 0)
    assert made.comm is None


def test_what_a_box_in_another_cell_shows_stays(shell: Shell) -> None:
    shell.cell("a")
    made = explorer()
    made._repr_mimebundle_()
    views(made, 2)  # its own cell, and a box somewhere
    shell.cell("a")
    assert made.comm is not None
    views(made, 1)
    assert made.comm is not None
    views(made, 0)
    assert made.comm is None


def test_what_no_page_shows_is_not_sent(shell: Shell) -> None:
    shell.cell("a")
    made = explorer()
    made._repr_mimebundle_()
    assert made.wait(30)
    full = made.get_state()
    views(made, 1)
    views(made, 0)
    assert size(made) < 10_000
    small = made.get_state()
    assert small.keys() == full.keys()
    assert [name for name in full if small[name] != full[name]] == [
        name for name in full if name in LARGE
    ]
    # Python has all of it, a page of its own too, and what changes meanwhile is not sent.
    assert len(made._tree) > 1000
    assert made._exported()["_tree"] == made._tree
    made.neuron = 3
    assert made.get_state("_tree") == {"_tree": b""}
    views(made, 1)
    assert made.get_state("_tree") == {"_tree": made._tree}
    assert made.get_state("_esm") == {"_esm": full["_esm"]}


def test_what_a_page_gets_when_it_sleeps_and_wakes(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = explorer()
    assert made.wait(30)
    stand_in = (STATIC / "asleep.js").read_text("utf-8")
    sent: list[tuple[Any, Any]] = []
    monkeypatch.setattr(
        made, "_send", lambda message, buffers=None: sent.append((message, buffers))
    )
    for count, front in ((1, None), (0, stand_in), (0, None), (2, made._esm), (1, None)):
        sent.clear()
        views(made, count)
        updates = [about for about in sent if about[0]["method"] == "update"]
        assert [message["state"]["_esm"] for message, _ in updates] == ([front] if front else [])
        for message, buffers in updates:
            tree = buffers[message["buffer_paths"].index(["_tree"])]
            assert tree == (made._tree if front == made._esm else b"")


def test_the_explorer_inside_of_a_lab_is_the_labs(shell: Shell) -> None:
    shell.cell("a")
    lab = nw.ToyLab(nw.toy.Config(features=16, dims=4, neurons=16, steps=64, batch=32))
    lab._repr_mimebundle_()
    assert lab.finish(60)
    shell.cell("b")
    inner = lab.split(int(lab.runs[0].A.max(axis=1).argmax()))
    shell.cell("b")
    assert inner.comm is not None
    assert not inner._presence.asleep
    lab.run()
    shell.cell("a")
    assert lab.comm is None
    assert inner.comm is None
    assert not lab.running
    # The one comes back with the other.
    shell.cell("c")
    lab._repr_mimebundle_()
    assert lab.explorer is inner
    assert lab.get_state()["_explorer"] == f"IPY_MODEL_{inner.comm.comm_id}"
    lab.close()
    assert inner.comm is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: nw.SplitExplorer(VALUES, 1, threshold=-1),
        lambda: nw.SplitExplorer(VALUES, 99),
        lambda: nw.RangeExplorer(LABELLED, 1, tau=9),
        lambda: nw.RangeExplorer(LABELLED, 1, rule="best"),
        lambda: nw.RangeExplorer(LABELLED, 1, prompt="x"),
        lambda: nw.RangeExplorer(LABELLED, 1, model=torch.nn.Linear(2, 2), data=VALUES),
        lambda: nw.ToyLab([]),
        lambda: nw.NeuronBrowser(VALUES, 99),
        lambda: nw.NeuronBrowser(VALUES, threshold=-2),
    ],
)
def test_what_cannot_be_opened_leaves_nothing(make: Any) -> None:
    before = set(_instances)
    with pytest.raises((ValueError, IndexError, t.TraitError)):
        make()
    gc.collect()
    assert set(_instances) == before
