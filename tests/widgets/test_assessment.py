"""What the explorer says of a neuron as a whole."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.concepts.scores import SCORES, score
from neuronwidgets.widgets.base.jobs import JobProgress, later, take
from neuronwidgets.widgets.base.pace import Pace
from neuronwidgets.widgets.split_explorer.assessment import Assessment
from neuronwidgets.widgets.split_explorer.limits import Limits

NO_NULLS = Limits(draws=0)


def made(labels: bool = True) -> nw.Split:
    rng = np.random.default_rng(0)
    kind = np.repeat([0, 1, 2], 20)
    values = rng.normal(size=(60, 6)) + 8 * np.eye(6)[kind]
    return nw.split(nw.Activations.from_arrays(values, labels=kind if labels else None), 5, 60)


def assessed(
    split: nw.Split, pace: Pace | None = None, limits: Limits = NO_NULLS
) -> tuple[list[dict[str, Any]], list[JobProgress]]:
    one = Assessment(split, pace or Pace(), limits)
    said: list[JobProgress] = []
    for step in one.steps(lambda: None):
        take(step, said.append)
    assert one.done
    assert list(one.steps(lambda: None)) == []
    return one.scores(), said


def test_the_registry_says_it_all() -> None:
    split = made()
    rows, _ = assessed(split, limits=Limits(draws=200))
    expected = {name: value for name, value in split.scores().items() if np.isfinite(value)}
    assert {row["name"]: row["value"] for row in rows} == pytest.approx(expected)
    assert [row["name"] for row in rows if row["main"]] == [n for n in SCORES if n in expected]
    columns = {k: v for one in SCORES.values() for k, v in one.columns.items()}
    for row in rows:
        assert row["title"] == columns[row["name"]].title
        assert f"higher: {columns[row['name']].higher} (" in row["about"]
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


def test_of_many_samples_no_null_is_drawn_and_without_labels_none_is_needed() -> None:
    names = {row["name"] for row in assessed(made(labels=False))[0]}
    assert "silhouette" in names
    assert not names & {"geometry_p", "label_entropy", "alignment"}


@patch.dict(SCORES)  # restores their order, too
def test_a_score_of_ones_own_is_picked_up_and_may_fail() -> None:
    first = "kurtosis"
    for name in [name for name in SCORES if name != first]:
        del SCORES[name]

    @score(title="my score", source="me", low=0, higher="more of it")
    def mine(neurons: Any) -> Any:
        return neurons.along.max(axis=1) * 0 + 2.5

    @score(title="broken", source="me", higher="never")
    def broken(neurons: Any) -> Any:
        raise KeyError("no such thing")

    rows = assessed(made())[0]
    assert [row["name"] for row in rows] == [first, "mine", "broken"]
    about = "from 0; higher: more of it (me)"
    assert rows[1] == {
        "name": "mine", "title": "my score", "value": 2.5, "about": about, "main": True
    }  # fmt: skip
    assert rows[2]["value"] is None
    assert "no such thing" in rows[2]["about"]


def test_what_was_not_published_is_done_again() -> None:
    one = Assessment(made(), limits=NO_NULLS)
    assert len(list(one.steps(lambda: None))) > 2
    assert not one.done
    assert one.scores() == []
    published = []
    for step in one.steps(lambda: published.append(len(one.scores()))):
        take(step)
    assert one.done
    assert published == [0, len(one.scores())]
    assert published[1] > 0


def test_slow_work_says_what_it_does() -> None:
    assert next(Assessment(made()).steps(lambda: None)) is later
    texts = [step.text for step in assessed(made(), Pace(silent=0.0))[1]]
    assert set(texts) == {"comparing the cuts", "scoring the neuron"}
