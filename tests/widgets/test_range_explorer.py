"""RangeExplorer's Python side, without a browser."""

from __future__ import annotations

import base64
import json
import re
import threading
from typing import Any

import numpy as np
import pytest
import torch
import traitlets as t
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import neuronwidgets as nw
from neuronwidgets.widgets.protocol.buffers import unpack

CLASSES = ["hat", "boot", "bag"]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.below = nn.Linear(6, 10)
        self.above = nn.Linear(10, 3)
        self.gate = threading.Event()
        self.gate.set()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.gate.wait(30)
        return self.above(self.below(x))


@pytest.fixture(scope="module")
def case() -> dict[str, Any]:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 700)
    x = (rng.normal(size=(3, 6))[y] * 2 + rng.normal(size=(700, 6))).astype("f4")
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(80):
        optimizer.zero_grad()
        logits = model(torch.from_numpy(x[:300]))
        torch.autograd.backward(nn.functional.cross_entropy(logits, torch.tensor(y[:300])))
        optimizer.step()
    names = np.array(CLASSES)[y]
    acts = nw.capture(model, x[:300], "below", labels=names[:300], progress=False)
    return {"model": model, "acts": acts, "data": x[300:], "labels": names[300:]}


@pytest.fixture
def explorer(case: dict[str, Any]) -> Any:
    made = nw.RangeExplorer(case["acts"], 3, "boot", model=case["model"], data=case["data"],
                            labels=case["labels"], classes=CLASSES, batch_size=100)  # fmt: skip
    assert made.wait(30)
    yield made
    made.close()


def test_opens_where_a_label_stands_apart() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(3, 1, (300, 20))
    values[:100, 13] += 9
    acts = nw.Activations.from_arrays(values, labels=["far"] * 100 + ["a", "b"] * 100)
    made = nw.RangeExplorer(acts)
    assert made.neuron == 13
    assert made._session.label_name == "far"
    assert made.capabilities == {"measure": False, "perplexity": False, "complete": False}
    assert made.status["state"] == "idle"
    assert made.measure == {}


def test_the_picture_is_the_ranges(explorer: Any, case: dict[str, Any]) -> None:
    tensors, about = unpack(explorer._picture)
    found = nw.ranges(case["acts"])
    assert about["labels"] == list(found.label_names)
    assert about["count"] == found.count.tolist()
    np.testing.assert_allclose(tensors["mean"], found.mean[:, 3])
    share = tensors["density"].astype("f8") ** 2
    share /= share.sum(1, keepdims=True)
    np.testing.assert_allclose(share, found.densities[:, 3], atol=1e-3)
    for c in range(3):
        mine = tensors["activation"][tensors["start"][c] : tensors["start"][c + 1]]
        expected = np.sort(case["acts"].values[case["acts"].labels == c, 3])
        np.testing.assert_array_equal(mine, expected)
        best = np.argsort(-found.magnitude[c], kind="stable").tolist()
        assert tensors["rank"][c] == 1 + best.index(3)
        assert about["salient"][c] == best[0]


def test_what_is_measured_is_what_evaluate_masks_says(explorer: Any, case: dict[str, Any]) -> None:
    for rule, tau, top in (("gaussian", 2.0, 0.3), ("discriminative", 0.8, 0.5)):
        explorer.rule, explorer.tau, explorer.top = rule, tau, top
        assert explorer.wait(30)
        report = nw.evaluate_masks(
            case["model"], case["data"], nw.ranges(case["acts"]), tau, top, rule=rule,
            labels=case["labels"], classes=CLASSES, progress=False,
        )  # fmt: skip
        rows = report.to_frame().query("label == 'boot'").set_index("mask")
        for part in ("target", "other"):
            for mask in ("base", "range", "neuron"):
                value, low, high = explorer.measure[part][mask]
                assert value == pytest.approx(rows.loc[mask, part])
                assert low <= value <= high
        assert explorer.measure["samples"] == explorer.measure["of"] == 400
        assert explorer.measure["for"]["tau"] == tau


