"""SplitExplorer on data of every kind: few samples, constant ones, tokens, images."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.activations.samples import Samples
from neuronwidgets.widgets.protocol.buffers import unpack

MESSAGES = ("_tree", "_evidence", "_refinement")


def test_zero_vectors_under_cosine_are_answered_in_words() -> None:
    values = np.random.default_rng(0).normal(size=(30, 4)).astype("f4")
    values[0] = 0
    explorer = nw.SplitExplorer(values, neuron=0)
    request = {"type": "split.request", "neuron": 0, "top": 30, "method": "average"}
    explorer._on_view_message(explorer, request, [])
    assert explorer.wait(30)
    assert "all zeros" in explorer.status["text"]
    assert explorer.method == "ward"
    with pytest.raises(ValueError, match="all zeros"):
        explorer.method = "average"


@pytest.mark.parametrize("count", [2, 3, 4])
def test_tiny_data(count: int) -> None:
    explorer = nw.SplitExplorer(np.arange(count * 2.0).reshape(count, 2))
    assert explorer.top == count
    tree, _ = unpack(explorer._tree)
    assert len(tree["row"]) == count
    explorer.threshold = 0.0
    assert len(explorer.concepts) == 0
    explorer.threshold = 1e6
    assert len(explorer.concepts) == 1
    explorer.refined = True
    assert explorer.wait(30)
    assert explorer.status["state"] == "idle"


@pytest.mark.parametrize("values", [np.ones((20, 3)), np.zeros((20, 3))])
def test_constant_activations(values: np.ndarray) -> None:
    explorer = nw.SplitExplorer(values)
    assert len(explorer.concepts) == 0
    assert explorer.status["state"] == "idle"


def test_an_error_while_reading_tokens_leaves_the_tree() -> None:
    def tokens(rows: object, direction: object) -> list[np.ndarray]:
        raise RuntimeError("out of memory")

    values = np.random.default_rng(0).normal(0, 0.3, (120, 8)).astype("f4")
    values[np.arange(120), np.repeat([1, 2, 3], 40)] += 4
    values[:80, 0] += 5
    texts = Samples(120, texts=["ab"] * 120, spans=[np.array([[0, 2]], np.int32)] * 120)
    explorer = nw.SplitExplorer(
        nw.Activations("t", values, texts, pooling="max", tokens=tokens), neuron=0
    )
    assert explorer.wait(30)
    assert explorer.status == {
        "state": "error", "text": "RuntimeError: out of memory", "progress": 1.0,
    }  # fmt: skip
    assert len(explorer.concepts) >= 2


def test_token_units_are_shaded_from_the_store() -> None:
    spans = np.array([[0, 1], [2, 3], [4, 5]], np.int32)
    item = np.repeat(np.arange(20), 3)
    samples = Samples(60, texts=["a b c"] * 20, spans=[spans] * 20, item=item,
                      token=np.tile(np.arange(3, dtype=np.int32), 20))  # fmt: skip
    values = np.random.default_rng(0).normal(size=(60, 4)).astype("f4")
    values[2::3, 0] += 9
    explorer = nw.SplitExplorer(nw.Activations("t", values, samples, pooling="token"), neuron=0)
    assert explorer.wait(30)
    _, about = unpack(explorer._evidence)
    assert about["kind"] == "text"
    assert set(map(tuple, about["segments"])) == {("a", " b", " c")}
    tensors, _ = unpack(explorer._evidence)
    shaded = tensors["value"].reshape(-1, 3)
    first = tensors["face"].tolist().index(int(explorer.split.index[0]))
    assert about["peaks"][first] == 2
    home = 3 * (int(explorer.split.index[0]) // 3)
    np.testing.assert_allclose(shaded[first], values[home : home + 3, 0], rtol=1e-6)


def test_top_samples_of_one_text_say_so() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 4)).astype("f4")
    item = np.repeat(np.arange(20), 3)
    for kind in ({"item": item, "token": np.arange(60) % 3}, {"origin": item}, {}):
        samples = Samples(60, texts=["a b c"] * 60, **kind)
        explorer = nw.SplitExplorer(nw.Activations("t", values, samples), 0, top=30)
        arrays = unpack(explorer._tree)[0]
        texts = item[explorer.split.index]
        if kind:
            _, numbers = np.unique(texts, return_inverse=True)
            np.testing.assert_array_equal(arrays["source"], numbers)
        else:
            assert "source" not in arrays
        explorer.close()


@pytest.mark.parametrize("kind", ["image", "text"])
def test_each_sample_is_in_the_state_once(kind: str) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.3, (300, 8)).astype("f4")
    values[np.arange(300), 1 + np.arange(300) % 3] += 3
    values[:150, 0] += 4
    texts = [f"sample <{i}> of many" for i in range(300)]
    spans = [np.array([[0, 6], [6, 9 + len(str(i))]], np.int32) for i in range(300)]

    def tokens(rows: Any, direction: object) -> list[np.ndarray]:
        return [np.array([0.2, 3], np.float32) for _ in rows]

    samples = Samples(300, texts=texts, spans=spans)
    if kind == "image":
        samples = Samples(300, images=list(rng.integers(0, 255, (300, 9, 9), "u1")))
    acts = nw.Activations("x", values, samples, pooling="max", tokens=tokens)
    explorer = nw.SplitExplorer(acts, 0, top=20, refined=True)
    assert explorer.wait(30)
    messages = {name: unpack(getattr(explorer, name)) for name in MESSAGES}
    rows = [row for name in MESSAGES[:2] for row in messages[name][0]["face"].tolist()]
    assert len(rows) == len(set(rows))
    assert set(explorer.split.index.tolist()) < set(rows)
    refinement = messages["_refinement"][0]
    assert set(refinement["retrieved"][:, :, :8].ravel().tolist()) <= set(rows)
    assert not {"face", "atlas", "value"} & set(refinement)
    if kind == "text":
        state = json.dumps([about for _, about in messages.values()])
        counts = [state.count(f" <{i}> ") + state.count(f' <{i}>"') for i in range(300)]
        assert max(counts) == 1
