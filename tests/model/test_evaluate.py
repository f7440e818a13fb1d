"""evaluate_masks: resumed equals full, and the report equals counting by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import neuronwidgets as nw
from neuronwidgets.interventions.masks import range_edit
from neuronwidgets.interventions.random_bands import random_edit
from neuronwidgets.interventions.report import MaskReport
from neuronwidgets.interventions.setting import Setting
from neuronwidgets.models.classes import class_codes

CLASSES = ["hat", "boot", "bag"]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.below = nn.Sequential(nn.Linear(8, 12), nn.ReLU())
        self.above = nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.above(self.below(x))


@pytest.fixture(scope="module")
def case() -> dict[str, Any]:
    """A trained classifier of three overlapping clouds, with a training and a test set."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 8)) * 1.5
    y = rng.integers(0, 3, 600)
    x = (centres[y] + rng.normal(size=(600, 8))).astype("f4")
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(150):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(torch.from_numpy(x[:300])), torch.tensor(y[:300]))
        torch.autograd.backward(loss)
        optimizer.step()
    names = np.array(CLASSES)[y]
    acts = nw.capture(model, x[:300], "below", labels=names[:300], progress=False)
    return {"model": model, "x": x[300:], "y": y[300:], "names": names[300:],
            "ranges": nw.ranges(acts), "acts": acts}  # fmt: skip


def evaluate(case: dict[str, Any], **more: Any) -> MaskReport:
    options: dict[str, Any] = {
        "tau": [0.5, 2.0], "top": 4, "labels": case["names"], "classes": CLASSES,
        "batch_size": 64, "progress": False,
    } | more  # fmt: skip
    return nw.evaluate_masks(case["model"], case["x"], case["ranges"], **options)


def test_resumed_equals_full_passes_and_masks_by_hand(case: dict[str, Any]) -> None:
    fast, slow = evaluate(case), evaluate(case, resume=False)
    assert fast.resumed
    assert not slow.resumed
    np.testing.assert_array_equal(fast.right, slow.right)
    np.testing.assert_allclose(fast.confidence, slow.confidence, atol=1e-5)
    assert fast.right.shape == (1 + 3 * 3, 300)
    model, x = case["model"], torch.from_numpy(case["x"])
    with torch.no_grad():
        base = model(x).argmax(1).numpy()
        np.testing.assert_array_equal(fast.right[0], base == case["y"])
        for t, tau in enumerate([0.5, 2.0]):
            for c, name in enumerate(case["ranges"].label_names):
                with nw.mask_range(model, case["ranges"], name, tau, top=4):
                    masked = model(x).argmax(1).numpy()
                right = fast.right[1 + 3 * t + c]
                np.testing.assert_array_equal(right, masked == case["y"])
        with nw.mask_neurons(model, case["ranges"], "hat", top=4, replacement="mean"):
            masked = model(x).argmax(1).numpy()
    hat = case["ranges"].label_names.index("hat")
    np.testing.assert_array_equal(fast.right[1 + 6 + hat], masked == case["y"])
    assert not any(m._forward_hooks for m in model.modules())


def test_the_report_counts_right(case: dict[str, Any]) -> None:
    report = evaluate(case)
    frame = report.to_frame()
    assert len(frame) == 3 * 4
    for row in frame.to_dict("records"):
        code = CLASSES.index(row["label"])
        c = report.label_names.index(row["label"])
        v = {"base": 0, "neuron": 1 + 6 + c}.get(row["mask"])
        if v is None:
            taus = [setting.tau for setting in report.settings]
            v = 1 + 3 * taus.index(row["tau"]) + c
        mine = case["y"] == code
        assert row["target"] == pytest.approx(report.right[v][mine].mean())
        assert row["other"] == pytest.approx(report.right[v][~mine].mean())
        assert row["target_low"] <= row["target"] <= row["target_high"]
    table = report.frontier()
    assert table["mask"].tolist() == ["range", "range", "neuron"]
    base = frame[frame["mask"] == "base"]["target"].to_numpy()
    masked = frame[(frame["mask"] == "range") & (frame["tau"] == 0.5)]["target"].to_numpy()
    drop = (base - masked).mean()
    assert table["target_drop"][0] == pytest.approx(drop)
    assert table["share_target"][2] == 1
    assert (table["target_drop_low"] <= table["target_drop_high"]).all()
    # A wider range takes more of the label away.
    assert table["target_drop"][1] >= table["target_drop"][0]
    assert "tau 0.5" in report._repr_html_()
    bundle, _ = report.to_altair()._repr_mimebundle_()
    spec = report.to_altair().to_dict()
    # On one scale with the rules, the mask "base" would take a rule's colour.
    assert spec["resolve"]["scale"]["color"] == "independent"
    assert spec["config"]["background"] == "transparent"
    # As Jupyter sends it: no infinite width, no NaN.
    assert "v5.json" in json.dumps(bundle, allow_nan=False)


