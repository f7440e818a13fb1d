"""The widgets send exactly what the schema says."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.toy import Config
from neuronwidgets.widgets.base.widget import IDLE
from neuronwidgets.widgets.protocol import browser, intruder, probe, ranges, sae, schema, split, toy
from neuronwidgets.widgets.protocol.base import Status
from tests.protocol.validator import (
    SCHEMAS,
    array_mismatches,
    binary_mismatches,
    mismatches,
    widget_mismatches,
)

HERE = Path(__file__).parent
WAIT = 60


def golden() -> Any:
    spec = importlib.util.spec_from_file_location("make_golden", HERE / "make_golden.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MESSAGES = {
    "tree": split.TREE, "evidence": split.EVIDENCE, "effects": split.EVIDENCE,
    "refinement": split.REFINEMENT,
    "range": ranges.RANGES, "examples": ranges.EXAMPLES, "readings": probe.READINGS,
    "questions": intruder.QUESTIONS,
    "table": browser.TABLE, "trees": browser.TREES, "map": browser.MAP, "match": browser.MATCH,
    "peaks": browser.PEAKS, "promoted": browser.PROMOTED, "sae": sae.SAE,
    "states": probe.READINGS,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("*.safetensors")))
def test_golden_files(name: str) -> None:
    kind = name.split("-")[1].removesuffix(".safetensors")
    assert list(binary_mismatches((HERE / name).read_bytes(), MESSAGES[kind])) == []


def test_packed_messages() -> None:
    made = golden()
    for name, packed in {**made.messages(), **made.truths()[0]}.items():
        assert list(binary_mismatches(packed, MESSAGES[name.split("-")[1]])) == [], name


@pytest.fixture(params=["image", "text", "none"])
def explorer(request: Any) -> Iterator[Any]:
    acts = golden().activations("text" if request.param == "text" else "image")
    if request.param == "none":
        acts = nw.Activations.from_arrays(acts.values)
    made = nw.SplitExplorer(acts, 0, top=60, refined=True, distinct=None)
    assert made.wait(WAIT)
    yield made
    made.close()


def test_split_explorer(explorer: Any) -> None:
    assert widget_mismatches(explorer) == []
    assert explorer._suggestions
    assert explorer._scores
    assert explorer._refinement
    explorer.rename(int(np.argmax(explorer.concepts.nodes >= 0)), "mine")
    explorer.selection = [3]
    explorer._on_view_message(explorer, {"type": "split.request", "neuron": 99, "top": 9}, [])
    assert explorer.wait(WAIT)
    assert explorer.status["state"] == "error"
    assert widget_mismatches(explorer) == []


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.below = nn.Linear(6, 8)
        self.above = nn.Linear(8, 3)
        self.gate = threading.Event()
        self.gate.set()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.gate.wait(WAIT)
        return self.above(self.below(x))


@pytest.fixture
def model() -> Classifier:
    torch.manual_seed(0)
    return Classifier()


X = np.random.default_rng(0).normal(size=(90, 6)).astype("f4")
LABELS = ["hat", "boot", "bag"] * 30


@pytest.mark.parametrize("images", [False, True])
def test_range_explorer(model: Classifier, images: bool) -> None:
    acts = nw.capture(model, X[:60], "below", labels=LABELS[:60], progress=False)
    if images:
        shown = np.zeros((60, 4, 4), np.uint8)
        acts = nw.Activations.from_arrays(acts.values, shown, LABELS[:60], layer="below")
    made = nw.RangeExplorer(
        acts,
        3,
        "boot",
        model=model,
        data=X[60:],
        labels=LABELS[60:],
        classes=["bag", "boot", "hat"],
    )
    assert made.wait(WAIT)
    assert made.measure["done"] == made.measure["for"]
    assert widget_mismatches(made) == []
    made.edges = [None, 1.0]
    made.selection = [2]
    assert made.wait(WAIT)
    assert widget_mismatches(made) == []
    made.close()


def test_range_explorer_of_concepts() -> None:
    made = nw.RangeExplorer(nw.split(golden().activations("text"), 0, distinct=None).cut())
    assert widget_mismatches(made) == []
    made.close()


@pytest.mark.parametrize("kind", ["image", "text", "none"])
def test_neuron_browser(kind: str) -> None:
    acts = golden().activations("text" if kind == "text" else "image")
    if kind == "none":
        acts = nw.Activations.from_arrays(acts.values)
    made = nw.NeuronBrowser(acts, 2, top=20)
    assert made.wait(WAIT)
    assert widget_mismatches(made) == []
    made.pin(3, 1)
    made.notes, made.threshold, made.selection = {"3": "köln 🙂"}, 0.5, [1, 3]
    made.filters, made.samples = {"kurtosis": (None, np.float64(2))}, [5]
    made._on_view_message(made, {"type": "previews.request", "samples": [5, 6, 7]}, [])
    made.search("contrast", these=[1, 2], those=[40])
    assert widget_mismatches(made) == []
    made._on_view_message(made, {"type": "search.request", "kind": "text", "text": "x"}, [])
    assert made.wait(WAIT)
    assert made.status["state"] == "error"
    assert widget_mismatches(made) == []
    requests = {schema.kind_of(request) for request in SCHEMAS["NeuronBrowser"].requests}
    assert set(made._messages()) == requests - {"capture.cancel"}
    made.close()


@pytest.mark.model
def test_completions() -> None:
    stories = nw.datasets.stories()
    texts = [f"{who} had a {what}" for who in ("Lily", "Tom", "Ben") for what in ("cat", "ball")]
    acts = nw.capture(stories.model, texts, "model.layers.2", "token", ["pet", "toy"] * 3,
                      stories.tokenizer, progress=False)  # fmt: skip
    made = nw.RangeExplorer(acts, 3, "pet", model=stories.model, tokenizer=stories.tokenizer,
                            prompt="Once upon a time")  # fmt: skip
    assert made.wait(WAIT)
    assert made.completions["done"]
    assert widget_mismatches(made) == []
    made.close()


@pytest.mark.model
def test_live_probe_of_texts() -> None:
    stories = nw.datasets.stories()
    texts = [f"{who} had a {what}" for who in ("Lily", "Tom", "Ben") for what in ("cat", "ball")]
    acts = nw.capture(stories.model, texts * 8, "model.layers.2", "mean", ["pet", "toy"] * 24,
                      stories.tokenizer, progress=False)  # fmt: skip
    made = nw.LiveProbe(acts, stories.model, 3, tokenizer=stories.tokenizer)
    assert widget_mismatches(made) == []
    made.comparing, made.other = True, ""
    made.delete_words()
    assert made.wait(WAIT)
    assert made._deletions
    assert widget_mismatches(made) == []
    made.close()


def test_live_probe_of_images() -> None:
    images = np.random.default_rng(0).integers(0, 255, (40, 4, 4), dtype=np.uint8)
    model = nn.Sequential(nn.Conv2d(1, 5, 3, padding=1), nn.ReLU())
    made = nw.LiveProbe(nw.capture(model, images, "1", progress=False), model)
    assert widget_mismatches(made) == []
    made.close()


@pytest.mark.parametrize("kind", ["image", "text"])
def test_intruder_test(kind: str) -> None:
    made = nw.IntruderTest(golden().question_sheet(kind).concepts, 5, 2)
    assert widget_mismatches(made) == []
    made.answers, made.student = [3, 1], "köln 🙂"
    assert widget_mismatches(made) == []
    made.close()


def test_toy_lab() -> None:
    small = {"features": 20, "dims": 8, "neurons": 24, "batch": 32, "steps": 300, "cycle": 100}
    made = nw.ToyLab([Config.zero_bias(**small), Config.negative_bias(**small)])
    assert widget_mismatches(made) == []
    pictures: list[bytes] = []
    made.observe(lambda change: pictures.append(change["new"]), "_picture")
    assert made.finish(WAIT)
    made.neuron, made.feature, made.checkpoint = 3, 5, 8
    assert widget_mismatches(made) == []
    for picture in pictures:
        assert list(binary_mismatches(bytes(picture), toy.RUNS)) == []
    active = int((made.runs[0].A > 0).any(axis=1).argmax())
    inside = made.split(active, "A")
    assert inside.wait(WAIT)
    assert made._explorer is inside
    assert widget_mismatches(made) == []
    assert widget_mismatches(inside) == []
    made.close()


def test_a_running_capture(model: Classifier) -> None:
    capture = nw.capture(model, X, "below", labels=LABELS, batch_size=30, background=True)
    made = nw.SplitExplorer(capture, 0, top=20)
    assert widget_mismatches(made) == []
    assert capture.wait(timeout=WAIT)
    assert made.wait(WAIT)
    assert made.reading["state"] in ("running", "done")
    requests = SCHEMAS["SplitExplorer"].requests
    assert set(made._messages()) == {schema.kind_of(request) for request in requests}
    made.close()


def test_every_request_is_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    made = nw.RangeExplorer(golden().activations("image"))
    sent: list[Any] = []
    monkeypatch.setattr(made, "send", sent.append)
    made._on_view_message(made, {"type": "job.cancel"}, [])
    (event,) = sent
    (shape,) = schema.EVENTS
    assert list(mismatches(event, shape, "event")) == []
    made.close()


# The validator itself


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"state": "idle", "text": "", "progress": 1.0, "more": 1}, "unknown key 'more'"),
        ({"state": "idle", "text": ""}, "lacks 'progress'"),
        ({"state": "lost", "text": "", "progress": 1}, "'lost', not one of"),
        ({"state": "idle", "text": None, "progress": 1}, "NoneType, not str"),
        ({"state": "idle", "text": "", "progress": True}, "bool, not float"),
        ([], "list, not Status"),
    ],
)
def test_the_validator_refuses(value: Any, words: str) -> None:
    (found,) = mismatches(value, Status, "status")
    assert words in found


def test_the_first_status() -> None:
    assert list(mismatches(IDLE, Status, "status")) == []


def test_the_validator_refuses_arrays() -> None:
    data = (HERE / "image-tree.safetensors").read_bytes()
    assert any("unknown" in words for words in binary_mismatches(data, ranges.EXAMPLES))
    assert any("absent" in words for words in binary_mismatches(data, split.EVIDENCE))
    wrong = {"color": np.zeros(3, np.int16), "row": np.zeros(3, np.float32)}
    found = list(array_mismatches(wrong, split.TREE))
    assert "row is float32, not int32" in found
    assert any(words.startswith("color has the shape (3,)") for words in found)


def test_explorer() -> None:
    acts = nw.Activations.from_arrays(
        np.abs(np.random.default_rng(0).normal(size=(60, 6))), labels=["a", "b"] * 30
    )
    explorer = nw.explore(acts, neuron=2)
    try:
        assert explorer.wait(WAIT)
        assert widget_mismatches(explorer) == []
        explorer.tab = "ranges"
        assert explorer.wait(WAIT)
        assert widget_mismatches(explorer) == []
    finally:
        explorer.close()
