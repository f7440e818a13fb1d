"""NeuronBrowser's column of what neurons promote: right, in view first, nothing without a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.widgets.base.feed import Feed
from neuronwidgets.widgets.base.jobs import take
from neuronwidgets.widgets.neuron_browser.session import BrowserSession
from neuronwidgets.widgets.protocol.buffers import unpack
from tests.widgets.test_browser_session import Recorded

WAIT = 60.0
CLASSES = ["bag", "boot", "hat", "coat"]
INPUTS = torch.randn(60, 5, generator=torch.Generator().manual_seed(1))


class Net(nn.Module):
    """Neurons behind a ReLU and logits, and neurons with a ReLU on their way."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.early = nn.Sequential(nn.Linear(5, 12), nn.ReLU())
        self.late = nn.Sequential(nn.Linear(12, 100), nn.ReLU())
        self.head = nn.Linear(100, len(CLASSES))

    def forward(self, x: torch.Tensor) -> Any:
        return self.head(self.late(self.early(x)))


@pytest.fixture(scope="module")
def net() -> Net:
    return Net()


@pytest.fixture(scope="module")
def acts(net: Net) -> nw.Activations:
    return nw.capture(net, INPUTS, "late", progress=False)


@pytest.fixture(scope="module")
def browser(net: Net, acts: nw.Activations) -> Iterator[Any]:
    made = nw.NeuronBrowser(acts, model=net, data=INPUTS, classes=CLASSES, scores=("active",))
    assert made.wait(WAIT)
    yield made
    made.close()


def effects(net: Net) -> np.ndarray:
    weight = net.head.weight.detach().numpy().astype(np.float64).T
    return np.asarray(weight - weight.mean(1, keepdims=True))


def test_the_column_is_the_readout_of_each_neuron(net: Net, browser: Any) -> None:
    arrays, about = unpack(browser._promoted)
    expected = effects(net)
    order = np.argsort(-expected, axis=1)
    assert (about["kind"], about["poles"]) == ("class", False)
    names = np.array(about["names"])
    # Of four classes two are on each side.
    assert (arrays["output"][:, :, 2] == -1).all()
    np.testing.assert_array_equal(
        names[arrays["output"][:, 0, :2]], np.array(CLASSES)[order[:, :2]]
    )
    demoted = names[arrays["output"][:, 1, :2]]
    np.testing.assert_array_equal(demoted, np.array(CLASSES)[order[:, :1:-1]])
    np.testing.assert_allclose(arrays["effect"][:, 0, 0], expected.max(1), atol=1e-6)
    np.testing.assert_allclose(arrays["effect"][:, 1, 0], expected.min(1), atol=1e-6)


def test_the_frame_has_it_and_the_table_is_sorted_by_it(net: Net, browser: Any) -> None:
    frame = browser.to_frame()
    expected = effects(net)
    assert [up[0] for up in frame.promotes] == [CLASSES[k] for k in expected.argmax(1)]
    assert [down[0] for down in frame.demotes] == [CLASSES[k] for k in expected.argmin(1)]
    np.testing.assert_allclose(frame.effect, np.abs(expected).max(1), atol=1e-6)
    browser.sorting = {"column": "promotes", "descending": True}
    assert browser.sorting["column"] == "promotes"


def test_a_search_ranks_the_neurons_that_promote_a_class(net: Net, browser: Any) -> None:
    found = browser.search("promoted", "HAT")
    expected = effects(net)[:, CLASSES.index("hat")]
    assert found.neuron[0] == expected.argmax()
    np.testing.assert_allclose(found.match[0], expected.max(), atol=1e-6)
    assert found.q.between(0, 1).all()
    with pytest.raises(ValueError, match="'shoe' is no class"):
        browser.search("promoted", "shoe")
    browser.clear_search()


def test_neurons_in_view_come_first_and_do_not_wait_for_the_trees(
    net: Net, acts: nw.Activations
) -> None:
    recorded = Recorded()
    session = BrowserSession(
        Feed(acts), acts, recorded.screen, splitting={"scores": ()}, model=net, data=INPUTS
    )
    session.look([90, 7])
    known: list[list[int]] = []
    for step in session.work():
        take(step)
        if "_promoted" in recorded.traits:
            arrays, _ = recorded.message("_promoted")
            known.append(np.flatnonzero(arrays["output"][:, 0, 0] >= 0).tolist())
            if len(known) == 1:
                assert len(session.forest) == 0
    assert known[0] == [7, 90]
    assert known[-1] == list(range(100))
    assert not session.due()


def test_a_stopped_browser_computes_no_more_than_what_is_in_view(
    net: Net, acts: nw.Activations
) -> None:
    recorded = Recorded()
    session = BrowserSession(
        Feed(acts), acts, recorded.screen, splitting={"scores": ()}, model=net, data=INPUTS
    )
    session.stopped = True
    session.look([3])
    for step in session.work():
        take(step)
    assert np.flatnonzero(session.promoted.known).tolist() == [3]
    assert not session.due()


def test_without_a_linear_way_the_column_has_the_mean_gradients(net: Net) -> None:
    acts = nw.capture(net, INPUTS, "early", progress=False)
    made = nw.NeuronBrowser(acts, model=net, data=INPUTS, classes=CLASSES, scores=("active",))
    assert made.wait(WAIT)
    arrays, about = unpack(made._promoted)
    assert (about["lens"], about["samples"], about["note"]) == ("jacobian", 60, "")
    found = made.search("promoted", "hat")
    best = int(found.neuron[0])
    names = np.array(about["names"])
    assert "hat" in names[arrays["output"][best, 0, :2]]
    assert "Jacobian lens, 60 samples" in made._session.match.about
    made.close()


def test_outputs_that_have_no_gradients_are_said_where_the_column_would_be(net: Net) -> None:
    many = nn.Sequential(net.early, nn.Linear(12, 100), nn.ReLU(), nn.Linear(100, 300))
    acts = nw.capture(many, INPUTS, "0", progress=False)
    made = nw.NeuronBrowser(acts, model=many, data=INPUTS, scores=("active",))
    assert made.wait(WAIT)
    arrays, about = unpack(made._promoted)
    assert (arrays["output"] == -1).all()
    assert "the model has 300 classes, and at most 200 are tried" in about["note"]
    assert made.status["state"] == "idle"
    assert len(made._session.forest) == 12
    with pytest.raises(ValueError, match="activation function or another map"):
        made.search("promoted", "1")
    made.close()


def test_without_a_model_the_search_asks_for_one() -> None:
    made = nw.NeuronBrowser(np.random.default_rng(0).normal(size=(30, 4)), scores=("active",))
    assert made.wait(WAIT)
    with pytest.raises(ValueError, match="pass model="):
        made.search("promoted", "hat")
    assert "promotes" not in made.to_frame()
    made.close()