def test_changes_are_paired_and_in_nats(explorer: Any, case: dict[str, Any]) -> None:
    model, x = case["model"], torch.from_numpy(case["data"])
    kind = np.array([CLASSES.index(name) for name in case["labels"]])

    def scored() -> tuple[np.ndarray, np.ndarray]:
        with torch.no_grad():
            log_p = model(x).double().log_softmax(-1).numpy()
        return (log_p.argmax(1) == kind).astype("f8"), log_p[np.arange(400), kind]

    before = scored()
    with explorer.mask():
        masked = scored()
    with nw.mask_neurons(model, explorer.ranges, "boot", replacement="mean"):
        whole = scored()
    boot = kind == CLASSES.index("boot")
    for part, chosen in (("target", boot), ("other", ~boot)):
        for mask, after in (("range", masked), ("neuron", whole)):
            for i, name in enumerate(("change", "nats")):
                value, low, high = explorer.measure[f"{part}_{name}"][mask]
                difference = (after[i] - before[i])[chosen]
                assert value == pytest.approx(difference.mean(), abs=1e-6)
                # The normal approximation of the interval of paired differences.
                width = 2 * 1.96 * difference.std() / np.sqrt(chosen.sum())
                assert low <= value <= high
                assert high - low == pytest.approx(width, rel=0.2)


def test_a_neuron_that_accuracy_does_not_show(case: dict[str, Any]) -> None:
    made = nw.RangeExplorer(case["acts"], 3, "boot", 0.1, model=case["model"], data=case["data"],
                            labels=case["labels"], classes=CLASSES)  # fmt: skip
    made.this_neuron_only = True
    assert made.wait(30)
    _, low, high = made.measure["target_change"]["range"]
    assert low <= 0 <= high
    (said, *_) = made.measure["findings"]
    assert said.startswith("One neuron alone does not show in the accuracy of 'boot': it changes")
    assert "nats a sample" in said


def test_a_mask_that_always_makes_the_same_answer_says_so(case: dict[str, Any]) -> None:
    made = nw.RangeExplorer(case["acts"], 3, "boot", top=1.0, model=case["model"],
                            data=case["data"], labels=case["labels"], classes=CLASSES)  # fmt: skip
    assert made.wait(30)
    assert any(
        re.match(
            r"Under the neuron mask the model predicts '\w+' for 100% of all samples", sentence
        )
        for sentence in made.measure["findings"]
    )


def test_partial_results_come_as_batches_do(case: dict[str, Any]) -> None:
    seen: list[int] = []
    other = nw.RangeExplorer(case["acts"], 0, 0, model=case["model"], data=case["data"],
                             labels=case["labels"], classes=CLASSES, batch_size=100)  # fmt: skip
    other.observe(lambda change: seen.append(change["new"]["samples"]), "measure")
    assert other.wait(30)
    other.tau = 1.3
    assert other.wait(30)
    assert seen[-5:] == [100, 200, 300, 400, 400]


def test_a_range_drawn_by_hand(explorer: Any, case: dict[str, Any]) -> None:
    explorer.edges = [None, 0.5, 1.0, 2.0]
    np.testing.assert_array_equal(explorer.interval, [[-np.inf, 0.5], [1.0, 2.0]])
    edit = explorer.edit
    place = edit.neurons.tolist().index(3)
    assert edit.low[place].tolist() == [-np.inf, 1.0]
    # Every other neuron has the band at the same z-scores of the label.
    own = case["acts"].values[case["acts"].labels == explorer.label].astype("f8")
    mean, std = own.mean(axis=0), own.std(axis=0)
    z = (np.array([[-np.inf, 0.5], [1.0, 2.0]]) - mean[3]) / std[3]
    for j, low, high in zip(edit.neurons, edit.low, edit.high, strict=True):
        np.testing.assert_allclose([low, high], (mean[j] + z * std[j]).T, rtol=1e-5)
    assert explorer.wait(30)
    explorer.this_neuron_only = True
    assert explorer.edit.neurons.tolist() == [3]
    with explorer.mask(), torch.no_grad():
        inside = case["model"].below(torch.from_numpy(case["data"]))[:, 3]
    with torch.no_grad():
        before = case["model"].below(torch.from_numpy(case["data"]))[:, 3]
    gone = (before <= 0.5) | ((before >= 1) & (before <= 2))
    torch.testing.assert_close(
        inside, torch.where(gone, float(case["acts"].values[:, 3].mean()), before)
    )
    # Another width, or another label: the drawn one is over.
    explorer.tau = 1.0
    assert explorer.edges == []
    assert explorer.interval[0].tolist() == pytest.approx(explorer.ranges.interval(3, "boot", 1.0))
    explorer.edges = [0.0, 1.0]
    explorer.neuron = 5
    assert explorer.edges == []


