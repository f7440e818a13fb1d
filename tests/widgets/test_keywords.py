"""The keywords on the cards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.activations.samples import Samples
from neuronwidgets.widgets.base.jobs import JobProgress, later, take
from neuronwidgets.widgets.base.pace import Pace
from neuronwidgets.widgets.split_explorer.evidence import Evidence
from neuronwidgets.widgets.split_explorer.keywords import Keywords
from neuronwidgets.widgets.split_explorer.limits import Limits

FILLER = ("the", "of", "a", "in", "was", "and", "one", "by")
KINDS = ("blue whale", "red lorry", "naïve 村")


def texts(many: int = 300, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Three kinds of thirty texts each, among others."""
    rng = np.random.default_rng(seed)
    kind = np.concatenate([np.repeat([0, 1, 2], 30), np.full(many - 90, -1)])
    said = [
        " ".join([*rng.choice(FILLER, 6), KINDS[k] if k >= 0 else "", *rng.choice(FILLER, 4)])
        for k in kind
    ]
    return said, kind


def made(samples: Any, kind: np.ndarray) -> nw.Split:
    rng = np.random.default_rng(1)
    values = rng.normal(0, 0.3, (len(kind), 5))
    values[kind >= 0, 0] += 9
    for k in range(3):
        values[kind == k, 1 + k] += 8
    return nw.split(nw.Activations.from_arrays(values, samples=samples), 0, top=90)


def found(words: Keywords, nodes: list[int]) -> list[JobProgress]:
    said: list[JobProgress] = []
    for step in words.steps(nodes, lambda: None):
        take(step, said.append)
    return said


def test_they_are_those_of_named() -> None:
    split = made(*texts())
    concepts = split.cut()
    assert len(concepts) == 3
    nodes = concepts.nodes.tolist()
    words = Keywords(split)
    assert words.able
    assert words.lacks(nodes)
    assert words.of(nodes[0]) is None
    found(words, nodes)
    assert not words.lacks(nodes)
    named = concepts.named("text").names
    assert [", ".join(words.of(node) or []) for node in nodes] == list(named)
    assert any("whale" in name for name in named)
    # The whole neuron, against the dataset alone.
    root = len(split.tree.parent) - 1
    found(words, [root])
    assert [", ".join(words.of(root) or [])] == list(split.cut(split.tree.top).named("text").names)


def test_tokens_have_words_where_their_place_is_known() -> None:
    said, kind = texts()
    where = [t.find(KINDS[k]) if k >= 0 else 0 for t, k in zip(said, kind, strict=True)]
    length = [len(KINDS[k]) if k >= 0 else 3 for k in kind]
    spans = [np.array([[a, a + n]], np.int32) for a, n in zip(where, length, strict=True)]
    item = np.arange(len(said))
    tokens = Samples(len(said), texts=said, spans=spans, item=item, token=np.zeros_like(item))
    split = made(tokens, kind)
    words = Keywords(split)
    nodes = split.cut().nodes.tolist()
    found(words, nodes)
    assert {"blue whale", "red lorry"} <= {w for node in nodes for w in words.of(node) or []}
    placeless = Samples(len(said), texts=said, item=item, token=np.zeros_like(item))
    assert not Keywords(made(placeless, kind)).able


@pytest.mark.parametrize("samples", [None, np.zeros((300, 2, 2), np.uint8)])
def test_of_no_texts_nothing_is_said(samples: Any) -> None:
    words = Keywords(made(samples, texts()[1]))
    assert not words.able
    assert not words.lacks([0])
    assert list(words.steps([0], lambda: None)) == []


def test_texts_without_words_have_none() -> None:
    split = made(["", "  ", "🙂"] * 100, texts()[1])
    words = Keywords(split)
    nodes = split.cut().nodes.tolist()
    found(words, nodes)
    assert [words.of(node) for node in nodes] == [[]] * len(nodes)


def test_reading_is_said_where_it_takes_time() -> None:
    split = made(*texts())
    nodes = split.cut().nodes.tolist()
    steps = list(Keywords(split, Pace(silent=np.inf)).steps(nodes, lambda: None))
    assert steps.count(later) == len(steps) - 1
    said = found(Keywords(split, Pace(silent=-1)), nodes)
    assert [p.share for p in said] == sorted(p.share for p in said)
    assert {p.text for p in said} == {"reading texts for their keywords"}


def test_they_come_with_the_evidence_but_not_while_a_capture_runs() -> None:
    split = made(*texts())
    nodes = split.cut().nodes.tolist()
    for reads in (False, True):
        proof = Evidence(split, reads=reads, limits=Limits(draws=0))
        for step in proof.steps(nodes, lambda: None):
            take(step)
        assert not proof.lacks(nodes)
        assert all((proof.keywords.of(node) is not None) == reads for node in nodes)


def test_an_explorer_shows_them() -> None:
    split = made(*texts())
    explorer = nw.SplitExplorer(split)
    explorer._jobs.wait(30)
    assert b"blue whale" in explorer._evidence
    assert explorer.status["state"] == "idle"
