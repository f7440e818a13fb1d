"""Bars of what the model loses: as `nw.causes`, once asked for, with a stop and reasons."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.widgets.base.jobs import JobProgress
from neuronwidgets.widgets.protocol.buffers import unpack

CLASSES = 4
MEASURE = {"type": "causes.measure"}


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, CLASSES))


def inputs(seed: int, count: int) -> torch.Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def parts() -> tuple[nn.Module, nw.Activations, tuple[torch.Tensor, list[int]]]:
    model, read, kept = net(), inputs(1, 200), inputs(2, 60)
    with torch.no_grad():
        labels, answers = (model(x).argmax(1).tolist() for x in (read, kept))
    return model, nw.capture(model, read, "1", labels=labels, progress=False), (kept, answers)


def opened(parts: Any, top: int = 40, **changes: Any) -> Any:
    model, acts, held_out = parts
    given = {"model": model, "held_out": held_out, "data": inputs(1, 200), **changes}
    explorer = nw.SplitExplorer(acts, 0, top, **given)
    assert explorer.wait(60)
    return explorer


def ask(explorer: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    explorer._on_view_message(explorer, MEASURE, [])
    assert explorer.wait(60)
    return unpack(explorer._evidence)


def test_bars_are_those_of_causes(parts: Any) -> None:
    explorer = opened(parts)
    assert "cause" not in unpack(explorer._evidence)[0]
    arrays, about = ask(explorer)
    (cut,) = about["causes"]["cuts"]
    concepts = explorer.concepts
    assert cut["nodes"] == concepts.nodes.tolist()
    model, _, (kept, answers) = parts
    expected = nw.causes(concepts, model, kept, answers, progress=False)
    assert cut["samples"] == 60
    assert cut["findings"] == list(expected.findings)
    for k in range(len(concepts)):
        for v, way in enumerate(("concept", "neuron", "random")):
            for s, loss in enumerate(expected.losses(k, way).values()):
                shown = arrays["cause"][k, v, s]
                np.testing.assert_allclose(shown, [loss.value, loss.low, loss.high], atol=1e-4)
        above = expected.above_random(k)
        np.testing.assert_allclose(arrays["cause_above"][k], [above.value, above.low, above.high],
                                   atol=1e-4)  # fmt: skip
    # Only a linear readout follows: that is said first.
    assert cut["findings"][0].startswith("Only a linear readout comes after")
    explorer.close()


def test_another_cut_is_measured_beside_the_first(parts: Any) -> None:
    explorer = opened(parts)
    first = ask(explorer)[1]["causes"]["cuts"]
    passes = explorer._session.evidence.causes._trial.passes.ran
    again = ask(explorer)
    assert again[1]["causes"]["cuts"] == first
    assert explorer._session.evidence.causes._trial.passes.ran == passes
    explorer.threshold = explorer.split.tree.top
    assert explorer.wait(60)
    arrays, about = ask(explorer)
    cuts = about["causes"]["cuts"]
    assert cuts[0]["nodes"] == first[0]["nodes"]
    assert cuts[1]["nodes"] == explorer.concepts.nodes.tolist()
    assert len(arrays["cause"]) == sum(len(cut["nodes"]) for cut in cuts)
    assert len(arrays["cause_gain"]) == 2
    explorer.close()


def test_every_cut_is_measured_as_by_selectivity(parts: Any) -> None:
    explorer = opened(parts, top=12)
    explorer._on_view_message(explorer, {**MEASURE, "every": True}, [])
    assert explorer.wait(120)
    arrays, about = unpack(explorer._evidence)
    model, _, (kept, answers) = parts
    expected = nw.selectivity(explorer.split, model, kept, answers, progress=False)
    assert len(expected.thresholds) > 4
    shown = {tuple(cut["nodes"]): i for i, cut in enumerate(about["causes"]["cuts"])}
    for t, threshold in enumerate(expected.thresholds):
        i = shown[tuple(explorer.split.cut(threshold).nodes.tolist())]
        gain = expected.gain(t)
        # A search for a strength begins where the last one ended, and ends within a tolerance.
        assert arrays["cause_gain"][i, 0] == pytest.approx(
            gain.value, abs=0.05, rel=0.2, nan_ok=True
        )
    explorer.close()


def test_progress_is_told_and_a_stop_forgets_it(parts: Any) -> None:
    explorer = opened(parts)
    causes = explorer._session.evidence.causes
    causes.want(explorer.concepts)
    told = []
    for step in causes.steps(lambda: None):
        if isinstance(step, JobProgress):
            told.append(step.share)
        if len(told) == 4:
            break
    assert told == sorted(told)
    assert 0 < told[-1] < 1
    assert causes.lacks()
    explorer._on_view_message(explorer, {"type": "job.cancel"}, [])
    assert not causes.lacks()
    assert not explorer._session.due()
    # What was stopped can be asked for again.
    assert ask(explorer)[1]["causes"]["cuts"][0]["note"] == ""
    explorer.close()


def test_why_it_cannot_be_measured_is_said_once(parts: Any) -> None:
    _, acts, _ = parts
    explorer = opened(parts, held_out=(inputs(1, 200)[:1].repeat(3, 1), ["x", "y", "z"]))
    (cut,) = ask(explorer)[1]["causes"]["cuts"]
    assert "data has the label 'x'" in cut["note"]
    assert explorer.status["state"] == "idle"
    explorer.close()
    alone = opened(parts, held_out=None)
    assert unpack(alone._evidence)[1]["causes"]["able"] is False
    alone._on_view_message(alone, MEASURE, [])
    assert "there are no held-out samples" in alone.status["text"]
    alone.close()
    plain = nw.SplitExplorer(acts, 0, 40)
    assert plain.wait(60)
    assert "causes" not in unpack(plain._evidence)[1]
    plain.close()


def test_k_means_membership_is_measured_beside_the_tree(parts: Any) -> None:
    explorer = opened(parts)
    ask(explorer)
    explorer.refined = True
    assert explorer.wait(60)
    concepts = explorer.concepts
    assert concepts.refined
    arrays, about = ask(explorer)
    own, refined = about["causes"]["cuts"]
    assert "refined" not in own
    assert refined["refined"] == explorer.threshold
    assert refined["nodes"] == concepts.nodes.tolist()
    model, _, held_out = parts
    expected = nw.causes(concepts, model, *held_out, progress=False)
    shown = arrays["cause"][len(own["nodes"]) :, 0, 0, 0]
    values = [expected.losses(k)["own"].value for k in range(len(concepts))]
    # A search for a strength begins where the last one ended, and ends within a tolerance.
    assert shown == pytest.approx(values, abs=0.05, rel=0.2)
    explorer.close()


@pytest.mark.parametrize("method", ["kmeans", "average"])
def test_every_method_has_bars(parts: Any, method: str) -> None:
    explorer = opened(parts, method=method)
    (cut,) = ask(explorer)[1]["causes"]["cuts"]
    assert cut["note"] == ""
    assert cut["nodes"] == explorer.concepts.nodes.tolist()
    explorer.close()


def test_the_first_bars_are_shown_before_the_last_are_measured(parts: Any) -> None:
    explorer = opened(parts)
    causes = explorer._session.evidence.causes
    causes.want(explorer.concepts)
    count, parts_shown = len(explorer.concepts), []

    def published() -> None:
        arrays, about = causes.pack()
        known = np.isfinite(arrays["cause"][:, 0, 2, 0])
        parts_shown.append((about["causes"]["cuts"][0].get("done"), known.tolist()))

    words = []
    for step in causes.steps(published):
        if isinstance(step, JobProgress):
            words.append(step.text)
        elif callable(step):
            step()
    assert count > 1
    assert parts_shown == [
        (done if done < count else None, [True] * done + [False] * (count - done))
        for done in range(1, count + 1)
    ]
    assert words[1] == f"taking out concept 1 of {count}"
    explorer.close()
