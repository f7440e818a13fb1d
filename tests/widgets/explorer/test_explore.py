"""`explore`: a model and data in, every neuron of a layer and the chosen one out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import traitlets as t
from torch import nn

import neuronwidgets as nw
from tests.widgets.conftest import Stepped

COUNT, WIDTH = 120, 12


def acts(labels: bool = True, layer: str = "a", width: int = WIDTH) -> nw.Activations:
    values = np.abs(np.random.default_rng(0).normal(size=(COUNT, width)))
    texts = [f"text {i}" for i in range(COUNT)]
    kinds = [f"l{i % 3}" for i in range(COUNT)] if labels else None
    return nw.Activations.from_arrays(values, texts, kinds, layer)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 3)).eval()


def pictures(count: int = COUNT) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (count, 4, 4), dtype=np.uint8)


@pytest.fixture
def explore() -> Iterator[Callable[..., nw.Explorer]]:
    opened: list[nw.Explorer] = []

    def explore(*args: Any, **options: Any) -> nw.Explorer:
        opened.append(nw.explore(*args, **options))
        return opened[-1]

    yield explore
    for explorer in opened:
        explorer.close()


def settled(explorer: nw.Explorer) -> nw.Explorer:
    assert explorer.wait(60)
    assert explorer.status["state"] == "idle", explorer.status
    return explorer


def test_a_model_and_data_open_on_a_proposed_layer(explore: Any) -> None:
    explorer = explore(net(), pictures(), labels=[f"l{i % 3}" for i in range(COUNT)], neuron=3)
    assert explorer.layer == "2"
    assert "Proposed: layer 1 of the 1 that hold neurons" in explorer._reason
    settled(explorer)
    assert (explorer.browser.neuron, explorer.split.neuron) == (3, 3)
    assert explorer.state == "layer=2&neuron=3&tab=split"
    assert explorer._missing == {}


def test_it_opens_at_the_first_row(explore: Any) -> None:
    values = acts().values.copy()
    values[:, :2] = 1
    explorer = settled(explore(nw.Activations.from_arrays(values)))
    assert (explorer.neuron, explorer.browser.neuron, explorer.split.neuron) == (2, 2, 2)
    # It is where one begins: there is no way back from it.
    assert (explorer._back, explorer.state) == (0, "layer=values&neuron=2&tab=split")
    layer = nw.split_layer(acts(), top=20, scores=["polysemanticity"], draws=3, progress=False)
    most = int(layer.to_frame().neuron.iloc[0])
    assert settled(explore(layer)).neuron == most
    # An address without a neuron is one of the table alone.
    assert settled(explore(acts(), state="layer=a&tab=split")).neuron is None


def test_choosing_a_neuron_anywhere_shows_it_everywhere(explore: Any) -> None:
    explorer = settled(explore(acts(), neuron=2))
    explorer.tab = "ranges"
    settled(explorer)
    assert explorer.ranges.neuron == 2
    explorer.browser.neuron = 5
    settled(explorer)
    assert (explorer.neuron, explorer.split.neuron, explorer.ranges.neuron) == (5, 5, 5)
    explorer.ranges.neuron = 7
    assert (explorer.neuron, explorer.split.neuron, explorer.browser.neuron) == (7, 7, 7)
    explorer.split.neuron = 1
    assert (explorer.neuron, explorer.ranges.neuron, explorer.browser.neuron) == (1, 1, 1)


def test_back_and_forward_lead_through_what_was_looked_at(explore: Any) -> None:
    explorer = settled(explore(acts(), neuron=2))
    explorer.split.threshold = 0.5
    explorer.neuron = 4
    explorer.tab = "ranges"
    settled(explorer)
    assert (explorer._back, explorer._forward) == (2, 0)
    explorer.back()
    assert (explorer.neuron, explorer.tab) == (4, "split")
    explorer.back()
    assert (explorer.neuron, explorer.split.threshold) == (2, 0.5)
    assert (explorer._back, explorer._forward) == (0, 2)
    explorer.forward()
    assert explorer.neuron == 4
    explorer._on_view_message(explorer, {"type": "history.step", "steps": 1}, [])
    assert explorer.tab == "ranges"


def test_an_address_leads_back(explore: Any) -> None:
    explorer = settled(explore(acts(), neuron=2))
    explorer.split.threshold = 0.4
    explorer.browser.threshold = 0.9
    address = explorer.state
    assert address == "layer=a&neuron=2&tab=split&cut=0.4&height=0.9"
    again = settled(explore(acts(), state=address))
    assert (again.neuron, again.split.threshold, again.browser.threshold) == (2, 0.4, 0.9)
    again.neuron = 6
    again.state = address
    assert (again.neuron, again.split.threshold) == (2, 0.4)


def test_a_drag_is_no_step_and_another_neuron_has_its_own_cut(explore: Any) -> None:
    explorer = settled(explore(acts(), neuron=2))
    for height in (0.3, 0.4, 0.5):
        explorer.split.threshold = height
    assert explorer._back == 0
    explorer.neuron = 3
    assert explorer.state == "layer=a&neuron=3&tab=split"


def test_tabs_that_cannot_be_shown_say_why(explore: Any) -> None:
    explorer = settled(explore(acts(labels=False), neuron=0))
    assert set(explorer._missing) == {"ranges", "probe"}
    with pytest.raises(t.TraitError, match="activation ranges need labels"):
        explorer.tab = "ranges"
    with pytest.raises(t.TraitError, match="the probe runs the model: pass model="):
        explorer.tab = "probe"
    assert explorer.tab == "split"


def test_the_probe_opens_with_the_model(explore: Any) -> None:
    explorer = settled(explore(net(), pictures(), "2", neuron=1))
    explorer.tab = "probe"
    settled(explorer)
    assert explorer.probe.neuron == 1
    explorer.neuron = 9
    assert explorer.probe.neuron == 9


def test_the_probe_shows_the_concepts_of_the_split(explore: Any) -> None:
    explorer = settled(explore(net(), pictures(), "2", neuron=1))
    split = explorer.split.split
    explorer.split.threshold = float(split.tree.height.max()) * 1.01
    explorer.tab = "probe"
    settled(explorer)
    assert explorer.probe.wait(60)
    assert len(explorer.probe.concepts) == len(explorer.split.concepts) == 1
    explorer.tab = "split"
    explorer.split.threshold = split.suggested
    explorer.tab = "probe"
    assert explorer.probe.wait(60)
    assert len(explorer.probe.concepts) == len(explorer.split.concepts) > 1


def test_what_cannot_be_shown_is_refused_and_the_rest_stays(explore: Any) -> None:
    explorer = settled(explore(acts(), neuron=2))
    for trait, value, words in [
        ("neuron", WIDTH, "neuron 12 is not in layer 'a', which has 12 neurons"),
        ("neuron", -1, "neuron -1"),
        ("state", "layer=b&neuron=1", "layer 'b' is not the one shown, 'a'"),
        ("state", "layer=a&neuron=99", "neuron 99 is not in layer"),
        ("state", "rubbish", "does not know .rubbish."),
        ("tab", "map", "tab"),
    ]:
        with pytest.raises(t.TraitError, match=words):
            setattr(explorer, trait, value)
    assert (explorer.neuron, explorer.split.neuron, explorer.tab) == (2, 2, "split")


def test_a_dead_neuron_shows_one_sentence_and_the_others_go_on(explore: Any) -> None:
    values = np.abs(np.random.default_rng(0).normal(size=(40, 4)))
    values[:, 3] = 0
    explorer = settled(explore(nw.Activations.from_arrays(values), neuron=1))
    explorer.browser.neuron = 3
    assert explorer.neuron == 3
    explorer.wait(60)
    explorer.neuron = 2
    settled(explorer)
    assert explorer.split.neuron == 2


def test_it_opens_while_the_capture_runs_and_the_probe_waits(explore: Any) -> None:
    model = Stepped()
    data = np.abs(np.random.default_rng(0).normal(size=(60, 6))).astype(np.float32)
    capturing = nw.capture(
        model, data, "body", labels=list("ab") * 30, batch_size=10, background=True, progress=False
    )
    model.allow(3)
    explorer = explore(capturing, model=model, neuron=1)
    assert explorer.browser.reading["state"] == "running"
    explorer.tab = "probe"
    assert not explorer.wait(0.5)
    assert "the probe needs the model" in explorer.status["text"]
    model.allow(3)
    capturing.wait()
    assert explorer.wait(60)
    assert not capturing.cancelled


def test_what_opens_after_the_capture_has_all_samples(explore: Any) -> None:
    model = Stepped()
    data = np.abs(np.random.default_rng(0).normal(size=(60, 6))).astype(np.float32)
    capturing = nw.capture(model, data, "body", batch_size=10, background=True, progress=False)
    model.allow(3)
    # No page shows the browser, so it stays at the first samples.
    explorer = explore(capturing)
    model.allow(3)
    capturing.wait()
    explorer.neuron = 1
    assert len(settled(explorer).split.acts) == 60


def test_a_sparse_neuron_leaves_the_number_of_top_samples_to_others(explore: Any) -> None:
    values = np.abs(np.random.default_rng(0).normal(size=(60, 4)))
    values[5:, 2] = 0
    explorer = settled(explore(values, neuron=2))
    assert explorer.split.top == 5
    explorer.neuron = 1
    settled(explorer)
    assert explorer.split.top == 20
    explorer.split.top = 10
    explorer.neuron = 3
    assert settled(explorer).split.top == 10


def test_closing_ends_its_own_capture_and_all_parts() -> None:
    model = Stepped()
    data = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
    model.allow(2)
    explorer = nw.explore(model, data, "body", batch_size=10)
    capturing, browser = explorer._capturing, explorer.browser
    explorer.close()
    model.allow(4)
    assert capturing is not None
    assert capturing.wait(timeout=30)
    assert capturing.cancelled
    assert browser.comm is None


def test_a_stored_capture_a_split_layer_and_an_array(explore: Any, tmp_path: Path) -> None:
    folder = acts().save(tmp_path / "acts")
    assert settled(explore(folder, neuron=1)).layer == "a"
    table = nw.split_layer(acts(), progress=False, scores=())
    assert explore(table).browser.layer_split is table
    small = nw.split_layer(acts(), top=9, progress=False, scores=())
    assert settled(explore(small, neuron=1)).split.top == 9
    assert explore(np.eye(8)).layer == "values"


@pytest.mark.parametrize(
    ("args", "options", "error", "words"),
    [
        ((net(),), {}, ValueError, "data is missing"),
        ((net(), pictures()), {"model": net()}, ValueError, "model= is given with a model"),
        ((net(), pictures(), ["1", "2"]), {}, ValueError, "one layer"),
        ((net(), pictures(), "9"), {}, ValueError, "layer '9' does not exist"),
        ((np.eye(4), pictures()), {}, ValueError, "pass a model first"),
        ((np.eye(4),), {"pooling": "max"}, TypeError, "pooling= is for a capture"),
        ((np.eye(4),), {"layer": "b"}, ValueError, "layer='b' is not the layer"),
        ((np.eye(4),), {"neuron": 4}, IndexError, "neuron 4 is not in layer"),
        ((np.eye(4),), {"state": "layer=b"}, ValueError, "not the one that was captured"),
        ((np.eye(4),), {"state": "layer=values&tab=probe"}, ValueError, "tab 'probe' cannot be"),
        ((None,), {}, TypeError, "source must be a model"),
        ((np.eye(4),), {"held_out": (1, 2)}, ValueError, "held_out= measures"),
    ],
)
def test_what_was_given_is_checked_in_words(
    args: Any, options: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        nw.explore(*args, **options)


def test_a_layer_of_one_neuron_and_a_dead_layer(explore: Any) -> None:
    one = settled(explore(np.random.default_rng(0).normal(size=(30, 1)), neuron=0))
    assert one.split.neuron == 0
    dead = explore(np.zeros((30, 3)))
    assert dead.neuron is None


def test_the_code_names_what_was_given(explore: Any) -> None:
    explorer = explore(net(), pictures(), "2", pooling="max", batch_size=16)
    assert explorer._given == "model, data, pooling='max', batch_size=16"
    assert explore(acts())._given == "acts"


def test_it_has_no_page_of_its_own_and_says_what_has(explore: Any, tmp_path: Path) -> None:
    explorer = settled(explore(acts(), neuron=1))
    with pytest.raises(ValueError, match="use to_html of its parts"):
        explorer.to_html(tmp_path / "page.html")
    assert explorer.split.to_html(tmp_path / "split.html").exists()


class Towers(nn.Module):
    """Images or texts, as CLIP of open_clip takes them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.visual = nn.Sequential(nn.Conv2d(1, 6, 2, 2), nn.ReLU(), nn.Flatten())
        self.table, self.text = nn.Embedding(9, 5), nn.Sequential(nn.Linear(5, 7), nn.ReLU())

    def forward(self, image: Any = None, text: Any = None) -> Any:
        shown = None if image is None else self.visual(image)
        return shown, None if text is None else self.text(self.table(text))


def test_the_proposed_layer_is_one_that_the_data_reach(explore: Any) -> None:
    images, texts = pictures(), [{"text": torch.randint(0, 9, (COUNT, 4))}]
    explorer = explore(Towers().eval(), images)
    assert explorer.layer == "visual.1"
    assert "layer 1 of the 1 that hold neurons and that the data reach" in explorer._reason
    settled(explorer)
    assert settled(explore(Towers().eval(), texts)).layer == "text.1"
    # Data that can be read once only are not begun.
    with pytest.raises(ValueError, match="never called"):
        explore(Towers().eval(), iter([torch.zeros(4, 1, 4, 4)]))