def test_without_observers_the_range_is_that_of_the_traits(explorer: Any) -> None:
    explorer.unobserve_all("tau")
    explorer.tau = 1.0
    expected = explorer.ranges.interval(3, "boot", 1.0)
    assert explorer.interval[0].tolist() == pytest.approx(expected)
    explorer.top = 0.5
    assert explorer.wait(30)
    assert explorer.measure["for"]["tau"] == 1.0
    explorer.neuron = 5
    assert explorer.wait(30)
    assert explorer.measure["for"]["tau"] == 1.0


def test_concepts_of_a_split_have_ranges(case: dict[str, Any]) -> None:
    concepts = nw.split(case["acts"], 2, top=60).cut()
    made = nw.RangeExplorer(concepts)
    assert made.neuron == 2
    tensors, about = unpack(made._picture)
    assert about["what"] == "concept"
    assert len(about["labels"]) == len(concepts)
    assert about["colors"] == list(concepts.colors)
    np.testing.assert_array_equal(np.diff(tensors["start"]), concepts.sizes)


def test_a_late_drag_is_dropped(explorer: Any) -> None:
    explorer.set_state({"edges": [0.0, 1.0], "_view_version": explorer._version})
    assert explorer.edges == [0.0, 1.0]
    old = explorer._version
    explorer.neuron = 4
    explorer.set_state({"edges": [7.0, 9.0], "_view_version": old})
    assert explorer.edges == []
    explorer.set_state({"label": 2, "tau": 1.5, "edges": [], "_view_version": explorer._version})
    assert (explorer.label, explorer.tau) == (2, 1.5)


def test_messages_of_the_view(explorer: Any) -> None:
    explorer._on_view_message(None, {"type": "neuron.request", "neuron": 7}, [])
    assert explorer.neuron == 7
    explorer._on_view_message(None, {"type": "neuron.request", "neuron": 70}, [])
    assert explorer.neuron == 7
    assert "neuron 70 is not in layer 'below'" in explorer.status["text"]
    explorer._on_view_message(None, {"type": "prompt.request", "prompt": "x"}, [])
    assert "no language model" in explorer.status["text"]
    explorer.tau = 1.0
    assert explorer.status["state"] != "error"


def test_cancelled_and_closed(case: dict[str, Any]) -> None:
    model = case["model"]
    model.gate.clear()
    try:
        made = nw.RangeExplorer(case["acts"], 0, 0, model=model, data=case["data"],
                                labels=case["labels"], classes=CLASSES)  # fmt: skip
        assert made._jobs.running
        made.cancel()
        assert made.status["state"] == "idle"
        made.tau = 1.0
        made.close()
    finally:
        model.gate.set()
    assert made.wait(30)
    assert made.measure == {}


def test_a_users_own_pass_meanwhile_is_untouched(explorer: Any, case: dict[str, Any]) -> None:
    model, x = case["model"], torch.from_numpy(case["data"])
    with torch.no_grad():
        expected = model(x)
    at, on = threading.Event(), threading.Event()
    above = model.above

    class Slow(nn.Module):
        def forward(self, h: torch.Tensor) -> torch.Tensor:
            if threading.current_thread().name == "neuronwidgets-job":
                at.set()
                on.wait(30)
            return above(h)

    model.above = Slow()
    try:
        explorer.tau = 0.7
        assert at.wait(30)
        # The job is in the middle of a pass that begins at the layer.
        with torch.no_grad():
            torch.testing.assert_close(model(x), expected, rtol=0, atol=0)
    finally:
        on.set()
        assert explorer.wait(30)
        model.above = above
    assert "forward" not in model.below.__dict__


def test_a_users_own_mask_does_not_change_what_is_measured(case: dict[str, Any]) -> None:
    found = nw.ranges(case["acts"])
    options = {"model": case["model"], "data": case["data"], "labels": case["labels"],
               "classes": CLASSES}  # fmt: skip
    with nw.mask_neurons(case["model"], found, "hat", 1.0):
        masked = nw.RangeExplorer(case["acts"], 3, "boot", **options)
        assert masked.wait(30)
    plain = nw.RangeExplorer(case["acts"], 3, "boot", **options)
    assert plain.wait(30)
    assert masked.measure["target"] == plain.measure["target"]
    assert masked.measure["other"] == plain.measure["other"]


def test_new_weights_are_measured_anew(case: dict[str, Any]) -> None:
    model = Net()
    model.load_state_dict(case["model"].state_dict())
    explorer = nw.RangeExplorer(case["acts"], 3, "boot", model=model, data=case["data"],
                                labels=case["labels"], classes=CLASSES)  # fmt: skip
    assert explorer.wait(30)
    before, curve = explorer.measure["target"]["base"], explorer.curve
    with torch.no_grad():
        model.above.weight.zero_()
    explorer.tau = 1.5
    assert explorer.wait(30)
    assert explorer.measure["target"]["base"] != before
    assert explorer.curve["tau"] == curve["tau"]
    assert explorer.curve["other"] != curve["other"]


