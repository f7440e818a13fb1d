"""CETT, `nw.probe(method="l1")`, and what its neurons do to the model."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn
from transformers.pytorch_utils import Conv1D

import neuronwidgets as nw

FEW: dict[str, Any] = {"draws": 3, "resamples": 50}
RNG = np.random.default_rng(0)


class Reader(nn.Module):
    """Neurons 0 and 1 carry the class and are read; neuron 2 carries it too and is not read."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.act = nn.Identity()
        self.out = nn.Linear(width, 2)
        self.config: Any = type("Config", (), {"id2label": {0: "no", 1: "yes"}})()
        with torch.no_grad():
            self.out.weight.mul_(0.01)
            self.out.bias.zero_()
            self.out.weight[:, 2] = 0
            self.out.weight[1, :2] = 1.5
            self.out.weight[0, :2] = -1.5

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.out(self.act(x))
        return out


def data(carriers: list[int], samples: int = 300) -> tuple[torch.Tensor, list[str]]:
    rng = np.random.default_rng(1)
    positive = rng.random(samples) < 0.5
    x = rng.normal(size=(samples, 24)).astype(np.float32)
    for neuron in carriers:
        x[:, neuron] += 3 * positive
    return torch.as_tensor(x), np.where(positive, "yes", "no").tolist()


def captured(model: nn.Module, given: Any, layer: str, **more: Any) -> nw.Activations:
    acts = nw.capture(model, given, layer, progress=False, **more)
    assert isinstance(acts, nw.Activations)
    return acts


@pytest.mark.parametrize("kind", ["linear", "conv1d", "pointwise"])
def test_cett_equals_a_hand_computation(kind: str) -> None:
    torch.manual_seed(0)
    module: Any = {
        "linear": nn.Linear(3, 2), "conv1d": Conv1D(2, 3), "pointwise": nn.Conv2d(3, 2, 1)
    }[kind]  # fmt: skip
    model = nn.Sequential(module)
    z = RNG.normal(size=(5, 3)).astype(np.float32)
    acts = nw.Activations.from_arrays(z, layer="0")
    with torch.no_grad():
        module.bias.uniform_(-1, 1)
        if kind == "pointwise":
            h = module(torch.as_tensor(z)[:, :, None, None])[:, :, 0, 0].numpy()
        else:
            h = module(torch.as_tensor(z)).numpy()
    weight = module.weight.detach().numpy()
    columns = weight.T if kind == "conv1d" else weight.reshape(2, 3)
    by_hand = np.array([
        [abs(z[s, j]) * np.linalg.norm(columns[:, j]) / (np.linalg.norm(h[s]) + 1e-8)
         for j in range(3)] for s in range(5)
    ])  # fmt: skip
    found = nw.cett(acts, model, into="0")
    np.testing.assert_allclose(found.values, by_hand, rtol=1e-5)
    assert found.layer == "0"


def test_cett_of_texts_is_the_mean_over_their_tokens() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2))
    item = np.array([0, 0, 1, 1, 1, 2])
    samples = nw.Samples(6, texts=["a b", "c d e", "f"], item=item,
                         token=np.array([0, 1, 0, 1, 2, 0], np.int32))  # fmt: skip
    z = RNG.normal(size=(6, 3)).astype(np.float32)
    acts = nw.Activations("0", z, samples, np.array([0, 0, 1, 1, 1, 0]), ("x", "y"), at="input")
    each = nw.cett(acts, model).values
    texts = nw.cett(acts, model, by="text")
    np.testing.assert_allclose(texts.values, [each[:2].mean(0), each[2:5].mean(0), each[5]])
    assert texts.labels is not None
    assert texts.labels.tolist() == [0, 1, 0]
    assert list(texts.samples.texts) == ["a b", "c d e", "f"]
    counted = np.array([True, False, False, True, False, False])
    some = nw.cett(acts, model, by="text", rows=counted)
    np.testing.assert_allclose(some.values, each[[0, 3]])
    with pytest.raises(ValueError, match="pass by='text'"):
        nw.cett(acts, model, rows=counted)


