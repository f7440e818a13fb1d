"""Classifiers of two classes with one output, as scikit-learn's: the log-odds of the second."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

import neuronwidgets as nw
from neuronwidgets.interventions.held_out import PredictionReader
from neuronwidgets.models.classes import (
    class_codes,
    class_logits,
    class_names,
    logits_of,
    two_logits,
)

CLASSES = ["ham", "spam"]


class Net(nn.Module):
    """A body and a head; `columns` of 0 leaves the axis out."""

    def __init__(self, body: nn.Module, head: nn.Linear, columns: int) -> None:
        super().__init__()
        self.body, self.head, self.columns = body, head, columns

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = self.head(self.body(x))
        return found[:, 0] if self.columns == 0 else found


@pytest.fixture(scope="module")
def case() -> dict[str, Any]:
    """A body, scikit-learn's own regression on it, and the same with two outputs."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    x = (rng.normal(size=(300, 6)) + y[:, None] * 0.8).astype("f4")
    body = nn.Sequential(nn.Linear(6, 10), nn.ReLU())
    with torch.no_grad():
        fitted = LogisticRegression().fit(body(torch.tensor(x)).numpy(), np.array(CLASSES)[y])
    one, two = nn.Linear(10, 1), nn.Linear(10, 2)
    with torch.no_grad():
        weight, bias = torch.tensor(fitted.coef_), torch.tensor(fitted.intercept_)
        one.weight.copy_(weight)
        one.bias.copy_(bias)
        two.weight.copy_(torch.cat([-weight, weight]) / 2)
        two.bias.copy_(torch.cat([-bias, bias]) / 2)
    acts = nw.capture(Net(body, two, 2), x[:200], "body.1", labels=np.array(CLASSES)[y[:200]],
                      progress=False)  # fmt: skip
    return {"body": body, "one": one, "two": two, "fitted": fitted, "acts": acts, "x": x[200:],
            "train": x[:200], "names": np.array(CLASSES)[y[200:]], "y": y[200:]}  # fmt: skip


def evaluated(case: dict[str, Any], model: nn.Module, **more: Any) -> nw.MaskReport:
    options: dict[str, Any] = {"labels": case["names"], "classes": CLASSES, "top": 4} | more
    with warnings.catch_warnings():
        # Of scikit-learn 1.3 to 1.8, about tensors that it takes for arrays.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        return nw.evaluate_masks(
            model, case["x"], nw.ranges(case["acts"]), batch_size=32, progress=False, **options
        )