def test_bootstrap_covers_the_binomial() -> None:
    rng = np.random.default_rng(0)
    wrong = np.stack([np.zeros(2000), rng.random(2000) >= 0.6, rng.random(2000) >= 0.6])
    ways = (Setting("max", "gaussian", 1.0), Setting("max", "neuron", np.inf))
    report = MaskReport("l", ("a",), ways, np.zeros(2000, int), np.array([0]),
                        wrong.astype(int), np.zeros((3, 2000), np.float32))  # fmt: skip
    row = report.frontier().iloc[0]
    wide = 1.96 * np.sqrt(0.6 * 0.4 / 2000)
    assert row["target_drop_high"] - row["target_drop_low"] == pytest.approx(2 * wide, rel=0.15)
    assert np.isnan(row["other_drop"])


def test_labels_from_the_data_and_numbers(case: dict[str, Any]) -> None:
    pairs = [(x, int(y)) for x, y in zip(case["x"], case["y"], strict=True)]
    from_data = nw.evaluate_masks(case["model"], pairs, case["ranges"], classes=CLASSES,
                                  progress=False)  # fmt: skip
    given = evaluate(case, tau=torch.tensor([2.0]), top=0.3)
    np.testing.assert_array_equal(from_data.right, given.right)


def test_data_in_another_order_than_labels_given_apart_are_refused(case: dict[str, Any]) -> None:
    rows, codes = torch.tensor(case["x"]), torch.tensor(case["y"])
    options: dict[str, Any] = {"classes": CLASSES, "tau": 2.0, "progress": False}
    loader = DataLoader(TensorDataset(rows), 64, shuffle=True)
    with pytest.raises(ValueError, match=r"labels= are in the order .* has a RandomSampler"):
        nw.evaluate_masks(case["model"], loader, case["ranges"], labels=case["names"], **options)
    expected = evaluate(case, tau=2.0, top=0.3).right.mean(1)
    for data, labels in (
        (DataLoader(TensorDataset(rows, codes), 64, shuffle=True), None),
        (DataLoader(TensorDataset(rows), 64), case["names"]),
    ):
        found = nw.evaluate_masks(case["model"], data, case["ranges"], labels=labels, **options)
        np.testing.assert_allclose(found.right.mean(1), expected, atol=1e-9)
    for wrong in (case["names"][:299], [*case["names"], "hat"]):
        with pytest.raises(ValueError, match=f"got {len(wrong)} entries and data with"):
            nw.evaluate_masks(case["model"], iter(rows), case["ranges"], labels=wrong, **options)


def test_chosen_neurons_and_a_model_with_hooks(case: dict[str, Any]) -> None:
    chosen = {name: [0, 1] for name in CLASSES}
    assert evaluate(case, neurons=chosen).right.shape == (10, 300)
    handle = case["model"].above.register_forward_hook(lambda *_: None)
    try:
        report = evaluate(case)
    finally:
        handle.remove()
    assert not report.resumed
    assert "hooks" in report.note
    assert "full passes" in repr(report)


