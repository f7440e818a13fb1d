"""What a kernel holds, found by type and identity."""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.lab.holdings import MOST, Holdings, memory
from neuronwidgets.widgets.base.widget import WIDGETS

SOON = 30.0
VALUES = np.random.default_rng(0).normal(size=(300, 12)).astype("f4")
LABELS = ["a", "b", "c"] * 100


def activations(layer: str = "relu2") -> nw.Activations:
    return nw.Activations.from_arrays(VALUES.copy(), labels=LABELS, layer=layer)


@pytest.fixture(autouse=True)
def _alone() -> Any:
    """No widget of an earlier test is open."""
    yield
    for widget in WIDGETS.all():
        widget.close()


def variables(state: Any, kind: str) -> list[Any]:
    return [entry["variable"] for entry in state[kind]]


# Activations


def test_activations_have_their_variable_and_size() -> None:
    acts = activations()
    (store,) = Holdings({"acts": acts}).state()["stores"]
    assert acts.labels is not None
    assert store["id"]
    assert store | {"id": ""} == {
        "id": "", "variable": "acts", "layer": "relu2", "samples": 300, "neurons": 12,
        "bytes": VALUES.nbytes + acts.labels.nbytes, "disk": 0, "path": None,
    }  # fmt: skip


def test_activations_are_listed_once_by_the_first_name_a_variable_before_a_container() -> None:
    acts, other = activations(), activations("other")
    namespace = {"both": {"x": acts, 2: other}, "acts": acts, "again": acts, "_": other}
    assert variables(Holdings(namespace).state(), "stores") == ["acts", "both[2]"]
    assert eval("both[2]", namespace) is other


def test_hidden_variables_and_large_containers_are_not_searched() -> None:
    acts = activations()
    many = dict.fromkeys(range(MOST + 1), acts)
    out = {1: acts}
    assert Holdings({"many": many, "Out": out}, {"Out": out}).state()["stores"] == []
    assert variables(Holdings({"Out": [acts]}, {"Out": out}).state(), "stores") == ["Out[0]"]


def test_a_split_layer_holds_its_activations() -> None:
    layer = nw.split_layer(activations(), neurons=[0, 1], top=30)
    assert variables(Holdings({"layer": layer}).state(), "stores") == ["layer.acts"]


def test_values_on_disk_are_not_memory(tmp_path: Path) -> None:
    folder = activations().save(tmp_path / "store")
    acts = nw.Activations.load(folder)
    (store,) = Holdings({"acts": acts}).state()["stores"]
    assert store["disk"] == VALUES.nbytes
    assert store["path"] == str(folder)
    assert acts.labels is not None
    assert store["bytes"] == acts.labels.nbytes


def test_a_memory_mapped_array_is_not_memory(tmp_path: Path) -> None:
    np.save(tmp_path / "values.npy", VALUES)
    mapped = np.load(tmp_path / "values.npy", mmap_mode="r")
    whole, part = (nw.Activations.from_arrays(values) for values in (VALUES, mapped[:200]))
    object.__setattr__(part, "values", mapped[:200])
    assert memory(whole) == VALUES.nbytes
    assert memory(part) == 0


def test_images_count() -> None:
    images = np.zeros((300, 8, 8), "u1")
    with_images = nw.Activations.from_arrays(VALUES, images)
    assert memory(with_images) - memory(nw.Activations.from_arrays(VALUES)) == images.nbytes


def test_no_code_of_the_users_objects_runs() -> None:
    class Trap:
        @property
        def __class__(self) -> Any:
            raise AssertionError("its class was asked for")

        def __eq__(self, other: object) -> bool:
            raise AssertionError("it was compared")

        def __hash__(self) -> int:
            raise AssertionError("it was hashed")

        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"{name} was asked for")

    trap = Trap()
    state = Holdings({"trap": trap, "held": [trap]}, {"trap": object()}).state()
    assert state["stores"] == []


def test_an_id_stays_and_leads_back() -> None:
    acts, other = activations(), activations()
    namespace = {"acts": acts, "other": other}
    holdings = Holdings(namespace)
    first, second = (store["id"] for store in holdings.state()["stores"])
    assert first != second
    namespace["acts"] = namespace.pop("other")
    assert [store["id"] for store in holdings.state()["stores"]] == [second]
    assert holdings.store(second) is other
    with pytest.raises(ValueError, match="these activations do not exist any more"):
        holdings.store(first)


# Captures


def start(model: Any, **options: Any) -> Any:
    return nw.capture(model, VALUES, "body", batch_size=20, background=True, **options)


def mine(holdings: Holdings, name: str) -> Any:
    return next(c for c in holdings.state()["captures"] if c["variable"] == name)


def test_a_capture_is_listed_as_it_runs_and_when_it_is_done(model: Any) -> None:
    running = start(model)
    holdings = Holdings({"running": running})
    first = mine(holdings, "running")
    assert (first["state"], first["layer"], first["samples"], first["bytes"]) == (
        "running", "body", 0, 0,
    )  # fmt: skip
    model.allow(2)
    assert running.wait(40, SOON)
    second = mine(holdings, "running")
    assert (second["id"], second["samples"], second["total"]) == (first["id"], 40, 300)
    assert second["bytes"] == 40 * 12 * 4
    assert "40 of 300 samples" in second["text"]
    model.allow(1000)
    assert running.wait(timeout=SOON)
    done = mine(holdings, "running")
    assert (done["state"], done["left"], done["bytes"]) == ("done", None, VALUES.nbytes)