def test_cett_needs_a_linear_module_of_the_same_width() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    acts = captured(model, torch.randn(6, 3), "1")
    with pytest.raises(ValueError, match="into must name the linear module that reads layer '1'"):
        nw.cett(acts, model)
    with pytest.raises(ValueError, match="must be linear, and '1' is a ReLU"):
        nw.cett(acts, model, into="1")
    with pytest.raises(ValueError, match="'0' must read the 4 neurons of layer '1'"):
        nw.cett(acts, model, into="0")
    assert nw.cett(acts, model, into="2").shape == (6, 4)


def test_the_path_finds_planted_neurons_and_equals_scikit_learn() -> None:
    x, labels = data([0, 1])
    acts = nw.Activations.from_arrays(x.numpy(), labels=labels)
    found = nw.probe(acts, "yes", method="l1", **FEW)
    assert {0, 1} <= set(found.neurons().tolist())
    assert found.test.value["roc_auc"][found.best] > 0.95
    assert found.test.null["roc_auc"][:, found.best].max() < 0.8
    assert (np.diff((found.weights != 0).sum(axis=1)) >= -1).all()
    assert found.weights.shape == (30, 24)
    assert len(found.neurons(found.Cs[0])) <= 1 < len(found.neurons(found.Cs[-1]))
    step = 20
    train = x.numpy()[found.train]
    positive = np.array(labels)[found.train] == "yes"
    theirs = LogisticRegression(l1_ratio=1.0, C=found.Cs[step], solver="saga", tol=1e-9,
                                class_weight="balanced", max_iter=20000) if _renamed() else \
        LogisticRegression(penalty="l1", C=found.Cs[step], solver="saga", tol=1e-9,
                           class_weight="balanced", max_iter=20000)  # fmt: skip
    theirs.fit(train.astype(float), positive)
    np.testing.assert_allclose(found.weights[step], theirs.coef_[0], atol=2e-3)
    np.testing.assert_allclose(found.intercepts[step], theirs.intercept_[0], atol=5e-3)


def _renamed() -> bool:
    """Whether scikit-learn names the penalty by `l1_ratio`, as from 1.8 on."""
    import sklearn

    return tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 8)


def test_random_neurons_are_others_of_the_same_size() -> None:
    x, labels = data([0, 1])
    acts = nw.Activations.from_arrays(x.numpy() * np.linspace(1, 3, 24, dtype=np.float32),
                                      labels=labels)  # fmt: skip
    found = nw.probe(acts, "yes", method="l1", **FEW)
    chosen, drawn = found.neurons(), found.random_neurons(seed=3)
    assert len(drawn) == len(set(drawn.tolist())) == len(chosen)
    assert not set(drawn.tolist()) & set(chosen.tolist())
    np.testing.assert_array_equal(drawn, found.random_neurons(seed=3))


def test_suppressing_all_neurons_equals_zeroing_the_columns() -> None:
    torch.manual_seed(0)
    model = Reader().eval()
    x, labels = data([0, 1])
    acts = captured(model, x, "out", at="input", labels=labels)
    by_share = nw.probe(acts, "yes", method="l1", model=model, **FEW)
    assert by_share.weight == "contribution"
    shares = nw.cett(acts, model).values[by_share.train]
    np.testing.assert_allclose(by_share.mean, shares.mean(axis=0), rtol=1e-5)
    found = nw.probe(acts, "yes", method="l1", **FEW)
    C = float(found.Cs[-1])
    neurons = found.neurons(C)
    assert len(neurons)
    with torch.no_grad(), found.scaled(model, 0.0, C) as edit:
        suppressed = model(x)
    assert set(edit.neurons.tolist()) == set(neurons.tolist())
    zeroed = Reader().eval()
    zeroed.load_state_dict(model.state_dict())
    with torch.no_grad():
        zeroed.out.weight[:, neurons] = 0
        expected = zeroed(x)
        plain = model(x)
    torch.testing.assert_close(suppressed, expected)
    assert not torch.allclose(suppressed, plain)
    with torch.no_grad(), found.scaled(model, 2.0, C):
        doubled = model(x)
        zeroed.out.weight[:, neurons] = 2 * model.out.weight[:, neurons]
        torch.testing.assert_close(doubled, zeroed(x))


