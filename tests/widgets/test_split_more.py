"""More of SplitExplorer's samples, as a view asks for them: over the range, and whole texts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.activations.samples import Samples
from neuronwidgets.widgets.base.jobs import take
from neuronwidgets.widgets.protocol.buffers import unpack
from neuronwidgets.widgets.split_explorer.evidence import LINES, SHOWN, Evidence

WORDS = 90


def activations(texts: bool = False, read: bool = True) -> nw.Activations:
    """Three kinds of samples; each activates neuron 0 more or less strongly, or not at all."""
    rng = np.random.default_rng(0)
    kind = np.arange(300) % 3
    strength = np.where(np.arange(300) % 4 == 0, rng.uniform(1, 5, 300), rng.uniform(-1, 0.2, 300))
    values = rng.normal(0, 0.3, (300, 8)).astype("f4")
    values[np.arange(300), 1 + kind] += np.maximum(strength, 0)
    values[:, 0] = strength
    acts = nw.Activations.from_arrays(values, labels=np.array(["a", "b", "c"])[kind])
    if not texts:
        return acts
    words = [f"w{i:02}" for i in range(WORDS)]
    spans = np.array([[4 * i, 4 * i + 3] for i in range(WORDS)], np.int32)

    def tokens(rows: Any, direction: Any) -> list[np.ndarray]:
        return [np.eye(1, WORDS, 50, dtype=np.float32)[0] * values[row, 0] for row in rows]

    samples = Samples(300, texts=[" ".join(words)] * 300, spans=[spans] * 300)
    return replace(acts, samples=samples, tokens=tokens if read else None)


def opened(acts: nw.Activations, reads: bool = True) -> tuple[Evidence, list[int]]:
    made = nw.split(acts, 0, top=30, distinct=None)
    return Evidence(made, reads=reads), [int(node) for node in made.cut().nodes]


def gathered(evidence: Evidence, nodes: list[int]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    for step in evidence.steps(nodes, lambda: None):
        take(step)
    assert not evidence.lacks(nodes)
    return unpack(evidence.pack_evidence())


def test_the_neuron_s_samples_are_spread_over_all_that_activate_it() -> None:
    acts = activations()
    evidence, nodes = opened(acts)
    assert "spread" not in gathered(evidence, nodes)[0]
    evidence.want_spread(None)
    assert evidence.lacks(nodes)
    arrays, _ = gathered(evidence, nodes)
    along = acts.along(0)
    active = np.sort(along[along > 0])[::-1]
    assert arrays["spread_node"].tolist() == [-1]
    assert arrays["spread_selected"].tolist() == [len(active)]
    places = np.linspace(0, len(active) - 1, SHOWN).round().astype(int)
    np.testing.assert_allclose(arrays["spread_activation"][0], active[places], rtol=1e-6)
    np.testing.assert_allclose(along[arrays["spread"][0]], active[places], rtol=1e-6)
    assert acts.labels is not None
    assert arrays["spread_label"][0].tolist() == acts.labels[arrays["spread"][0]].tolist()


def test_a_concept_s_samples_are_its_kind_beyond_the_top() -> None:
    acts = activations()
    evidence, nodes = opened(acts)
    node = nodes[0]
    evidence.want_spread(node)
    evidence.want_spread(node)
    arrays, _ = gathered(evidence, nodes)
    assert arrays["spread_node"].tolist() == [node]
    count = min(SHOWN, int(arrays["spread_selected"][0]))
    rows = arrays["spread"][0][:count]
    assert (arrays["spread"][0][count:] == -1).all()
    own = evidence.split.index[evidence.split.tree.samples_of(node)]
    assert len(set(rows.tolist())) == count
    assert set(rows.tolist()) - set(evidence.split.index.tolist())
    assert acts.labels is not None
    assert set(acts.labels[rows].tolist()) == set(acts.labels[own].tolist())
    assert arrays["spread_selected"][0] >= 0.9 * len(own)
    values = arrays["spread_activation"][0][:count]
    assert (np.diff(values) <= 0).all()
    assert values.min() < acts.along(0)[own].min()


def test_a_neuron_that_is_never_above_zero_selects_all() -> None:
    acts = activations()
    values = np.array(acts.values)
    values[:, 0] -= 10
    evidence, nodes = opened(nw.Activations.from_arrays(values))
    evidence.want_spread(None)
    assert gathered(evidence, nodes)[0]["spread_selected"].tolist() == [300]


def test_spread_texts_are_read_token_by_token() -> None:
    evidence, nodes = opened(activations(texts=True))
    evidence.want_spread(None)
    arrays, about = gathered(evidence, nodes)
    face = arrays["face"].tolist()
    assert arrays["spread"].shape == (1, LINES)
    for row in arrays["spread"][0].tolist():
        assert about["values"][face.index(row)] > 0


@pytest.mark.parametrize("read", [True, False])
def test_a_text_is_read_to_its_ends_once_asked_for(read: bool) -> None:
    acts = activations(texts=True, read=read)
    evidence, nodes = opened(acts)
    row = int(evidence.split.index[0])
    arrays, about = gathered(evidence, nodes)
    place = arrays["face"].tolist().index(row)
    # 90 words are more tokens than a line has, but few characters.
    assert about["cut"][place] is read
    evidence.texts.want(row)
    assert evidence.lacks(nodes)
    arrays, about = gathered(evidence, nodes)
    place = arrays["face"].tolist().index(row)
    assert "".join(about["segments"][place]) == acts.samples.texts[row]
    assert about["cut"][place] is False
    assert about["values"][place] == (WORDS if read else 0)
    other = arrays["face"].tolist().index(int(evidence.split.index[1]))
    assert about["cut"][other] is read


def test_what_does_not_exist_is_refused() -> None:
    evidence, _ = opened(activations())
    with pytest.raises(ValueError, match="node 0 is no concept"):
        evidence.want_spread(0)
    with pytest.raises(ValueError, match="sample 3 is no text"):
        evidence.texts.want(3)
    with pytest.raises(IndexError, match="sample 300 is not in the data"):
        evidence.texts.want(300)


def test_what_is_asked_for_during_a_job_comes_with_it() -> None:
    evidence, nodes = opened(activations(texts=True))
    row = int(evidence.split.index[0])
    for count, step in enumerate(evidence.steps(nodes, lambda: None)):
        take(step)
        if count == 2:
            evidence.want_spread(nodes[0])
            evidence.texts.want(row)
    assert not evidence.lacks(nodes)
    arrays, _ = unpack(evidence.pack_evidence())
    assert arrays["spread_node"].tolist() == [nodes[0]]
    assert evidence.texts.cut() == []


def test_a_widget_answers_with_evidence() -> None:
    explorer = nw.SplitExplorer(activations(texts=True), 0, top=30)
    assert explorer.wait(60)
    row = int(explorer.split.index[0])
    explorer._on_view_message(explorer, {"type": "samples.spread", "node": None}, [])
    explorer._on_view_message(explorer, {"type": "text.read", "row": row}, [])
    assert explorer.wait(60)
    arrays, about = unpack(explorer._evidence)
    assert arrays["spread_node"].tolist() == [-1]
    assert about["cut"][arrays["face"].tolist().index(row)] is False
    explorer._on_view_message(explorer, {"type": "samples.spread", "node": 0}, [])
    assert "no concept" in explorer.status["text"]
    explorer.close()


@pytest.mark.parametrize("asked", ["samples.spread", "text.read", "threshold", "refined"])
def test_what_is_asked_for_at_the_end_of_a_job_comes_after_it(
    asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer: Any = nw.SplitExplorer(activations(texts=True), 0, top=30)
    assert explorer.wait(60)
    resplit = explorer._session.resplit

    def late(*wanted: Any) -> Any:
        yield from resplit(*wanted)
        # The job has looked for the last time what is due, and still runs.
        if "." in asked:
            message = {"type": asked, "node": None, "row": int(explorer.split.index[0])}
            explorer._on_view_message(explorer, message, [])
        else:
            state = {"threshold": 0.1 * explorer.threshold, "refined": True}
            version = {"_view_version": explorer._version}
            explorer.set_state({asked: state[asked], **version})

    monkeypatch.setattr(explorer._session, "resplit", late)
    wanted = {"type": "split.request", "neuron": 0, "top": 30, "method": "average"}
    explorer._on_view_message(explorer, wanted, [])
    assert explorer.wait(60)
    assert explorer.method == "average"
    nodes = [int(node) for node in explorer.concepts.nodes if node >= 0]
    assert not explorer._session.evidence.lacks(nodes)
    assert bool(explorer._refinement) is explorer.refined
    explorer.close()