def test_a_drag_while_the_data_are_slow(case: dict[str, Any]) -> None:
    """The cancelled job may still be waiting for its batch when the next one begins."""
    gate = threading.Event()

    def batches() -> Any:
        for start in range(0, 400, 100):
            # The first is looked at before any job begins.
            assert start == 0 or gate.wait(30)
            yield case["data"][start : start + 100]

    explorer = nw.RangeExplorer(case["acts"], 3, "boot", model=case["model"], data=batches(),
                                labels=case["labels"], classes=CLASSES)  # fmt: skip
    explorer.tau = 1.0
    explorer.cancel()
    explorer.tau = 1.5
    gate.set()
    assert explorer.wait(30)
    assert explorer.status["state"] == "idle"
    assert explorer.measure["samples"] == 400
    assert explorer.measure["for"]["tau"] == 1.5


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("label", "cap", "label 'cap' has no range here"),
        ("label", 3, "0 to 2"),
        ("label", True, "label True"),
        ("tau", 4.1, "tau must be 0 to 4 .*, got 4.1"),
        ("tau", float("nan"), "got nan"),
        ("rule", "best", "rule must be one of .*, got 'best'"),
        ("top", 0, "above 0 .*, got 0"),
        ("top", 1.5, "at most 1, got 1.5"),
        ("edges", [2.0, 1.0], "ascending"),
        ("edges", [1.0], "ascending"),
        ("edges", [0.0, None, 1.0, 2.0], "ascending"),
        ("neuron", 10, "neuron 10 is not in layer"),
    ],
)
def test_refused_in_words_and_nothing_changes(
    explorer: Any, name: str, value: Any, words: str
) -> None:
    before = getattr(explorer, name)
    with pytest.raises((t.TraitError, IndexError), match=words):
        setattr(explorer, name, value)
    assert getattr(explorer, name) == before


def test_bad_input(case: dict[str, Any]) -> None:
    acts, model = case["acts"], case["model"]
    options = {"model": model, "data": case["data"], "labels": case["labels"]}
    cases: list[tuple[Any, str]] = [
        (lambda: nw.RangeExplorer(acts.values), "got a ndarray"),
        (lambda: nw.RangeExplorer(nw.Activations.from_arrays(acts.values)), "has no labels"),
        (lambda: nw.RangeExplorer(acts, **options), "pass classes="),
        (lambda: nw.RangeExplorer(acts, data=case["data"]), "pass model="),
        (lambda: nw.RangeExplorer(acts, model=model, texts=["a"]), "pass model= and data="),
        (lambda: nw.RangeExplorer(acts, **{**options, "labels": ["hat"]}, classes=CLASSES),
         "got 1 entries"),
        (lambda: nw.RangeExplorer(acts, neuron=99), "neuron 99"),
        (lambda: nw.RangeExplorer(acts).mask(), "no model"),
        (lambda: nw.RangeExplorer(acts).complete("x"), "no language model"),
    ]  # fmt: skip
    for make, words in cases:
        with pytest.raises((ValueError, TypeError, IndexError), match=words):
            make()
    moved = nw.RangeExplorer(
        nw.Activations.from_arrays(acts.values, labels=acts.labels, layer="nowhere",
                                   label_names=acts.label_names)
    )  # fmt: skip
    with pytest.raises(ValueError, match="'nowhere' does not exist in"), moved.mask(model):
        pass


def test_a_label_with_one_sample_is_shown_without_a_range() -> None:
    values = np.random.default_rng(0).normal(size=(21, 4))
    acts = nw.Activations.from_arrays(values, labels=["a", "b"] * 10 + ["this_neuron_only"])
    made = nw.RangeExplorer(acts, 1)
    _, about = unpack(made._picture)
    assert about["why"][about["labels"].index("this_neuron_only")].startswith(
        "It has a single sample"
    )
    made.label = "this_neuron_only"
    assert made.status["state"] == "idle"
    with pytest.raises(ValueError, match="single sample"):
        made.interval  # noqa: B018


