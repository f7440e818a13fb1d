"""evaluate_masks: resumed equals full, and the report equals counting by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.interventions import MaskReport

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
        with nw.mask_neurons(model, case["ranges"], "hat", top=4):
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
            v = 1 + 3 * report.taus.index(row["tau"]) + c
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
    report.to_altair().to_dict()


def test_bootstrap_covers_the_binomial() -> None:
    rng = np.random.default_rng(0)
    right = np.stack([np.ones(2000, bool), rng.random(2000) < 0.6, rng.random(2000) < 0.6])
    report = MaskReport("l", ("a",), (1.0,), np.zeros(2000, int), np.array([0]), right,
                        np.zeros((3, 2000), np.float32), True, "")  # fmt: skip
    row = report.frontier().iloc[0]
    wide = 1.96 * np.sqrt(0.6 * 0.4 / 2000)
    assert row["target_drop_high"] - row["target_drop_low"] == pytest.approx(2 * wide, rel=0.15)
    assert np.isnan(row["other_drop"])


def test_labels_from_the_data_and_numbers(case: dict[str, Any]) -> None:
    pairs = [(x, int(y)) for x, y in zip(case["x"], case["y"], strict=True)]
    from_data = nw.evaluate_masks(case["model"], pairs, case["ranges"], classes=CLASSES,
                                  progress=False)  # fmt: skip
    given = evaluate(case, tau=2.0, top=0.3)
    np.testing.assert_array_equal(from_data.right, given.right)


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
    held_out = nw.evaluate_masks(model, images[20:], train, labels=labels[20:], progress=False)
    assert held_out.right.shape == (5, 20)
    with pytest.raises(ValueError, match="sample 0 is one of those"):
        nw.evaluate_masks(model, images[17:], train, labels=labels[17:], progress=False)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"labels": None}, "no labels"),
        ({"labels": ["hat"] * 299}, "299 entries"),
        ({"labels": ["cap"] * 300}, "'cap'"),
        ({"classes": ["hat", "boot"]}, "'bag'"),
        ({"classes": [*CLASSES, "sock"]}, "logits have shape"),
        ({"tau": -1}, "tau=-1"),
        ({"top": 99}, "top=99"),
        ({"neurons": {"hat": [1]}}, "no entry"),
        ({"predict": lambda out: out[0]}, "logits have shape"),
    ],
)
def test_bad_input(case: dict[str, Any], more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        evaluate(case, **more)
