"""What RangeExplorer measures, and the jobs that measure it."""

from __future__ import annotations

import re
import threading
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw


def test_what_is_measured_is_what_evaluate_masks_says(explorer: Any, case: dict[str, Any]) -> None:
    for rule, tau, top in (("gaussian", 2.0, 0.3), ("discriminative", 0.8, 0.5)):
        explorer.rule, explorer.tau, explorer.top = rule, tau, top
        assert explorer.wait(30)
        report = nw.evaluate_masks(
            case["model"], case["data"], nw.ranges(case["acts"]), tau, top, rule=rule,
            labels=case["labels"], classes=case["classes"], random_bands=5, progress=False,
        )  # fmt: skip
        rows = report.to_frame().query("label == 'boot'").set_index("mask")
        for part in ("target", "other"):
            for mask in ("base", "range", "neuron"):
                value, low, high = explorer.measure[part][mask]
                assert value == pytest.approx(rows.loc[mask, part])
                assert low <= value <= high
            value, low, high = explorer.measure["random"][part]
            assert value == pytest.approx(rows.loc["random", part])
            assert low <= value <= high
        assert explorer.measure["random"]["draws"] == 5
        assert explorer.measure["samples"] == explorer.measure["of"] == 400
        assert explorer.measure["for"]["tau"] == tau


def test_changes_are_paired_and_in_nats(explorer: Any, case: dict[str, Any]) -> None:
    model, x = case["model"], torch.from_numpy(case["data"])
    kind = np.array([case["classes"].index(name) for name in case["labels"]])

    def scored() -> tuple[np.ndarray, np.ndarray]:
        with torch.no_grad():
            log_p = model(x).double().log_softmax(-1).numpy()
        return (log_p.argmax(1) == kind).astype("f8"), log_p[np.arange(400), kind]

    before = scored()
    with explorer.mask():
        masked = scored()
    with nw.mask_neurons(model, explorer.ranges, "boot", replacement="mean"):
        whole = scored()
    boot = kind == case["classes"].index("boot")
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
                            labels=case["labels"], classes=case["classes"])  # fmt: skip
    made.this_neuron_only = True
    assert made.wait(30)
    _, low, high = made.measure["target_change"]["range"]
    assert low <= 0 <= high
    (said, *_) = made.measure["findings"]
    assert said.startswith("One neuron alone does not show in the accuracy of 'boot': it changes")
    assert "nats a sample" in said


def test_a_mask_that_always_makes_the_same_answer_says_so(case: dict[str, Any]) -> None:
    made = nw.RangeExplorer(case["acts"], 3, "boot", top=1.0, model=case["model"],
                            data=case["data"], labels=case["labels"],
                            classes=case["classes"])  # fmt: skip
    assert made.wait(30)
    assert any(
        re.match(
            r"Under the neuron mask the model predicts '\w+' for 100% of all samples", sentence
        )
        for sentence in made.measure["findings"]
    )


def test_a_range_that_costs_no_more_than_random_bands_says_so(case: dict[str, Any]) -> None:
    made = nw.RangeExplorer(case["acts"], 3, "boot", 0.05, top=0.1, model=case["model"],
                            data=case["data"], labels=case["labels"],
                            classes=case["classes"])  # fmt: skip
    assert made.wait(30)
    said = [sentence for sentence in made.measure["findings"] if "random bands" in sentence]
    assert len(said) == 1
    made.tau, made.top = 1.5, 1.0
    assert made.wait(30)
    assert made.measure["random"]["target"][0] > made.measure["target"]["range"][2]
    assert not any("random bands" in sentence for sentence in made.measure["findings"])


def test_partial_results_come_as_batches_do(case: dict[str, Any]) -> None:
    seen: list[int] = []
    other = nw.RangeExplorer(case["acts"], 0, 0, model=case["model"], data=case["data"],
                             labels=case["labels"], classes=case["classes"],
                             batch_size=100)  # fmt: skip
    other.observe(lambda change: seen.append(change["new"]["samples"]), "measure")
    assert other.wait(30)
    other.tau = 1.3
    assert other.wait(30)
    # Once more when all is measured, and with the random bands.
    assert seen[-6:] == [100, 200, 300, 400, 400, 400]


def test_cancelled_and_closed(case: dict[str, Any]) -> None:
    model = case["model"]
    model.gate.clear()
    try:
        made = nw.RangeExplorer(case["acts"], 0, 0, model=model, data=case["data"],
                                labels=case["labels"], classes=case["classes"])  # fmt: skip
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
               "classes": case["classes"]}  # fmt: skip
    with nw.mask_neurons(case["model"], found, "hat", 1.0):
        masked = nw.RangeExplorer(case["acts"], 3, "boot", **options)
        assert masked.wait(30)
    plain = nw.RangeExplorer(case["acts"], 3, "boot", **options)
    assert plain.wait(30)
    assert masked.measure["target"] == plain.measure["target"]
    assert masked.measure["other"] == plain.measure["other"]


def test_new_weights_are_measured_anew(case: dict[str, Any]) -> None:
    model = type(case["model"])()
    model.load_state_dict(case["model"].state_dict())
    explorer = nw.RangeExplorer(case["acts"], 3, "boot", model=model, data=case["data"],
                                labels=case["labels"], classes=case["classes"])  # fmt: skip
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
                                labels=case["labels"], classes=case["classes"])  # fmt: skip
    explorer.tau = 1.0
    explorer.cancel()
    explorer.tau = 1.5
    gate.set()
    assert explorer.wait(30)
    assert explorer.status["state"] == "idle"
    assert explorer.measure["samples"] == 400
    assert explorer.measure["for"]["tau"] == 1.5


def test_measuring_fails_in_words(case: dict[str, Any]) -> None:
    made = nw.RangeExplorer(
        case["acts"], 0, 0, model=case["model"], data=case["data"],
        labels=np.where(np.arange(400) == 150, "cap", case["labels"]), classes=case["classes"],
    )  # fmt: skip
    assert made.wait(30)
    assert made.status["state"] == "error"
    assert "data has the label 'cap'" in made.status["text"]
    # What was read before the error is not all there is.
    made.tau = 1.0
    assert made.wait(30)
    assert "data has the label 'cap'" in made.status["text"]