def test_neurons_that_are_read_control_the_model_and_others_do_not() -> None:
    torch.manual_seed(0)
    model = Reader().eval()
    for carriers, controls in (([0, 1], True), ([2], False)):
        x, labels = data(carriers)
        acts = captured(model, x[:200], "act", labels=labels[:200])
        found = nw.probe(acts, "yes", method="l1", draws=19, resamples=50)
        C = float(found.Cs[np.flatnonzero((found.weights > 0).any(axis=1))[0] + 2])
        report = found.control(
            model, x[200:], labels=labels[200:], C=C, alphas=[0, 2], resamples=200, progress=False
        )
        assert report.alphas.tolist() == [0, 1, 2]
        assert report.readout.value["roc_auc"][found.index(C)] > 0.9
        reads, steers = report.findings
        assert "read the label out: ROC AUC" in reads
        assert ("readout without control" in steers) is not controls
        frame = report.to_frame()
        assert frame["change"].tolist()[1] == 0
        with torch.no_grad(), found.scaled(model, 0.0, C):
            by_hand = model(x[200:]).softmax(-1)[:, 1].numpy()
        np.testing.assert_allclose(report.chosen[0], by_hand, rtol=1e-5)
        assert report.right is not None
        assert report.right.shape == (4, 3, 100)
        assert {"accuracy", "accuracy_random"} <= set(frame)
        spec = report.to_altair().to_dict()
        assert len(spec["hconcat"]) == 2
        assert spec["params"][0]["bind"]["max"] == 2
        assert f"x 0: {frame['change'][0]:+.3g}, random" in str(spec["datasets"])
        assert "of random neurons" in report._repr_html_()


def test_random_neurons_control_no_more_than_other_random_neurons() -> None:
    said = 0
    torch.manual_seed(0)
    x, labels = data([0, 1])
    probed = nw.probe(captured(Reader(), x, "act", labels=labels), "yes", method="l1", draws=0)
    found = replace(probed, layer="1", mean=np.ones(40))
    for seed in range(20):
        rng = np.random.default_rng(seed)
        model = nn.Sequential(nn.Linear(8, 40), nn.ReLU(), nn.Linear(40, 2)).eval()
        weights = np.zeros((len(found.Cs), 40))
        weights[:, rng.choice(40, 4, replace=False)] = 1
        report = replace(found, weights=weights).control(
            model, torch.randn(400, 8), behaviour=lambda out: out[:, 1], alphas=[0],
            resamples=100, seed=seed, progress=False,
        )  # fmt: skip
        said += "readout without control" not in report.findings[1]
    assert said <= 3  # of a share of 5%, more than 3 of 20 have a chance of 2%


def test_one_random_set_tells_nothing() -> None:
    torch.manual_seed(0)
    x, labels = data([0, 1])
    model = Reader().eval()
    acts = captured(model, x[:200], "act", labels=labels[:200])
    found = nw.probe(acts, "yes", method="l1", draws=0, resamples=2)
    report = found.control(model, x[200:], alphas=[0], resamples=20, draws=1, progress=False)
    assert report.findings[1].startswith("One set of random neurons does not tell")
    assert report.to_frame()["beyond_low"].isna().all()
    assert "nan" not in report._repr_html_()