def test_a_capture_on_disk_has_its_folder_and_the_size_of_its_shards(
    model: Any, tmp_path: Path
) -> None:
    model.allow(1000)
    running = start(model, out=tmp_path / "store")
    assert running.wait(timeout=SOON)
    entry = mine(Holdings({"running": running}), "running")
    assert (entry["bytes"], entry["path"]) == (0, str(tmp_path / "store"))
    assert VALUES.nbytes <= entry["disk"] < 1.3 * VALUES.nbytes


def test_a_capture_without_a_variable_is_listed_and_can_be_found(model: Any) -> None:
    running, holdings = start(model), Holdings({})
    ids = {c["id"] for c in holdings.state()["captures"] if c["variable"] is None}
    assert any(holdings.capture(each) is running for each in ids)
    with pytest.raises(ValueError, match="this capture does not exist any more"):
        holdings.capture("Capturing-99999")
    running.cancel()


def test_a_capture_that_nothing_refers_to_is_gone(model: Any) -> None:
    model.allow(1000)
    running = start(model)
    assert running.wait(timeout=SOON)
    running._thread.join(SOON)
    holdings = Holdings({"running": running})
    gone = mine(holdings, "running")["id"]
    holdings._namespace.clear()
    del running
    gc.collect()
    assert gone not in [c["id"] for c in holdings.state()["captures"]]


# Widgets


def test_a_widget_is_listed_until_it_is_closed() -> None:
    explorer = nw.SplitExplorer(activations(), neuron=3, top=30)
    holdings = Holdings({"explorer": explorer})
    assert holdings.state()["widgets"] == [
        {
            "id": explorer.model_id, "kind": "SplitExplorer", "title": "neuron 3 of relu2",
            "variable": "explorer", "cell": None, "pinned": [], "layer": "relu2",
        }
    ]  # fmt: skip
    explorer.close()
    assert holdings.state()["widgets"] == []


def test_titles_name_what_is_shown() -> None:
    acts = activations()
    nw.SplitExplorer(acts, neuron=np.ones(12), top=30)
    nw.RangeExplorer(acts, neuron=2)
    nw.ToyLab()
    assert [(w["kind"], w["title"]) for w in Holdings({}).state()["widgets"]] == [
        ("SplitExplorer", "direction of relu2"),
        ("RangeExplorer", "neuron 2 of relu2"),
        ("ToyLab", "ToyLab"),
    ]


def test_the_cell_is_that_which_shows_the_widget(monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = nw.SplitExplorer(activations(), neuron=3, top=30)
    holdings = Holdings({})
    for cell in ("cell1", "cell2", None):
        monkeypatch.setattr("neuronwidgets.widgets.base.presence.current_cell", lambda c=cell: c)
        explorer._presence.displayed()
        (entry,) = holdings.state()["widgets"]
        assert entry["cell"] == (cell or "cell2")


def test_embedded_widgets_are_listed_as_the_whole() -> None:
    explorer = nw.explore(activations(), neuron=3, top=30)
    assert explorer.wait(SOON)
    assert explorer.split is not None
    explorer.browser.pin(4)
    lab = nw.ToyLab()
    lab.step()
    assert lab.wait(SOON)
    lab.split(0)
    entries = Holdings({"explorer": explorer}).state()["widgets"]
    assert [(w["kind"], w["title"], w["pinned"]) for w in entries] == [
        ("Explorer", "neuron 3 of relu2", [4]),
        ("ToyLab", "ToyLab", []),
    ]


def test_an_embedded_widget_that_a_cell_shows_is_listed_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    explorer = nw.explore(activations())
    monkeypatch.setattr("neuronwidgets.widgets.base.presence.current_cell", lambda: "cell7")
    explorer.browser._presence.displayed()
    entries = Holdings({}).state()["widgets"]
    assert [(w["kind"], w["title"], w["cell"]) for w in entries] == [
        ("NeuronBrowser", "neurons of relu2", "cell7"),
        ("Explorer", "neuron 0 of relu2", None),
    ]


def test_pinned_neurons_are_listed() -> None:
    browser = nw.NeuronBrowser(activations())
    browser.pin(4, 5)
    listed = {w["id"]: w["pinned"] for w in Holdings({}).state()["widgets"]}
    assert listed[browser.model_id] == [4, 5]


# Libraries


def test_libraries_are_listed_with_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        entries = (SimpleNamespace(name="shoes"), SimpleNamespace(name="bags"))

    module = ModuleType("neuronwidgets.libraries.library")
    module.Library = Library  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "neuronwidgets.libraries.library", module)
    library = Library()
    assert Holdings({"library": library, "same": library}).state()["libraries"] == [
        {"variable": "library", "concepts": 2, "names": ["shoes", "bags"]}
    ]


def test_the_state_is_json(model: Any) -> None:
    explorer = nw.SplitExplorer(activations(), neuron=np.int64(3), top=30)
    namespace = {"acts": explorer.acts, "running": start(model), "explorer": explorer}
    state = Holdings(namespace).state()
    assert json.loads(json.dumps(state, allow_nan=False)) == state
    namespace["running"].cancel()
