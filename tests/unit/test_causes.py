"""`causes` on a planted model: directions are known, so what their loss costs is too."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

import neuronwidgets as nw
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.effects.edits import Scaled, SpanEdit
from neuronwidgets.effects.passes import Passes
from neuronwidgets.effects.strengths import StrengthSearch
from neuronwidgets.interventions.directions import DirectionEdit

CLASSES, WIDTH = 6, 12


def planted() -> torch.nn.Module:
    """Class `f` has neuron `f + 1`; classes 0 to 2 share neuron 0, which so has three concepts."""
    directions = np.zeros((CLASSES, WIDTH))
    directions[np.arange(CLASSES), np.arange(CLASSES) + 1] = 1
    directions[:3, 0] = 0.3
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    model = torch.nn.Sequential()
    model.add_module("hidden", torch.nn.Linear(CLASSES, WIDTH, bias=False))
    model.add_module("out", torch.nn.Linear(WIDTH, CLASSES, bias=False))
    model.hidden.weight.data = torch.tensor(directions.T, dtype=torch.float32)
    model.out.weight.data = torch.tensor(6 * directions, dtype=torch.float32)
    return model.eval()


def drawn(count: int, seed: int) -> tuple[torch.Tensor, list[str]]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    strength = 1 + 0.3 * rng.random((count, 1))
    noise = 0.1 * rng.standard_normal((count, CLASSES))
    values = np.eye(CLASSES)[labels] * strength + noise
    return torch.tensor(values, dtype=torch.float32), [str(label) for label in labels]


@cache
def concepts() -> Concepts:
    inputs, labels = drawn(600, 1)
    acts = nw.capture(planted(), inputs, "hidden", labels=labels, progress=False)
    cut = nw.split(acts, 0, top=100).cut()
    assert sorted(cut.names) == ["label 0", "label 1", "label 2"]
    return cut


def test_planted_directions_are_selective() -> None:
    effects = nw.causes(concepts(), planted(), *drawn(400, 2), progress=False)
    for k in range(3):
        loss = effects.losses(k)
        assert loss["own"].low > 20 * max(loss["siblings"].high, 0)
        assert effects.selectivity(k).low > 1
        assert effects.above_random(k).low > 1
        assert abs(effects.losses(k, "neuron")["own"].value) < 0.1
    assert effects.own_by == ("label",) * 3
    assert any("3 of 3 concepts are selective" in line for line in effects.findings)
    assert any("linear readout" in line for line in effects.findings)


def test_every_edit_costs_the_same() -> None:
    effects = nw.causes(concepts(), planted(), *drawn(400, 2), kl=0.05, progress=False)
    assert np.allclose(effects.kl, 0.05, rtol=0.1)
    assert effects.strength.min() > 0
    assert effects.nats.shape == (3, 2 + 3, 400)


def test_without_a_cost_the_concept_is_ablated_as_by_ablate() -> None:
    model, (inputs, labels) = planted(), drawn(200, 3)
    effects = nw.causes(concepts(), model, inputs, labels, kl=None, progress=False)
    codes = torch.tensor([int(label) for label in labels])
    with torch.no_grad():
        plain = model(inputs).log_softmax(-1)[torch.arange(200), codes]
        with nw.ablate(model, concepts(), 1):
            edited = model(inputs).log_softmax(-1)[torch.arange(200), codes]
    own = codes == int(concepts().names[1][-1])
    float((plain - edited)[own].mean())
    assert effects.losses(1)["own"].value == pytest.approx(
        float((plain - edited)[own].mean()), 1e-4
    )
    assert (effects.strength == 1).all()


def test_intervals_cover_the_truth() -> None:
    truth = nw.causes(concepts(), planted(), *drawn(20_000, 99), kl=None, draws=1, progress=False)
    covered = [
        loss.low <= truth.losses(k)[side].value <= loss.high
        for seed in range(100, 140)
        for effects in [nw.causes(concepts(), planted(), *drawn(240, seed), kl=None, draws=1,
                                  seed=seed, progress=False)]
        for k in range(3)
        for side, loss in effects.losses(k).items()
    ]  # fmt: skip
    # 360 intervals: a share of 95% varies by 1.1 points, and nearby samples are shared.
    assert 0.91 <= np.mean(covered) <= 0.98


def test_permuted_memberships_are_not_selective() -> None:
    cut, data = concepts(), drawn(400, 2)
    split = cut.require_split("test")
    planted_effects = nw.causes(cut, planted(), *data, progress=False)
    gaps = []
    for seed in range(4):
        shuffled = np.random.default_rng(seed).permutation(cut.assignment)
        groups = Concepts.grouped(split, cut.threshold, shuffled, cut.nodes)
        edits = [SpanEdit("hidden", vector, cut.layer_mean) for vector in groups.differences]
        effects = nw.causes(cut, planted(), *data, edit=edits, progress=False)
        gaps += [effects.selectivity(k).value for k in range(3)]
    least = min(planted_effects.selectivity(k).low for k in range(3))
    assert np.mean(gaps) < 0.05 * least
    assert max(gaps) < 0.2 * least


def test_a_random_direction_that_does_as_much_is_named() -> None:
    """A model that does not read the layer: nothing that is taken out has an effect."""
    model = planted()
    model.out.weight.data *= 0.0
    model.out.bias = torch.nn.Parameter(torch.arange(CLASSES).float())
    effects = nw.causes(concepts(), model, *drawn(200, 2), progress=False)
    assert any(
        "3 of 3 concepts (" in s and "not clearly above a random direction" in s
        for s in effects.findings
    )
    assert any("was not reached by: concept and neuron and random" in s for s in effects.findings)
    assert (effects.nats == 0).all()


def test_retrieved_samples_need_no_labels() -> None:
    inputs, labels = drawn(300, 5)
    effects = nw.causes(concepts(), planted(), inputs, k=30, progress=False)
    assert effects.own_by == ("retrieved",) * 3
    for k, name in enumerate(concepts().names):
        assert effects.own[k, 0].sum() == 30
        assert {labels[i] for i in np.flatnonzero(effects.own[k, 0])} == {name[-1]}
        assert effects.others[k, 0].sum() < 150
    assert not (effects.own & effects.siblings | effects.siblings & effects.others).any()
    # Each random direction has samples of its own.
    assert (effects.own[0, 2] != effects.own[0, 0]).any()
    assert effects.losses(0)["own"].low > 0


@pytest.mark.parametrize("edit", ["range", "members"])
def test_ranges_are_compared_with_random_bands(edit: str) -> None:
    effects = nw.causes(
        concepts(), planted(), *drawn(300, 6), edit=edit, kl=None, top=1.0, progress=False
    )
    assert effects.edit == edit
    losses = [effects.losses(k)["own"].value for k in range(3)]
    assert (min(losses) > 0.5) == (edit == "members")
    assert np.isfinite(effects.to_frame()["above_random"].dropna()).all()


def test_spans_of_several_layers_act_together() -> None:
    inputs, labels = drawn(300, 7)
    cut, model = concepts(), planted()
    spans = [SpanEdit("hidden", vector, cut.layer_mean) for vector in cut.differences]
    one = nw.causes(cut, model, inputs, labels, edit=spans, kl=None, progress=False)
    as_direction = nw.causes(cut, model, inputs, labels, kl=None, progress=False)
    assert np.allclose(one.nats[:, :2], as_direction.nats[:, :2], atol=1e-4)
    readout = DirectionEdit("out", np.ones(CLASSES), remove=1.0)
    both = nw.causes(cut, model, inputs, labels, edit=[(span, readout) for span in spans],
                     kl=None, progress=False)  # fmt: skip
    # The same shift of all logits changes no probability.
    assert np.allclose(both.nats[:, 0], one.nats[:, 0], atol=1e-4)
    logits = DirectionEdit("out", np.eye(CLASSES)[3], remove=1.0)
    changed = nw.causes(cut, model, inputs, labels, edit=[(span, logits) for span in spans],
                        kl=None, progress=False)  # fmt: skip
    assert np.abs(changed.nats[:, 0] - one.nats[:, 0]).max() > 0.5


def test_a_layer_inside_an_edited_one_is_edited_too() -> None:
    """The neuron stands in `block.hidden`, the edits are of `block`, which answers later."""
    flat, (inputs, labels) = planted(), drawn(300, 7)
    model = torch.nn.Sequential()
    model.add_module("block", torch.nn.Sequential())
    model.block.add_module("hidden", flat.hidden)
    model.add_module("out", flat.out)
    acts = nw.capture(model.eval(), drawn(600, 1)[0], "block.hidden", progress=False)
    cut = nw.split(acts, 0, top=100).cut()
    spans = [SpanEdit("block", vector, cut.layer_mean) for vector in cut.differences]
    outside = nw.causes(cut, model, inputs, labels, edit=spans, kl=None, progress=False)
    inside = nw.causes(cut, model, inputs, labels, kl=None, progress=False)
    assert np.abs(outside.nats[:, 1]).max() > 0
    assert np.allclose(outside.nats[:, :2], inside.nats[:, :2], atol=1e-4)


def test_the_search_finds_the_strength_of_a_cost() -> None:
    inputs, labels = drawn(200, 8)
    passes = Passes(planted(), inputs, ["hidden"], labels=labels,
                    codes=lambda rows, _: torch.tensor([int(row) for row in rows]))  # fmt: skip
    edit = DirectionEdit("hidden", np.eye(WIDTH)[2], remove=1.0)
    every = np.ones(200, bool)
    for kl in (1e-6, 1e-3, 0.3):
        search = StrengthSearch(passes, [edit])
        ran = passes.ran
        strength, answers = search.costing(kl, every)
        assert answers.kl.mean() == pytest.approx(kl, rel=0.1)
        assert passes.ran - ran <= 8
        again = passes.under([Scaled(edit, strength)])
        assert np.array_equal(again.kl, answers.kl)
        # The same edit is not run again for samples that it costs as much.
        ran = passes.ran
        search.costing(kl, every)
        assert passes.ran == ran


def test_tables_and_sentences() -> None:
    effects = nw.causes(concepts(), planted(), *drawn(200, 9), progress=False)
    frame = effects.to_frame()
    assert list(frame["way"]) == ["concept", "neuron", "random"] * 3
    assert (frame["own_low"] <= frame["own"]).all()
    assert (frame["own"] <= frame["own_high"]).all()
    assert frame["above_random"].isna().sum() == 3
    assert "label 0" in effects._repr_html_()
    assert "at KL 0.01" in repr(effects)
    assert {"own", "siblings", "others"} <= {
        row["side"] for row in next(iter(effects.to_altair().to_dict()["datasets"].values()))
    }


def one_concept() -> Concepts:
    split = concepts().require_split("test")
    return split.cut(split.tree.top)


def test_one_concept_has_no_siblings() -> None:
    effects = nw.causes(one_concept(), planted(), *drawn(200, 9), progress=False)
    assert np.isnan(effects.losses(0)["siblings"].value)
    gap = effects.losses(0)["own"].value - effects.losses(0)["others"].value
    assert effects.selectivity(0).value == pytest.approx(gap)
    effects.to_frame()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kl": 0}, "kl must be"),
        ({"own": "mine"}, "own"),
        ({"edit": "vector"}, "edit"),
        ({"edit": [1, 2, 3]}, "got a int"),
        ({"edit": []}, "one entry for each of 3 concepts"),
        ({"data": iter([])}, "is an iterator"),
        ({"labels": ["0"]}, "one entry per sample"),
        ({"labels": None, "own": "label"}, "own='label' needs labels"),
        ({"draws": 0}, "draws must be"),
    ],
)
def test_errors(change: dict[str, Any], message: str) -> None:
    inputs, labels = drawn(50, 3)
    given: dict[str, Any] = {"data": inputs, "labels": labels, "progress": False, **change}
    with pytest.raises((ValueError, TypeError), match=message):
        nw.causes(concepts(), planted(), **given)


def test_no_other_sample_no_cost() -> None:
    inputs, labels = drawn(400, 3)
    only = [i for i, label in enumerate(labels) if label == "0"]
    given = planted(), inputs[only], ["0"] * len(only)
    with pytest.raises(ValueError, match="every held-out sample is one of a concept's own"):
        nw.causes(concepts(), *given, progress=False)
    effects = nw.causes(concepts(), *given, kl=None, progress=False)
    assert np.isnan(effects.losses(concepts().names.index("label 0"))["others"].value)
    effects.to_frame()


def test_a_cut_without_concepts() -> None:
    split = concepts().require_split("test")
    with pytest.raises(ValueError, match="the cut has no concepts"):
        nw.causes(split.cut(0.0), planted(), *drawn(50, 3), progress=False)


def test_a_split_is_no_cut_and_a_cut_no_split() -> None:
    values = np.random.default_rng(0).normal(size=(60, 5)).astype("f4")
    split: Any = nw.split(nw.Activations.from_arrays(values), 1)
    model = torch.nn.Identity()
    with pytest.raises(TypeError, match=r"such as split\.cut\(\), got a Split"):
        nw.causes(split, model, values, None)
    with pytest.raises(TypeError, match=r"must be a Split, .* got a Concepts"):
        nw.selectivity(split.cut(), model, values, None)


def test_selectivity_over_thresholds() -> None:
    split = concepts().require_split("test")
    curve = nw.selectivity(split, planted(), *drawn(300, 4), draws=2, progress=False)
    frame = curve.to_frame()
    assert (np.diff(frame["threshold"]) > 0).all()
    at_three = frame[frame["concepts"] == 3].iloc[0]
    assert at_three["ratio"] > 20
    assert at_three["gain_low"] > 1
    assert len(split.cut(curve.best)) == 3
    assert "best at" in repr(curve)
    curve.to_altair().to_dict()
    # A cut's own measurement is the same as alone.
    three = next(cut for cut in curve.cuts if len(cut) == 3)
    alone = nw.causes(split.cut(float(at_three["threshold"])), planted(), *drawn(300, 4), draws=2,
                      progress=False)  # fmt: skip
    assert np.allclose(alone.losses(0)["own"].value, three.losses(0)["own"].value, rtol=0.1)


def test_cuts_share_passes() -> None:
    split = concepts().require_split("test")
    heights = [float(h) for h in sorted({s.threshold for s in split.suggest(["gap"])})]
    together = nw.selectivity(
        split, planted(), *drawn(200, 4), thresholds=heights, draws=1, progress=False
    )
    apart = [
        nw.causes(split.cut(h), planted(), *drawn(200, 4), draws=1, progress=False) for h in heights
    ]
    assert together.cuts[-1].ran < sum(effects.ran for effects in apart)


def test_a_span_is_removed_to_the_level() -> None:
    rng = np.random.default_rng(0)
    directions, level = rng.standard_normal((3, 8)), rng.standard_normal(8)
    edit = SpanEdit("x", np.vstack([directions, directions[0] + directions[1]]), level)
    assert edit.directions.shape == (3, 8)
    assert edit.width() == 8
    values = torch.tensor(rng.standard_normal((5, 8)), dtype=torch.float32)
    edited = edit.prepared(values)(values).numpy()
    assert np.allclose(edited @ directions.T, directions @ level, atol=1e-5)
    # What is orthogonal to the span stays.
    beside = np.linalg.svd(directions)[2][3:]
    assert np.allclose(edited @ beside.T, values.numpy() @ beside.T, atol=1e-5)
    half = Scaled(edit, 0.5).prepared(values)(values).numpy()
    assert np.allclose(half, (values.numpy() + edited) / 2, atol=1e-5)


@pytest.mark.parametrize("directions", [np.zeros((2, 4)), np.full((1, 4), np.nan)])
def test_a_span_without_directions(directions: np.ndarray) -> None:
    with pytest.raises(ValueError, match="not all zero"):
        SpanEdit("x", directions)
    with pytest.raises(ValueError, match="level must have 4 numbers"):
        SpanEdit("x", np.eye(4)[:1], np.zeros(3))


def test_passes_beyond_the_kept_bytes_run_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> nw.ConceptEffects:
        return nw.causes(concepts(), planted(), *drawn(150, 2), progress=False)

    kept = run()
    monkeypatch.setattr("neuronwidgets.effects.passes.KEPT_BYTES", 0)
    assert np.array_equal(run().nats, kept.nats)


def test_logits_of_the_last_token_only_are_refused_and_measured_by_predict() -> None:
    class Last(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.table, self.act = torch.nn.Embedding(9, 8), torch.nn.ReLU()
            self.head = torch.nn.Linear(8, 9)

        def forward(self, idx: torch.Tensor) -> Any:
            return self.head(self.act(self.table(idx))[:, [-1]])

    model, ids = Last().eval(), torch.randint(0, 9, (60, 4))
    concepts = nw.split(nw.capture(model, ids, "act", progress=False), 0, top=20).cut()
    given: dict[str, Any] = {"draws": 1, "progress": False}
    with pytest.raises(ValueError, match=r"got shape \(60, 1, 9\) for token ids of shape \(60, 4"):
        nw.causes(concepts, model, ids, **given)
    last = nw.causes(concepts, model, ids, predict=lambda output: output[:, -1], **given)
    assert len(last.names) == len(concepts)
