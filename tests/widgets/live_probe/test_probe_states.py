"""LiveProbe with chunks and a template: the numbers of both for the tokens of a typed text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import traitlets as t

import neuronwidgets as nw
from neuronwidgets.widgets.protocol.buffers import unpack
from tests.widgets.live_probe.conftest import TEXTS, WAIT, WORDS, Bags


@pytest.fixture
def tokens(bags: Bags, tokenizer: Any) -> nw.Activations:
    return nw.capture(bags, TEXTS, "act", "token", tokenizer=tokenizer, progress=False)


@pytest.fixture
def chunks(tokens: nw.Activations) -> Any:
    return nw.chunk_dictionary(tokens, len(WORDS), n_init=1)


@pytest.fixture
def template(tokens: nw.Activations) -> Any:
    """The state of the word "the"."""
    return nw.template(tokens, rows_of(tokens, "the")[:4], 0.5, draws=2)


@pytest.fixture
def probe(
    bags: Bags, acts: nw.Activations, tokenizer: Any, chunks: Any, template: Any
) -> Iterator[nw.LiveProbe]:
    made = nw.LiveProbe(acts, bags, 0, tokenizer=tokenizer, chunks=chunks, template=template)
    yield made
    made.close()


def rows_of(tokens: nw.Activations, word: str) -> np.ndarray:
    samples = tokens.samples
    words = [
        samples.texts[item].split()[token]
        for item, token in zip(samples.item, samples.token, strict=True)
    ]
    return np.flatnonzero(np.array(words) == word)


def typed(probe: nw.LiveProbe, text: str) -> dict[str, np.ndarray]:
    probe.text = text
    assert probe.wait(WAIT)
    return unpack(probe._readings)[0]


def test_a_typed_text_has_the_chunks_of_its_tokens(
    probe: nw.LiveProbe, tokens: nw.Activations, chunks: Any
) -> None:
    text = "moon the dog"
    arrays = typed(probe, text)
    own = [rows_of(tokens, word)[0] for word in text.split()]
    assert arrays["chunk"].tolist() == chunks.assignment[own].tolist()
    assert len(set(arrays["chunk"].tolist())) == 3
    np.testing.assert_allclose(arrays["chunk_cosine"], chunks.similarity[own], atol=1e-6)
    about = probe._states["chunks"]
    assert about == {
        "names": list(chunks.names), "held_out": chunks.held_out, "chance": chunks.chance,
    }  # fmt: skip
    # It follows what is typed.
    assert len(typed(probe, "dog cat ran the")["chunk"]) == 4


def test_the_hits_of_a_text_are_those_of_the_template_at_each_tolerance(
    probe: nw.LiveProbe, tokens: nw.Activations, template: Any
) -> None:
    text = "moon the dog"
    hit = typed(probe, text)["hit"]
    tolerances = probe._states["template"]["tolerances"]
    assert hit.shape == (3, len(tolerances))
    for place, tolerance in enumerate(tolerances):
        known = [
            int(np.isin(rows_of(tokens, w)[0], template.hits(tolerance))) for w in text.split()
        ]
        assert hit[:, place].tolist() == known
    assert hit[:, tolerances.index(0.5)].tolist() == [0, 1, 0]


def test_the_counts_beside_the_slider_are_those_of_the_table(
    probe: nw.LiveProbe, template: Any
) -> None:
    about, frame = probe._states["template"], template.to_frame()
    for name in ("neurons", "neurons_random", "hits", "random", "chance"):
        assert about[name] == frame[name].tolist()
    place = about["tolerances"].index(0.5)
    assert about["hits"][place] == len(template.hits()) - len(template.samples) > 0
    assert (about["samples"], about["width"]) == (4, len(WORDS))


def test_the_tolerance_is_one_of_the_template(probe: nw.LiveProbe, template: Any) -> None:
    assert probe.tolerance == 0.5
    probe.tolerance = 0.013
    assert probe.tolerance in template.tolerances
    assert 0.01 <= probe.tolerance < 0.02
    for wrong in (0, -1.0, float("nan")):
        with pytest.raises(t.TraitError, match="tolerance must be a positive number"):
            probe.tolerance = wrong
    assert "chunks=chunks, template=template" in probe._given


def test_a_second_box_is_compared_too(probe: nw.LiveProbe) -> None:
    typed(probe, "the dog")
    probe.comparing = True
    probe.other = "cat the sun"
    assert probe.wait(WAIT)
    arrays = unpack(probe._readings)[0]
    assert len(arrays["value"]) == len(arrays["chunk"]) == len(arrays["hit"]) == 5
    probe.other = ""
    assert probe.wait(WAIT)
    assert len(unpack(probe._readings)[0]["chunk"]) == 2


def test_a_probe_without_them_reads_as_before(
    bags: Bags, acts: nw.Activations, tokenizer: Any
) -> None:
    probe = nw.LiveProbe(acts, bags, 0, tokenizer=tokenizer)
    arrays = typed(probe, "the dog")
    assert {"chunk", "hit"}.isdisjoint(arrays)
    assert probe._states == {}
    assert probe.tolerance == 0
    assert not len(probe.result.vectors)
    with pytest.raises(t.TraitError, match="else 0"):
        probe.tolerance = 0.5
    probe.close()


def test_what_is_of_another_layer_is_refused(
    bags: Bags, acts: nw.Activations, tokenizer: Any, tokens: nw.Activations
) -> None:
    def opened(**given: Any) -> None:
        nw.LiveProbe(acts, bags, 0, tokenizer=tokenizer, **given)

    with pytest.raises(TypeError, match=r"chunks must be from nw.chunk_dictionary"):
        opened(chunks=5)
    with pytest.raises(TypeError, match=r"template must be from nw.template"):
        opened(template=nw.chunk_dictionary(tokens, 2))
    other = nw.Activations.from_arrays(np.asarray(tokens.values)[:, :5])
    with pytest.raises(ValueError, match=r"chunks must be of layer 'act' with 8 neurons, got"):
        opened(chunks=nw.chunk_dictionary(other, 2))
    pooled = nw.capture(bags, TEXTS, "act", "mean", tokenizer=tokenizer, progress=False)
    with pytest.raises(ValueError, match=r"template must be of tokens, got the mean over tokens"):
        opened(template=nw.template(pooled, [0, 1, 2], draws=1))


def test_images_have_no_chunks() -> None:
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, 4), torch.nn.ReLU())
    images = np.random.default_rng(0).integers(0, 255, (20, 6, 6), dtype=np.uint8)
    acts = nw.capture(net, images, "2", progress=False)
    chunks = nw.chunk_dictionary(acts, 2, n_init=1)
    with pytest.raises(ValueError, match="must not be given to a probe that reads images"):
        nw.LiveProbe(acts, net, 0, chunks=chunks)