def test_few_permutations_tell_nothing() -> None:
    torch.manual_seed(0)
    x, labels = data([0, 1])
    model = Reader().eval()
    acts = captured(model, x[:200], "act", labels=labels[:200])
    for draws, reads in (
        (3, r"^Too few permutations to tell whether the \d+ neurons read the label out: ROC AUC "
            r"[01]\.\d+, 0\.\d+ with permuted labels, p 0\.25; with draws=3 it cannot be below "
            r"0\.25\.$"),
        (0, r"^Too few .*: ROC AUC [01]\.\d+, p 1; with draws=0 it cannot be below 1\.$"),
        (19, r"^The \d+ neurons read the label out: .*, p 0\.05\.$"),
    ):  # fmt: skip
        found = nw.probe(acts, "yes", method="l1", draws=draws, resamples=20)
        report = found.control(model, x[200:], alphas=[0], resamples=20, draws=1, progress=False)
        assert re.search(reads, report.findings[0])


def test_perplexity_is_the_price_of_a_language_model() -> None:
    stories = nw.datasets.stories()
    model, tokenizer = stories.model, stories.tokenizer
    layer = next(name for name in nw.layers(model).neurons)
    texts = [f"{name} went to the {place}." for name in ("Lily", "Tom", "Ben", "Sue", "Max")
             for place in ("park", "shop", "sea", "farm")]  # fmt: skip
    at: Any = next(row.at for row in nw.layers(model) if row.name == layer)
    acts = captured(model, texts, layer, pooling="mean", tokenizer=tokenizer, at=at)
    female = np.array([text.split()[0] in ("Lily", "Sue") for text in texts])
    found = nw.probe(acts, female, method="l1", **FEW)
    C = float(found.Cs[np.flatnonzero((found.weights > 0).any(axis=1))[0] + 3])
    report = found.control(
        model, texts[:4], behaviour=lambda output: output.logits[:, -1].amax(dim=-1), C=C,
        alphas=[0], draws=1, texts=texts[:4], tokenizer=tokenizer, progress=False, resamples=20,
    )  # fmt: skip
    assert report.perplexity is not None
    with found.scaled(model, 0.0, C) as edit:
        pass
    cost = nw.price(model, edit, texts[:4], tokenizer=tokenizer, progress=False)
    np.testing.assert_allclose(report.perplexity[0], [cost.perplexity, cost.plain], rtol=1e-6)


def test_what_cannot_be_done_is_said() -> None:
    model = Reader().eval()
    x, labels = data([0])
    acts = captured(model, x, "act", labels=labels)
    found = nw.probe(acts, np.array(labels) == "yes", method="l1", **FEW)
    opposite = nw.probe(acts, np.array(labels) == "no", method="l1", **FEW)
    with pytest.raises(ValueError, match="no neuron is chosen at C ="):
        opposite.control(model, x, C=opposite.Cs[4], progress=False)
    with pytest.raises(ValueError, match="pass behaviour="):
        found.control(model, x, progress=False)
    with pytest.raises(ValueError, match="behaviour must return one number for each of"):
        found.control(model, x, behaviour=lambda output: output, progress=False)
    assert "L1Probe" in repr(found)
    assert "<table" in found._repr_html_()
    spec = found.to_altair().to_dict()
    assert len(spec["vconcat"]) == 2
    # The slider begins at the chosen C, and what is said there is the probe's.
    (at,) = spec["params"]
    assert (at["value"], at["bind"]["max"]) == (found.best, len(found.Cs) - 1)
    said = f"C = {found.Cs[found.best]:.3g}: {found.test.value['roc_auc'][found.best]:.3f}, perm"
    assert said in str(spec["datasets"])
    for step in (0, found.best):
        rows = [row for data in spec["datasets"].values() for row in data
                if "weight" in row and row["step"] == step]  # fmt: skip
        assert [row["neuron"] for row in rows] == found.neurons(found.Cs[step])[:12].tolist()