class Body(nn.Module):
    """The body alone: the head is scikit-learn's."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


@pytest.mark.parametrize(
    "kind", ["B x 1", "B", "tensor", "decision_function", "column", "predict_log_proba",
             "predict_proba"],
)  # fmt: skip
def test_one_output_is_as_good_as_two(case: dict[str, Any], kind: str) -> None:
    expected = evaluated(case, Net(case["body"], case["two"], 2))
    fitted, predict = case["fitted"], None
    model: nn.Module = Net(case["body"], case["one"], 0 if kind == "B" else 1)
    if kind not in ("B", "B x 1"):
        model = Body(case["body"])
        predict = {
            "tensor": lambda out: case["one"](out)[:, 0],
            "decision_function": lambda out: fitted.decision_function(out.numpy()),
            "column": lambda out: fitted.decision_function(out.numpy())[:, None],
            "predict_log_proba": lambda out: fitted.predict_log_proba(out.numpy()),
            "predict_proba": lambda out: fitted.predict_proba(out.numpy()),
        }[kind]
    found = evaluated(case, model, predict=predict)
    assert (found.right == expected.right).mean() > 0.999
    np.testing.assert_allclose(found.confidence, expected.confidence, atol=1e-4)
    accuracy = (fitted.predict(case["body"](torch.tensor(case["x"])).detach().numpy())
                == case["names"]).mean()  # fmt: skip
    assert found.right[0].mean() == pytest.approx(accuracy)


def test_labels_that_are_numbers_need_no_classes(case: dict[str, Any]) -> None:
    model = Net(case["body"], case["one"], 1)
    labels = np.arange(200) % 2
    acts = nw.capture(model, case["train"], "body.1", labels=labels, progress=False)
    report = nw.evaluate_masks(
        model, case["x"], nw.ranges(acts), labels=case["y"], top=4, progress=False
    )
    assert report.right[0].mean() == evaluated(case, model).right[0].mean()


@pytest.mark.parametrize("method", ["gradient", "integrated"])
@pytest.mark.parametrize("columns", [0, 1])
@pytest.mark.parametrize("label", CLASSES)
def test_saliency_of_both_classes(
    case: dict[str, Any], method: str, columns: int, label: str
) -> None:
    options: dict[str, Any] = {"data": case["train"], "classes": CLASSES}
    two = nw.salient(case["acts"], label, method, model=Net(case["body"], case["two"], 2),
                     **options)  # fmt: skip
    one = nw.salient(case["acts"], label, method, model=Net(case["body"], case["one"], columns),
                     **options)  # fmt: skip
    assert np.abs(two.scores).max() > 0
    np.testing.assert_allclose(one.scores, two.scores, atol=1e-6)
    np.testing.assert_array_equal(one.neurons, two.neurons)


def test_saliency_by_scikit_learn_has_no_gradients(case: dict[str, Any]) -> None:
    fitted = case["fitted"]
    with pytest.raises(ValueError, match=r"do not require grad.*must keep torch"):
        nw.salient(case["acts"], "ham", "gradient", model=Body(case["body"]), data=case["train"],
                   classes=CLASSES,
                   predict=lambda out: fitted.decision_function(out.detach().numpy()))  # fmt: skip


def test_the_explorer_measures_them(case: dict[str, Any]) -> None:
    options: dict[str, Any] = {"data": case["x"], "labels": case["names"], "classes": CLASSES}
    made = [
        nw.RangeExplorer(case["acts"], neuron=3, model=model, **options)
        for model in (Net(case["body"], case["one"], 1), Net(case["body"], case["two"], 2))
    ]
    try:
        for explorer in made:
            explorer.wait(30)
            assert explorer.status["state"] != "error", explorer.status
        one, two = (explorer.measure for explorer in made)
        assert one["target"]
        assert one["target"] == two["target"]
        assert one["other"] == two["other"]
    finally:
        for explorer in made:
            explorer.close()


@pytest.mark.parametrize(
    ("predict", "message"),
    [
        (lambda out: torch.sigmoid(out), r"between 0 and 1 on all of the first 32.*torch\.logit"),
        (lambda out: (out > 0).long(), "must be logits, got torch.int64.*decision_function"),
        (lambda out: np.array(["ham"] * len(out)), "predict returns a ndarray without logits"),
        (lambda out: out.repeat(1, 3), r"32 samples x 2 classes, got shape \(32, 3\)"),
        (lambda out: out[:3], r"32 samples x 2 classes, got shape \(3, 1\)"),
        (lambda out: None, "predict returns a NoneType without logits"),
    ],
)
def test_answers_that_are_no_log_odds_are_refused(
    case: dict[str, Any], predict: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        evaluated(case, Net(case["body"], case["one"], 1), predict=predict)


def test_probabilities_by_way_of_logit_are_right(case: dict[str, Any]) -> None:
    model = Net(case["body"], case["one"], 1)
    plain = evaluated(case, model)
    shares = evaluated(case, model, predict=lambda out: torch.logit(torch.sigmoid(out), 1e-6))
    np.testing.assert_allclose(shares.confidence, plain.confidence, atol=1e-4)


def test_what_the_first_outputs_are_the_others_are() -> None:
    """A mask may move log-odds into [0, 1], or make a row of logits sum to one."""
    codes = torch.tensor([0, 1, 1, 0])
    answers = PredictionReader(2, None)
    found, sure = answers(torch.tensor([-1.0, 2, -3, 4]), codes)
    assert found.tolist() == [0, 1, 0, 1]
    np.testing.assert_allclose(sure, torch.sigmoid(torch.tensor([1.0, 2, -3, -4])), rtol=1e-6)
    found, sure = answers(torch.full((4, 1), 0.25), codes)
    assert found.tolist() == [1, 1, 1, 1]
    ready = torch.tensor([[0.5, 0.5]] * 4)
    np.testing.assert_allclose(PredictionReader(2, None)(ready * 2, codes)[1], 0.5)
    of_shares = PredictionReader(2, None)
    shares = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [1.0, 0.0]])
    np.testing.assert_allclose(of_shares(shares, codes)[1], [0.9, 0.8, 0.6, 1.0])


def test_two_logits_differ_by_the_log_odds() -> None:
    odds = torch.tensor([[-2.0], [3.0]])
    assert two_logits(odds).tolist() == [[1.0, -1.0], [-1.5, 1.5]]
    assert class_logits(odds[:, 0], 2, 2).tolist() == two_logits(odds).tolist()
    assert class_logits(odds, 2, 1) is odds
    with pytest.raises(ValueError, match=r"2 samples x 3 classes, got shape \(2, 1\)"):
        class_logits(odds, 2, 3)
    assert logits_of(np.float32([[1, 2]])).tolist() == [[1, 2]]


def test_logits_of_a_dict_are_its_entry_of_that_name() -> None:
    odds, loss = torch.tensor([[-2.0, 3.0]]), torch.tensor(0.5)
    assert logits_of({"loss": loss, "logits": odds}) is odds
    assert logits_of({"logits": odds}, lambda output: output["logits"] * 2).tolist() == [[-4, 6]]
    with pytest.raises(ValueError, match="returns a dict without logits: pass predict="):
        logits_of({"loss": loss})


def test_the_cost_of_masks_in_a_model_that_returns_a_dict() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act, self.out = nn.ReLU(), nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            hidden = self.act(x)
            return {"hidden": hidden, "logits": self.out(hidden)}

    torch.manual_seed(0)
    model, x = Named(), torch.randn(40, 4)
    labels = (x[:, 0] > 0).long().tolist()
    acts = nw.capture(model, x[:20], "act", labels=labels[:20], progress=False)
    given: dict[str, Any] = {"labels": labels[20:], "progress": False}
    report = nw.evaluate_masks(model, x[20:], nw.ranges(acts), **given)
    by_hand = nw.evaluate_masks(
        model, x[20:], nw.ranges(acts), predict=lambda output: output["logits"], **given
    )
    np.testing.assert_array_equal(report.confidence, by_hand.confidence)
    assert report.resumed


class Configured(nn.Module):
    def __init__(self, id2label: Any) -> None:
        super().__init__()
        self.config = type("Config", (), {"id2label": id2label})()


def test_names_of_outputs_in_every_form() -> None:
    twelve = {str(i): f"n{i}" for i in range(12)}
    expected = [f"n{i}" for i in range(12)]
    assert class_names(Configured(twelve), ["n10", "n2"], None) == expected
    assert class_names(Configured(None), ["n10", "n2"], twelve) == expected
    assert class_names(Configured({}), ["0", "1"], None) == ["0", "1"]
    for classes in (np.array([0, 1]), np.array([0.0, 1.0]), [False, True], {"0": "0", "1": 1}):
        assert class_names(Configured(None), ["0", "1"], classes) == ["0", "1"]
    with pytest.raises(ValueError, match=r"config\.id2label has no name for 1"):
        class_names(Configured({0: "a", 2: "b"}), ["a", "b"], None)
    with pytest.raises(ValueError, match="got the key 'a'"):
        class_names(Configured(None), ["a", "b"], {"a": 0, "b": 1})


def test_labels_of_held_out_samples_in_every_form() -> None:
    names = ["0", "1"]
    for labels in ([0.0, 1.0], [np.float32(0), True], ["0", b"1"], [torch.tensor(0), np.int8(1)]):
        assert class_codes(labels, names).tolist() == [0, 1]
    assert class_codes([True, False], ["True", "False"]).tolist() == [0, 1]
    for missing in (None, float("nan"), -1, np.ma.masked):
        with pytest.raises(ValueError, match="a sample without a label"):
            class_codes([0, missing], names)


@pytest.mark.parametrize("gap", [None, float("nan"), -1, pd.NA, pd.NaT])
def test_held_out_samples_without_a_label_are_named(case: dict[str, Any], gap: Any) -> None:
    labels = [*case["names"][:40], gap, *case["names"][41:]]
    with pytest.raises(ValueError, match="sample 40 has no label"):
        evaluated(case, Net(case["body"], case["one"], 1), labels=labels)


@pytest.mark.parametrize("made", [pd.Series, pd.Categorical, pa.array, list])
def test_held_out_labels_of_every_library(case: dict[str, Any], made: Any) -> None:
    model = Net(case["body"], case["one"], 1)
    found = evaluated(case, model, labels=made(case["names"].tolist()))
    np.testing.assert_array_equal(found.right, evaluated(case, model).right)


def test_log_probabilities_are_of_the_same_logits() -> None:
    codes = torch.tensor([0, 1, 1, 0])
    logits = torch.tensor([[300.0, 0], [300, 0], [0.2, 0.1], [-1, 2]])
    read = PredictionReader(2, None)
    found, sure, nats = read.with_nats(logits, codes)
    assert found.tolist() == [0, 0, 0, 1]
    # Where the probability is 0 in float32, the logarithm still is what it is.
    assert sure[1] == 0
    assert nats[1] == -300
    np.testing.assert_allclose(nats, logits.log_softmax(-1)[range(4), codes])
    shares = torch.tensor([[0.9, 0.1], [0.2, 0.8], [1.0, 0.0], [0.4, 0.6]])
    nats = PredictionReader(2, None).with_nats(shares, codes)[2]
    np.testing.assert_allclose(nats, np.log([0.9, 0.8, 2.0**-126, 0.4]), rtol=1e-6)
