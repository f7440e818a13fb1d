"""LiveProbe without a browser: its traits, its job, and what it refuses."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import traitlets as t

import neuronwidgets as nw
from tests.widgets.live_probe.conftest import TEXTS, WAIT, Bags, shown


def test_it_opens_on_the_first_top_sample(probe: nw.LiveProbe, acts: nw.Activations) -> None:
    assert probe.sample == acts.top(0, 1)[0]
    assert probe.text == TEXTS[probe.sample]
    assert probe.result is not None
    assert probe.result.pooled == pytest.approx(acts.values[probe.sample, 0])
    assert probe.concepts is not None
    assert probe.result.shares.shape[1] == len(probe.concepts)
    assert repr(probe) == "LiveProbe(neuron 0 of layer 'act', texts)"
    assert [top["row"] for top in probe._tops][:1] == [probe.sample]


def test_traits_are_read(probe: nw.LiveProbe, acts: nw.Activations) -> None:
    probe.text = "cat"
    assert probe.wait(WAIT)
    assert probe.result.text == "cat"
    probe.neuron = 1
    assert probe.wait(WAIT)
    assert probe.result.pooled == pytest.approx(5)
    assert probe.concepts.neuron == 1
    probe.sample = 7
    assert probe.text == TEXTS[7]
    probe.comparing = True
    assert probe.other == probe.text
    probe.other = "dog cat"
    assert probe.wait(WAIT)
    assert probe.other_result.pooled == pytest.approx(5.1 / 2)
    probe.comparing = False
    assert probe.wait(WAIT)
    assert probe.other_result is None
    probe.delete_words()
    assert probe.wait(WAIT)
    assert probe.deletions.words == tuple(TEXTS[7].split())


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("neuron", 99, "neuron 99 is not in layer 'act'"),
        ("neuron", None, "stands for a direction"),
        ("sample", 4800, "sample 4800 is not among the 48 rows"),
        ("concept", 40, "concept must be -1 or a concept's number"),
        ("text", 3, "expected a unicode string"),
    ],
)
def test_what_is_wrong_is_refused(probe: nw.LiveProbe, name: str, value: Any, words: str) -> None:
    before = probe.result
    with pytest.raises(t.TraitError, match=words):
        setattr(probe, name, value)
    assert probe.result is before


def test_a_model_that_raises_loses_nothing(probe: nw.LiveProbe, bags: Bags) -> None:
    before, picture = probe.result, probe._readings
    bags.fails = True
    probe.text = "moon"
    assert probe.wait(WAIT)
    assert probe.status["state"] == "error"
    assert "Bags could not run on this data" in probe.status["text"]
    assert probe.result is before
    assert probe._readings == picture
    bags.fails = False
    probe.text = "moon dog"
    assert probe.wait(WAIT)
    assert probe.status["state"] == "idle"
    assert probe.result.text == "moon dog"


def test_the_newest_text_wins_and_one_pass_runs_at_a_time(
    probe: nw.LiveProbe, bags: Bags, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[str] = []
    probe.observe(lambda _: texts.append(probe.result.text), "_version")
    started, inside, most = threading.Event(), 0, 0
    forward = bags.forward

    def counted(**inputs: Any) -> Any:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        started.set()
        try:
            return forward(**inputs)
        finally:
            inside -= 1

    monkeypatch.setattr(bags, "forward", counted)
    bags.gate.clear()
    probe.text = "dog"
    assert started.wait(WAIT)
    for text in ("dog c", "dog ca", "dog cat"):
        probe.text = text
    bags.gate.set()
    assert probe.wait(WAIT)
    assert texts == ["dog cat"]
    assert most == 1


def test_views_ask(probe: nw.LiveProbe, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(probe, "send", sent.append)
    for kind in ("reading.request", "deletions.request"):
        probe._on_view_message(probe, {"type": kind}, [])
        assert probe.wait(WAIT)
    assert sent == [{"type": "job.ack"}] * 2
    assert probe.deletions is not None
    probe._on_view_message(probe, {"type": "neuron.request", "neuron": 99}, [])
    assert probe.status["text"].startswith("neuron 99 is not in layer 'act'")
    probe._on_view_message(probe, {"type": "neuron.request", "neuron": 4}, [])
    assert probe.wait(WAIT)
    assert (probe.neuron, probe.status["state"]) == (4, "idle")
    probe.set_state({"text": "sun"})
    assert probe.wait(WAIT)
    assert probe.result.text == "sun"


def test_concepts_are_those_of_an_explorer(
    bags: Bags, acts: nw.Activations, tokenizer: Any
) -> None:
    explorer = nw.SplitExplorer(acts, 2, top=20)
    made = nw.LiveProbe(acts, bags, tokenizer=tokenizer, concepts=explorer)
    assert made.neuron == 2
    assert len(made.concepts) == len(explorer.concepts)
    made.concepts = nw.split(acts, np.arange(8.0), top=20).cut()
    assert made.wait(WAIT)
    assert made.neuron is None
    assert made.result.pooled == pytest.approx(
        float(acts.rows([made.sample])[0] @ made.concepts.direction), rel=1e-4
    )
    made.neuron = 3
    assert made.wait(WAIT)
    assert made.concepts.neuron == 3
    narrow = nw.split(np.random.default_rng(0).random((50, 3)), 0).cut()
    with pytest.raises(ValueError, match="of a layer with 3 neurons, and acts have 8"):
        made.concepts = narrow
    explorer.close()
    made.close()


def test_a_dead_neuron_has_a_probe_without_concepts(
    bags: Bags, acts: nw.Activations, tokenizer: Any
) -> None:
    with torch.no_grad():
        bags.embed.weight[:, 3] = -1
    dead = nw.capture(bags, TEXTS, "act", tokenizer=tokenizer, progress=False)
    made = nw.LiveProbe(dead, bags, 3, tokenizer=tokenizer)
    assert len(made.concepts) == 0
    assert made.result.shares.shape[1] == 0
    assert shown({"_readings": made._readings})["slots"][0]["note"].startswith("No concepts: ")
    made.close()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda acts, model, _: nw.LiveProbe(acts, model), "texts need the model's tokenizer"),
        (
            lambda acts, model, _: nw.LiveProbe(acts.values, model),
            "acts have neither texts nor images",
        ),
        (
            lambda acts, model, tok: nw.LiveProbe(acts.values, model, layer="act", tokenizer=tok),
            "pass pooling='mean'",
        ),
        (
            lambda acts, model, tok: nw.LiveProbe(acts, model, layer="nowhere", tokenizer=tok),
            "does not exist",
        ),
        (
            lambda acts, model, tok: nw.LiveProbe(
                acts.values[:, :5], model, layer="act", tokenizer=tok, pooling="mean", text="dog"
            ),
            "has 8 neurons, and acts have 5",
        ),
        (
            lambda acts, model, tok: nw.LiveProbe(acts, model, tokenizer=tok, text="a", image=b"a"),
            "a text or an image",
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    make: Callable[..., Any], words: str, bags: Bags, acts: nw.Activations, tokenizer: Any
) -> None:
    with pytest.raises(ValueError, match=words):
        make(acts, bags, tokenizer)


def test_plain_arrays_have_a_probe_without_samples(
    bags: Bags, acts: nw.Activations, tokenizer: Any
) -> None:
    made = nw.LiveProbe(
        acts.values, bags, 0, layer="act", tokenizer=tokenizer, pooling="mean"
    )  # fmt: skip
    assert made._tops == []
    assert made.text == ""
    assert made.result is None
    made.text = "dog"
    assert made.wait(WAIT)
    assert made.result.pooled == pytest.approx(4)
    with pytest.raises(t.TraitError, match="no texts or images to start from"):
        made.sample = 0
    made.close()