def test_held_out_data_only() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (40, 6, 6), dtype=np.uint8)
    labels = ["a", "b"] * 20
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 5), nn.ReLU(), nn.Linear(5, 2))
    train = nw.ranges(nw.capture(model, images[:20], "2", labels=labels[:20], progress=False))
    held_out = nw.evaluate_masks(model, images[20:], train, labels=labels[20:], classes=["a", "b"],
                                 progress=False)  # fmt: skip
    assert held_out.right.shape == (5, 20)
    with pytest.raises(ValueError, match="sample 0 is one of those"):
        nw.evaluate_masks(model, images[17:], train, labels=labels[17:], classes=["a", "b"],
                          progress=False)  # fmt: skip


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"labels": None}, "no labels"),
        ({"labels": ["hat"] * 299}, "299 entries"),
        ({"labels": ["cap"] * 300}, "'cap'"),
        ({"classes": ["hat", "boot"]}, "'bag'"),
        ({"classes": None}, "does not say which of its outputs are 'bag', 'boot', 'hat'"),
        ({"classes": [*CLASSES, "sock"]}, "the logits must be"),
        ({"tau": -1}, "tau must be .* got -1"),
        ({"top": 99}, "top must be a share .* got 99"),
        ({"neurons": {"hat": [1]}}, "no entry"),
        ({"predict": lambda out: out[0]}, "the logits must be"),
        ({"rule": "best"}, "rule must be one of .* got 'best'"),
        (
            {"metrics": {"mine": lambda out, y: 1.0}},
            "metric 'mine' must return one number for each of 64 samples, got shape",
        ),
        ({"texts": ["hello"]}, "no tokenizer"),
    ],
)
def test_bad_input(case: dict[str, Any], more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        evaluate(case, **more)


def test_neurons_of_labels_that_are_numbers(case: dict[str, Any]) -> None:
    acts = nw.Activations.from_arrays(case["acts"].values, None, case["acts"].labels, "below")
    numbered = case | {"ranges": nw.ranges(acts), "names": case["y"]}
    report = evaluate(numbered, neurons={i: [0, i + 1] for i in range(3)}, classes=None)
    assert report.right.shape == (10, 300)


def test_rules_and_saliency_methods_on_one_page(case: dict[str, Any]) -> None:
    acts = case["acts"]
    methods = {m: {c: nw.salient(acts, c, m, 4).neurons for c in CLASSES}
               for m in ("max", "probe")}  # fmt: skip
    rules = ["gaussian", "quantile", "discriminative"]
    report = evaluate(case, rule=rules, neurons=methods)
    assert len(report.settings) == 2 * (3 * 2 + 1)
    assert report.right.shape == (1 + 14 * 3, 300)
    table = report.frontier()
    assert table["saliency"].tolist() == ["max"] * 7 + ["probe"] * 7
    assert table["rule"].tolist()[:7] == [r for r in rules for _ in range(2)] + ["neuron"]
    # The same masks as alone, by the default method.
    alone = evaluate(case, rule="discriminative")
    mine = table[(table["rule"] == "discriminative") & (table["saliency"] == "max")]
    kept = alone.frontier().iloc[:2]
    np.testing.assert_allclose(mine["target_drop"], kept["target_drop"])
    np.testing.assert_allclose(mine["share_other"], kept["share_other"])
    # Shares are of the same method's neuron mask.
    probe = table[table["saliency"] == "probe"]
    whole = probe[probe["rule"] == "neuron"]["target_drop"].item()
    np.testing.assert_allclose(probe["share_target"], probe["target_drop"] / whole)
    assert "neurons by" in report._repr_html_()
    report.to_altair().to_dict()


def test_random_bands_are_one_more_condition(case: dict[str, Any]) -> None:
    plain, report = evaluate(case), evaluate(case, random_bands=2)
    masks = ["range", "random", "range", "random", "neuron"]
    assert [setting.mask for setting in report.conditions] == masks
    assert len(report.settings) == 7
    assert report.predicted.shape == (1 + 7 * 3, 300)
    # The draws by hand; what is not drawn is as before.
    (c,), model = np.flatnonzero(np.array(report.label_names) == "boot"), case["model"]
    right = []
    for draw in range(2):
        edit = random_edit(case["ranges"], range_edit(case["ranges"], "boot", 0.5, 4), draw)
        with torch.no_grad(), nw.applied(model, edit):
            right.append(model(torch.from_numpy(case["x"])).argmax(1).numpy() == case["y"])
        np.testing.assert_array_equal(report.right[1 + 3 * (1 + draw) + c], right[draw])
    boot = case["y"] == CLASSES.index("boot")
    own_rows = report.to_frame(resamples=50).query("label == 'boot' and tau == 0.5")
    (row,) = own_rows.query("mask == 'random'").to_dict("records")
    assert row["target"] == pytest.approx(np.mean(right, axis=0)[boot].mean())
    assert row["other"] == pytest.approx(np.mean(right, axis=0)[~boot].mean())
    assert row["target_low"] <= row["target"] <= row["target_high"]
    drops = report.by_label(resamples=10).query("mask == 'random' and tau == 0.5")
    (own,) = drops.query("masked == 'boot' and label == 'boot'")["drop"]
    assert own == pytest.approx(report.right[0][boot].mean() - row["target"])
    table = report.frontier(resamples=50)
    assert table["mask"].tolist() == masks
    rest = table[table["mask"] != "random"].reset_index(drop=True)
    np.testing.assert_allclose(rest["target_drop"], plain.frontier(resamples=50)["target_drop"])
    assert "gaussian, tau 0.5, random band" in report._repr_html_()
    spec = json.dumps(report.to_altair().to_dict())
    assert "random band" in spec
    assert "random band" not in json.dumps(plain.to_altair().to_dict())
    with pytest.raises(ValueError, match="random_bands must be"):
        evaluate(case, random_bands=-1)


def constructed(
    predicted: list[list[int]], truth: list[int], times: int = 50, **more: Any
) -> MaskReport:
    """A report on two labels, one width: base, "a" and "b" by range, "a" and "b" by neuron."""
    ways = (Setting("max", "gaussian", 2.0), Setting("max", "neuron", np.inf))
    found = np.repeat(np.array(predicted), times, axis=1)
    zeros = np.zeros(found.shape, np.float32)
    return MaskReport(
        "l", ("a", "b"), ways, np.repeat(truth, times), np.array([0, 1]), found, zeros,
        class_names=("a", "b"), **more,
    )  # fmt: skip


def test_each_labels_drop_and_what_an_average_hides() -> None:
    # Under its neuron mask "a" is always said; under its range mask "b" gains what it lacked.
    report = constructed([[0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 1, 1], [0] * 4, [0, 0, 1, 0]],
                         [0, 0, 1, 1])  # fmt: skip
    table = report.by_label(resamples=200).set_index(["mask", "masked", "label"])
    assert table.loc[("neuron", "a", "b"), "drop"] == pytest.approx(0.5)
    assert table.loc[("neuron", "a", "a"), "drop"] == 0
    assert table.loc[("range", "b", "b"), "drop"] == pytest.approx(-0.5)
    row = table.loc[("range", "b", "b")]
    assert row["drop_low"] < row["drop"] < row["drop_high"]
    flips, gains = sorted(report.findings, key=lambda sentence: "rises" in sentence)
    assert "gaussian range mask (tau 2) of 'b' the label's own accuracy rises by 0.50" in gains
    assert "mask of 'a' the model predicts 'a' for 100% of all samples (75% without" in flips
    page = report._repr_html_()
    assert "b 0.500" in page
    assert "rises by 0.50" in page


@pytest.mark.parametrize(("samples", "clear"), [(5, False), (6, True)])
def test_a_gain_of_few_samples_is_not_talked_about(samples: int, clear: bool) -> None:
    # Under the range mask of "b" all its samples are right, and none was. By the exact test of
    # McNemar p is 0.06 for five and 0.03 for six.
    base, gains = [0, 0, 0], [0, 0, 1]
    report = constructed([base, base, gains, base, base], [0, 0, 1], samples)
    assert any("rises by 1.00" in sentence for sentence in report.findings) == clear


def test_masks_that_do_nothing_are_not_talked_about() -> None:
    assert constructed([[0, 0, 1, 0]] * 5, [0, 0, 1, 1]).findings == ()


def test_a_retrained_head_tells_what_the_layer_still_holds(case: dict[str, Any]) -> None:
    report = evaluate(case, head=True, tau=2.0, top=12)
    head = report.metrics["head"]
    assert head.shape == report.predicted.shape
    assert head.dtype == bool
    # In the base pass a ridge head does about as well as the model's own.
    assert head[0].mean() == pytest.approx(report.right[0].mean(), abs=0.05)
    # All neurons at one value: nothing is left to be read but the most frequent label.
    most = np.bincount(case["y"]).max() / len(case["y"])
    assert (head[-3:].mean(axis=1) <= most + 0.02).all()
    plain = evaluate(case, tau=2.0, top=12)
    np.testing.assert_array_equal(plain.predicted, report.predicted)
    assert "target_head_drop" in report.frontier(resamples=50)
    # Two neurons of many: the label is gone from the model sooner than from the layer.
    kept = np.repeat(np.array([[1, 1, 1, 1]] * 5), 50, axis=1).astype(bool)
    found = constructed([[0, 0, 1, 1], [1, 1, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]],
                        [0, 0, 1, 1], metrics={"head": kept}).findings  # fmt: skip
    assert any("by 1.00 in the model and by 0.00 in a retrained linear head" in s for s in found)


def test_metrics_of_the_user(case: dict[str, Any]) -> None:
    def margin(output: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        best = output.topk(2).values
        return best[:, 0] - best[:, 1]

    report = evaluate(case, metrics={"margin": margin})
    with torch.no_grad():
        expected = margin(case["model"](torch.from_numpy(case["x"])), torch.zeros(300))
    np.testing.assert_allclose(report.metrics["margin"][0], expected, rtol=1e-5)
    frame = report.to_frame(resamples=50)
    mine = case["y"] == CLASSES.index(report.label_names[0])
    row = frame.iloc[0]
    assert row["target_margin"] == pytest.approx(expected.numpy()[mine].mean(), rel=1e-5)
    assert row["other_margin_low"] <= row["other_margin"] <= row["other_margin_high"]
    assert "target_margin_drop" in report.frontier(resamples=50)


def test_numbers_that_may_mean_two_things_are_refused() -> None:
    stars = ["1", "2", "3", "4", "5"]
    assert class_codes(["1", "5"], stars).tolist() == [0, 4]
    assert class_codes([0, 2], ["a", "b", "c"]).tolist() == [0, 2]
    assert class_codes([0, 2], ["0", "1", "2"]).tolist() == [0, 2]
    with pytest.raises(ValueError, match="may be the class '3' or the model's output 3, '4'"):
        class_codes([3], stars)


@pytest.mark.parametrize("head", [False, True])
def test_interrupted_it_reports_on_the_samples_so_far(case: dict[str, Any], head: bool) -> None:
    calls: list[int] = []

    def stopping(_: Any, codes: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        # The base and nine masks of two batches, and some of the third's.
        if len(calls) == 24:
            raise KeyboardInterrupt
        return codes.double()

    with pytest.warns(UserWarning, match="stopped after 128 of 300 samples"):
        part = evaluate(case, metrics={"stopping": stopping}, head=head)
    first = {**case, **{name: case[name][:128] for name in ("x", "y", "names")}}
    whole = evaluate(first, head=head)
    np.testing.assert_array_equal(part.truth, whole.truth)
    np.testing.assert_array_equal(part.predicted, whole.predicted)
    if head:
        np.testing.assert_array_equal(part.metrics["head"], whole.metrics["head"])


def test_interrupted_in_the_first_batch_there_is_no_report(case: dict[str, Any]) -> None:
    def stopping(*_: Any) -> torch.Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(case, metrics={"stopping": stopping})