def test_measuring_fails_in_words(case: dict[str, Any]) -> None:
    made = nw.RangeExplorer(
        case["acts"], 0, 0, model=case["model"], data=case["data"],
        labels=np.where(np.arange(400) == 150, "cap", case["labels"]), classes=CLASSES,
    )  # fmt: skip
    assert made.wait(30)
    assert made.status["state"] == "error"
    assert "data has the label 'cap'" in made.status["text"]
    # What was read before the error is not all there is.
    made.tau = 1.0
    assert made.wait(30)
    assert "data has the label 'cap'" in made.status["text"]


def state_of(made: Any) -> int:
    """Bytes of state, the front end's code aside."""
    state = {k: v for k, v in made._exported().items() if k not in ("_esm", "_css")}
    return sum(len(v) if isinstance(v, bytes) else len(json.dumps(v)) for v in state.values())


@pytest.mark.parametrize(
    ("labels", "each", "kind", "most"),
    [
        (100, 4, "none", 9e4),
        (1000, 4, "image", 1e6),
        (1000, 4, "text", 1e6),
        (1000, 200, "none", 1e6),
        (2000, 4, "none", 2e6),
    ],
)
def test_state_grows_with_the_labels_and_not_with_their_square(
    labels: int, each: int, kind: str, most: float
) -> None:
    rng = np.random.default_rng(0)
    count = labels * each
    values = rng.random((count, 2), "f4")
    samples: Any = None
    if kind == "image":
        samples = rng.integers(0, 255, (count, 12, 12, 3), "u1")
    elif kind == "text":
        samples = [f"a text of some length, which is number {i}" for i in range(count)]
    names = [f"label number {c}" for c in range(labels)]
    acts = nw.Activations.from_arrays(values, samples, np.arange(count) % labels, label_names=names)
    made = nw.RangeExplorer(acts, 1)
    assert state_of(made) < most
    # The examples are those of the label that is chosen, and some others.
    made.label = names[labels - 7]
    faces, _ = unpack(made._examples)
    if kind == "none":
        assert len(faces["face"]) == 0
    else:
        own = faces["face"][faces["face_label"] == labels - 7]
        assert len(own) == min(each, 24)
        assert set(acts.labels[own]) == {labels - 7}
        assert len(set(faces["face_label"])) > 10
    assert state_of(made) < most


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), labels=st.integers(1, 7), kind=st.sampled_from("ncdz"))
def test_each_width_has_the_bins_that_the_picture_says(seed: int, labels: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(40 * labels, 3)) + rng.normal(size=(labels, 3)).repeat(40, axis=0)
    if kind == "c":  # of few values, and one that never changes
        values = values.round()
        values[:, 1] = 2
    elif kind == "d":  # all labels alike
        values = np.tile(values[:40], (labels, 1))
    elif kind == "z":  # a label on its own
        values[:40] += 1000
    acts = nw.Activations.from_arrays(values, labels=np.arange(labels).repeat(40))
    found = nw.ranges(acts)
    for neuron in range(3):
        first, edges = found.first_widths(neuron), found.edges[neuron]
        middle = (edges[1:] + edges[:-1]) / 2
        for c in range(labels):
            for step in (0, 1, 7, 50, 99, 100, 137, 200, 333, 399, 400):
                pieces = found.pieces(neuron, str(c), step / 100, "discriminative")
                inside = ((middle >= pieces[:, :1]) & (middle <= pieces[:, 1:])).any(axis=0)
                np.testing.assert_array_equal(first[c] <= step, inside)


def test_many_samples_are_thinned() -> None:
    values = np.random.default_rng(0).normal(size=(45_000, 2)).astype("f4")
    acts = nw.Activations.from_arrays(values, labels=np.arange(45_000) % 2)
    tensors, about = unpack(nw.RangeExplorer(acts, 0)._picture)
    assert about["count"] == [22_500, 22_500]
    assert np.diff(tensors["start"]).tolist() == [20_000, 20_000]
    assert tensors["activation"][0] == values[::2, 0].min()


def test_a_page_of_its_own(explorer: Any, tmp_path: Any) -> None:
    text = explorer.to_html(tmp_path / "ranges").read_text("utf-8")
    assert "RangeExplorer(neuron 3 of layer" in text
    state = json.loads(re.findall(r'id="state">(.*?)</script>', text, re.S)[0])
    assert base64.b64decode(state["_picture"][1]) == explorer._picture
    assert "cdn" not in text


def test_former_names_of_traits_work_and_warn(explorer: Any) -> None:
    with pytest.warns(DeprecationWarning, match="use RangeExplorer.this_neuron_only"):
        explorer.alone = True
    assert explorer.this_neuron_only
    with pytest.warns(DeprecationWarning, match="use RangeExplorer.capabilities"):
        assert explorer.can == explorer.capabilities
