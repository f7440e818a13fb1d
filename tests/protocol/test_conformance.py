"""The widgets send exactly what the schema says."""

from __future__ import annotations

import importlib.util
import json
import threading
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import anywidget
import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.toy import Config
from neuronwidgets.widgets.base.widget import IDLE
from neuronwidgets.widgets.protocol import browser, ranges, schema, split, toy
from neuronwidgets.widgets.protocol.base import Status
from neuronwidgets.widgets.protocol.binary import Binary, Elements
from neuronwidgets.widgets.protocol.buffers import unpack

HERE = Path(__file__).parent
WAIT = 60
SCHEMAS = {widget.name: widget for widget in schema.WIDGETS}
JSON_TYPES: dict[Any, tuple[type, ...]] = {
    int: (int,), float: (int, float), str: (str,), bool: (bool,), type(None): (type(None),),
}  # fmt: skip


# A validator of the schema's types


def mismatches(value: Any, hint: Any, where: str) -> Iterator[str]:
    """How a JSON value differs from its type; nothing where it does not."""
    plain, _ = schema.about(hint)
    origin, inner = get_origin(plain), get_args(plain)
    if typing.is_typeddict(plain):
        yield from _object(value, plain, where)
    elif origin is typing.Annotated:
        (names,) = (mark.names for mark in inner[1:] if isinstance(mark, Elements))
        if isinstance(value, list) and len(value) != len(names):
            yield f"{where} has {len(value)} elements, not {names}"
        yield from mismatches(value, inner[0], where)
    elif origin is Literal:
        if value not in inner:
            yield f"{where} is {value!r}, not one of {inner}"
    elif origin is list:
        yield from _items(value, inner[0], where)
    elif origin is dict:
        if not isinstance(value, dict):
            yield f"{where} is a {type(value).__name__}, not a dict"
            return
        for key, item in value.items():
            yield from mismatches(key, inner[0], f"a key of {where}")
            yield from mismatches(item, inner[1], f"{where}[{key!r}]")
    elif len(members := schema.alternatives(plain)) > 1:
        each = [list(mismatches(value, member, where)) for member in members]
        if all(each):
            yield min(each, key=len)[0]
    elif type(value) not in JSON_TYPES[plain]:
        yield f"{where} is a {type(value).__name__}, not {plain.__name__}"


def _object(value: Any, shape: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is a {type(value).__name__}, not {shape.__name__}"
        return
    known = {name: (hint, required) for name, hint, _, required in schema.fields(shape)}
    yield from (f"{where} has the unknown key {name!r}" for name in value if name not in known)
    for name, (hint, required) in known.items():
        if name in value:
            yield from mismatches(value[name], hint, f"{where}.{name}")
        elif required:
            yield f"{where} lacks {name!r}"


def _items(value: Any, hint: Any, where: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{where} is a {type(value).__name__}, not a list"
        return
    for i, item in enumerate(value):
        yield from mismatches(item, hint, f"{where}[{i}]")


def strict(text: str) -> Any:
    """JSON as browsers read it: NaN and Infinity are refused."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def binary_mismatches(data: bytes, binary: Binary) -> Iterator[str]:
    """How a binary message differs from its description."""
    arrays, meta = unpack(data)
    yield from mismatches(strict(json.dumps(meta)), binary.meta, "meta")
    runs = [str(r) for r in range(len(meta["runs"]))] if binary.per_run else [""]
    known = {f"{name}{run}" for name in binary.arrays for run in runs}
    yield from (f"the array {name!r} is unknown" for name in arrays if name not in known)
    for run in runs:
        own = {n: arrays[f"{n}{run}"] for n in binary.arrays if f"{n}{run}" in arrays}
        yield from _array_mismatches(own, binary)


def _array_mismatches(arrays: dict[str, np.ndarray], binary: Binary) -> Iterator[str]:
    sizes: dict[str, int] = {}
    shapes = {name: binary.arrays[name].shape.strip("()").split(",") for name in binary.arrays}
    shapes = {name: [part.strip() for part in parts if part] for name, parts in shapes.items()}
    for name, array in arrays.items():
        sizes |= {part: size for part, size in zip(shapes[name], array.shape, strict=False)
                  if part.isalpha()}  # fmt: skip
    for name, about in binary.arrays.items():
        if name not in arrays:
            if not about.absent:
                yield f"the array {name!r} is absent"
            continue
        array = arrays[name]
        if array.dtype != np.dtype(about.dtype):
            yield f"{name} is {array.dtype}, not {about.dtype}"
        # Sizes such as "2 * n - 1" follow from those that stand alone elsewhere.
        known = all(part.strip("0123456789*+- ") in {"", *sizes} for part in shapes[name])
        wanted = tuple(eval(part, {}, sizes) for part in shapes[name]) if known else array.shape
        if array.shape != wanted:
            yield f"{name} has the shape {array.shape}, not {about.shape} = {wanted}"


def widget_mismatches(widget: Any) -> list[str]:
    """How the traits and binary messages of a widget differ from its schema."""
    about = SCHEMAS[type(widget).__name__]
    state = widget.get_state()
    foreign = {*anywidget.AnyWidget.class_trait_names(sync=True), "_esm", "_css", "_anywidget_id"}
    state = {name: value for name, value in state.items() if name not in foreign}
    found: list[str] = []
    json_traits = {}
    for name, hint, *_ in schema.fields(about.traits):
        if hint is bytes:
            carried = [m for m in about.messages.values() if m.trait == name]
            assert len(carried) == 1, f"{name} carries {len(carried)} messages"
            if data := bytes(state.pop(name)):
                found += binary_mismatches(data, carried[0])
        elif name in state:
            json_traits[name] = state.pop(name)
    found += [f"the trait {name!r} is unknown" for name in state]
    told = [(name, hint) for name, hint, *_ in schema.fields(about.traits) if hint is not bytes]
    found += [f"the trait {name!r} is absent" for name, _ in told if name not in json_traits]
    for name, hint in told:
        if name in json_traits:
            found += mismatches(strict(json.dumps(json_traits[name])), hint, name)
    return found


# What the widgets send


def golden() -> Any:
    spec = importlib.util.spec_from_file_location("make_golden", HERE / "make_golden.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MESSAGES = {
    "tree": split.TREE, "evidence": split.EVIDENCE, "refinement": split.REFINEMENT,
    "range": ranges.RANGES, "examples": ranges.EXAMPLES, "table": browser.TABLE,
    "trees": browser.TREES, "map": browser.MAP, "match": browser.MATCH,
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
    found = list(_array_mismatches(wrong, split.TREE))
    assert "row is float32, not int32" in found
    assert any(words.startswith("color has the shape (3,)") for words in found)
