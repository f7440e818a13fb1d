"""What SplitExplorer says of known directions, without a browser."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch

import neuronwidgets as nw
from neuronwidgets import toy
from neuronwidgets.widgets.protocol.buffers import unpack

NEURONS, FEATURES = 12, 7
TRUE = np.random.default_rng(1).random((FEATURES, NEURONS))
TRUE[:, 0] = [1, 0.9, 0.8, 0.7, 0.02, 0.05, 0]


def activations(count: int = 400) -> nw.Activations:
    """Samples of one or two features of seven, of which four drive neuron 0."""
    rng = np.random.default_rng(0)
    present = np.zeros((count, FEATURES))
    for row in present:
        some = rng.choice(FEATURES, 1 + (rng.random() < 0.2), replace=False)
        row[some] = 0.5 + rng.random(len(some))
    return nw.Activations.from_arrays(present @ TRUE + rng.normal(0, 0.02, (count, NEURONS)))


@pytest.fixture
def explorer() -> Any:
    made = nw.SplitExplorer(activations(), neuron=0, truth=TRUE)
    assert made.wait(30)
    yield made
    made.close()


def test_calibration_is_that_of_the_features_that_drive_the_neuron(explorer: Any) -> None:
    assert explorer.driving_features.tolist() == [0, 1, 2, 3]
    recovered = []
    for threshold in np.linspace(0, explorer.split.tree.top, 15):
        explorer.threshold = threshold
        got = explorer.calibration
        want = toy.calibrate(explorer.concepts.vectors, TRUE[:4])
        np.testing.assert_allclose(got.cosines, want.cosines, atol=1e-12)
        assert (got.found.tolist(), got.true.tolist()) == (want.found.tolist(), want.true.tolist())
        assert got.threshold == want.threshold
        recovered.append(got.recovered)
    assert max(recovered) == 1


def test_the_tree_carries_the_cosines_of_every_possible_concept(explorer: Any) -> None:
    tensors, about = unpack(explorer._tree)
    assert about["truth"] == {"names": [f"feature {i}" for i in range(4)], "recovered": 0.9}
    possible = np.flatnonzero(explorer.split.tree.size >= explorer.split.min_size)
    assert tensors["truth_node"].tolist() == possible.tolist()
    for threshold in np.linspace(0, explorer.split.tree.top, 15):
        explorer.threshold = threshold
        rows = np.searchsorted(possible, explorer.concepts.nodes)
        np.testing.assert_allclose(
            tensors["truth"][rows], explorer.calibration.cosines, rtol=0, atol=1e-6
        )


def test_refined(explorer: Any) -> None:
    explorer.refined = True
    assert explorer.wait(30)
    assert explorer.concepts.refined
    want = toy.calibrate(explorer.concepts.vectors, TRUE[:4])
    np.testing.assert_allclose(explorer.calibration.matched, want.matched, atol=1e-12)
    tensors, _ = unpack(explorer._refinement)
    np.testing.assert_allclose(tensors["truth"], want.cosines, atol=1e-12)


def test_other_neurons_directions_and_tops(explorer: Any) -> None:
    explorer.neuron = 5
    along = TRUE[:, 5]
    assert explorer.driving_features.tolist() == np.flatnonzero(along >= along.max() / 10).tolist()
    assert explorer.calibration.cosines.shape == (
        len(explorer.concepts),
        len(explorer.driving_features),
    )
    names = unpack(explorer._tree)[1]["truth"]["names"]
    assert names == [f"feature {i}" for i in explorer.driving_features]
    explorer._on_view_message(
        explorer, {"type": "split.request", "neuron": 0, "top": 50, "method": "average"}, []
    )
    assert explorer.wait(30)
    assert explorer.driving_features.tolist() == [0, 1, 2, 3]
    assert unpack(explorer._tree)[0]["truth"].shape[1] == 4
    # Nothing lies this way.
    away = nw.SplitExplorer(activations(), neuron=-TRUE.sum(axis=0), truth=TRUE)
    assert away.driving_features.tolist() == []
    assert len(away.calibration.matched) == 0
    assert unpack(away._tree)[0]["truth"].shape[1] == 0


def test_names() -> None:
    names = [f"<b>{i}</b> é" for i in range(FEATURES)]
    made = nw.SplitExplorer(activations(), 0, truth=torch.tensor(TRUE), truth_names=names)
    assert unpack(made._tree)[1]["truth"]["names"] == names[:4]
    numbered = nw.SplitExplorer(activations(), 0, truth=TRUE.tolist(), truth_names=np.arange(7))
    assert unpack(numbered._tree)[1]["truth"]["names"] == ["0", "1", "2", "3"]


def test_without_truth_there_is_nothing_of_it() -> None:
    plain = nw.SplitExplorer(activations(), neuron=0, refined=True)
    assert plain.wait(30)
    assert plain.calibration is None
    assert plain.driving_features is None
    for message in (plain._tree, plain._evidence, plain._refinement):
        assert b"truth" not in message


def test_all_zero_samples_have_no_direction_to_match() -> None:
    made = nw.SplitExplorer(np.zeros((30, NEURONS)), neuron=0, truth=TRUE)
    assert len(made.concepts) == 0
    assert made.calibration.matched.tolist() == []


@pytest.mark.parametrize(
    ("truth", "names", "words"),
    [
        (TRUE[0], None, r"features x neurons, .*, got \(12,\)"),
        (TRUE[:0], None, r"features x neurons, .*, got \(0, 12\)"),
        (TRUE[:, :5], None, "5 dimensions and the layer 12"),
        (np.where(np.arange(12) == 3, np.nan, TRUE), None, r"truth\[0\] holds NaN or inf"),
        (np.where(np.arange(7)[:, None] == 3, 0, TRUE), None, r"truth\[3\] is all zeros \(1 "),
        ("a run", None, "matrix of numbers, .*, got a str"),
        ({"a": TRUE}, None, "matrix of numbers, .*, got a dict"),
        ([[1, 2], [3]], None, "matrix of numbers, .*, got a list"),
        (TRUE * 1j, None, "matrix of numbers, .*, got a ndarray"),
        (toy.Config(), None, "matrix of numbers, .*, got a Config"),
        (TRUE, ["a"], "1 names for 7"),
        (TRUE, "abcdefg", "a list with a name"),
        (TRUE, 7, "a list with a name"),
        (None, ["a"], "without truth"),
    ],
)
def test_wrong_truth_is_refused_in_words(truth: Any, names: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        nw.SplitExplorer(activations(), neuron=0, truth=truth, truth_names=names)


def small(task: str) -> toy.Run:
    return toy.train(toy.Config(features=16, dims=8, neurons=24, batch=64, steps=64, task=task))


def test_a_run_is_its_own_truth() -> None:
    run = small("decoder")
    v, _ = run.sample(600)
    acts = nw.capture(run.model(), v, layer="act", progress=False)
    neuron = int(run.A.max(axis=1).argmax())
    made = nw.SplitExplorer(acts, neuron, truth=run)
    drivers = np.flatnonzero(run.A[neuron] >= run.A[neuron].max() / 10)
    assert made.driving_features.tolist() == drivers.tolist()
    want = toy.calibrate(made.concepts.vectors, run.directions[drivers])
    np.testing.assert_allclose(made.calibration.matched, want.matched, atol=1e-6)
    with pytest.raises(ValueError, match="24 dimensions and the layer 16"):
        nw.SplitExplorer(v, truth=run)


def test_features_with_a_sign_have_two_directions() -> None:
    run = small("absolute")
    v, _ = run.sample(600)
    acts = nw.capture(run.model(), v, layer="act", progress=False)
    both = np.concatenate([run.response(1), run.response(-1)], axis=1)
    neuron = int(both[:, 16:].max(axis=1).argmax())
    made = nw.SplitExplorer(acts, neuron, truth=run, truth_names=list("abcdefghijklmnop"))
    drivers = np.flatnonzero(both[neuron] >= both[neuron].max() / 10)
    assert made.driving_features.tolist() == drivers.tolist()
    said = unpack(made._tree)[1]["truth"]["names"]
    assert said == ["abcdefghijklmnop"[i % 16] + (", negative" if i >= 16 else "") for i in drivers]


def test_plain_arrays_need_no_torch() -> None:
    import subprocess

    code = (
        "import sys, numpy, neuronwidgets as nw; nw.SplitExplorer(numpy.eye(30, 4), 0); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
