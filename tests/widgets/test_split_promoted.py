"""What concepts promote and demote: right numbers, a control, nothing without a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.widgets.base.jobs import take
from neuronwidgets.widgets.protocol.buffers import unpack
from neuronwidgets.widgets.split_explorer.evidence import Evidence
from neuronwidgets.widgets.split_explorer.model_use import ModelUse
from neuronwidgets.widgets.split_explorer.spread import NEURON

WIDTH, CLASSES = 6, 4


class Net(nn.Module):
    """Neurons behind a ReLU, and logits: linear in the neurons, or behind another ReLU."""

    def __init__(self, deep: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.neurons = nn.Sequential(nn.Linear(5, WIDTH), nn.ReLU())
        self.middle = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU()) if deep else nn.Identity()
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: torch.Tensor) -> Any:
        return self.head(self.middle(self.neurons(x)))


INPUTS = torch.randn(200, 5, generator=torch.Generator().manual_seed(1))


def opened(net: Net, **options: Any) -> tuple[Evidence, list[int]]:
    acts = nw.capture(net, INPUTS, "neurons", progress=False)
    made = nw.split(acts, 0, top=40)
    use = ModelUse(**{"model": net, "data": INPUTS, "classes": list("abcd"), **options})
    return Evidence(made, use=use), [int(node) for node in made.cut().nodes]


def gathered(evidence: Evidence, nodes: list[int]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    for step in evidence.steps(nodes, lambda: None):
        take(step)
    assert not evidence.lacks(nodes)
    return unpack(evidence.pack_evidence())


def centred(model: Net, vector: np.ndarray) -> np.ndarray:
    effect = model.head.weight.detach().numpy().astype(np.float64) @ vector
    return np.asarray(effect - effect.mean())


def test_strips_are_the_readout_of_each_concept_and_of_the_neuron() -> None:
    model = Net()
    evidence, nodes = opened(model)
    arrays, about = gathered(evidence, nodes)
    assert about["effects"]["kind"] == "class"
    assert about["effects"]["lens"] == "logit"
    names, places = about["effects"]["names"], arrays["effect_node"].tolist()
    concepts = evidence.split.cut()
    subjects = {NEURON: np.eye(WIDTH)[0], **dict(zip(nodes, concepts.differences, strict=True))}
    for node, vector in subjects.items():
        i, effect = places.index(node), centred(model, vector)
        order = np.argsort(-effect)
        shown = [[names[n] for n in side] for side in arrays["effect_output"][i].tolist()]
        assert shown == [["abcd"[n] for n in order[:2]], ["abcd"[n] for n in order[::-1][:2]]]
        np.testing.assert_allclose(arrays["effect"][i][0], effect[order[:2]], atol=1e-5)
        np.testing.assert_allclose(arrays["effect"][i][1], effect[order[::-1][:2]], atol=1e-5)
    agreement = arrays["effect_agreement"]
    assert np.isnan(agreement[places.index(NEURON)])
    for group, node in zip(concepts.groups, nodes, strict=True):
        halves = [evidence.split.vectors[group[start::2]] for start in (0, 1)]
        a, b = (
            centred(model, np.mean(unit(half - evidence.split.mean), axis=0)) for half in halves
        )
        cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        assert abs(agreement[places.index(node)] - cosine) < 0.05


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def test_all_possible_concepts_have_one_where_it_costs_nothing() -> None:
    evidence, nodes = opened(Net())
    arrays, _ = gathered(evidence, nodes)
    tree = evidence.split.tree
    possible = np.flatnonzero(tree.size >= evidence.split.min_size).tolist()
    assert sorted(arrays["effect_node"].tolist()) == [NEURON, *possible]


def test_the_control_is_what_random_directions_reach() -> None:
    model = Net()
    _, about = gathered(*opened(model))
    rng = np.random.default_rng(7)
    rows = unit(rng.normal(size=(4000, WIDTH)))
    reached = [np.abs(centred(model, row)).max() for row in rows]
    assert abs((np.array(reached) <= about["effects"]["high"]).mean() - 0.95) < 0.06


def test_behind_another_activation_function_the_jacobian_lens_reads_it() -> None:
    model = Net(deep=True)
    evidence, nodes = opened(model)
    arrays, about = gathered(evidence, nodes)
    assert about["effects"]["lens"] == "jacobian"
    assert about["effects"]["high"] > 0
    assert sorted(arrays["effect_node"].tolist()) == sorted([NEURON, *nodes])
    step = torch.zeros(32, WIDTH)
    step[:, 0] = 1e-3
    with torch.no_grad():
        hidden = model.neurons(INPUTS[:32])
        change = model.head(model.middle(hidden + step)) - model.head(model.middle(hidden))
    effect = (change.mean(0) / 1e-3).double().numpy()
    effect -= effect.mean()
    strip = arrays["effect"][arrays["effect_node"].tolist().index(NEURON)]
    np.testing.assert_allclose(strip[0], np.sort(effect)[::-1][:2], atol=0.02)


@pytest.mark.parametrize("deep", [False, True], ids=["logit", "jacobian"])
def test_k_means_concepts_have_strips_of_their_own(deep: bool) -> None:
    model = Net(deep)
    explorer = nw.SplitExplorer(
        nw.capture(model, INPUTS, "neurons", progress=False), 0, 40, model=model, data=INPUTS,
        refined=True,
    )  # fmt: skip
    assert explorer.wait(60)
    arrays, about = unpack(explorer._evidence)
    concepts, places = explorer.concepts, arrays["effect_node"].tolist()
    assert concepts.refined
    assert about["effects"]["refined"] == explorer.threshold
    assert {p for p in places if p < NEURON} == {-2 - k for k in range(len(concepts))}
    expected = nw.effects_of(
        concepts, model, INPUTS, top=2, samples=32 if deep else 0, random=0
    ).lenses["jacobian" if deep else "logit"]
    for k in range(len(concepts)):
        raised = arrays["effect"][places.index(-2 - k)][0, :2]
        np.testing.assert_allclose(raised, expected.raised[k], atol=1e-5)
    # Another cut has other concepts: the strips of those before are gone.
    explorer.threshold = explorer.split.tree.top
    assert explorer.wait(60)
    arrays, about = unpack(explorer._evidence)
    of_cut = [-2 - k for k in range(len(explorer.concepts))]
    assert about["effects"]["refined"] == explorer.threshold
    assert [p for p in arrays["effect_node"].tolist() if p < NEURON] == of_cut
    explorer.close()


def test_nothing_is_sent_without_a_model() -> None:
    model = Net()
    made = nw.split(nw.capture(model, INPUTS, "neurons", progress=False), 0, top=40)
    arrays, about = gathered(Evidence(made), [int(node) for node in made.cut().nodes])
    assert "effects" not in about
    assert not [name for name in arrays if name.startswith("effect")]


def test_a_model_that_does_not_fit_says_so_and_the_rest_goes_on() -> None:
    evidence, nodes = opened(Net(), model=nn.Linear(5, 2))
    arrays, about = gathered(evidence, nodes)
    assert "neurons" in about["effects"]["note"]
    assert "effect_node" not in arrays
    assert evidence.assessment.done
    assert len(arrays["node"])


def test_no_pass_is_made_while_the_model_is_in_use() -> None:
    evidence, nodes = opened(Net())
    evidence.reads = False
    arrays, about = gathered(evidence, nodes)
    assert "effect_node" not in arrays
    assert about["effects"]["note"] == ""


def test_the_explorer_takes_the_model_and_writes_it_as_code() -> None:
    model = Net()
    acts = nw.capture(model, INPUTS, "neurons", progress=False)
    explorer = nw.SplitExplorer(acts, 0, 40, model=model, data=INPUTS)
    assert explorer.wait(60)
    arrays, _ = unpack(explorer._evidence)
    assert NEURON in arrays["effect_node"]
    assert explorer._given == "acts, model=model, data=data"
    assert "effect" in explorer._methods
    explorer.close()
    with pytest.raises(ValueError, match="classes= is there to run a model: pass model="):
        nw.SplitExplorer(acts, 0, classes=list("abcd"))
    with pytest.raises(ValueError, match=r"held_out must be samples and their labels"):
        nw.SplitExplorer(acts, 0, model=model, held_out=INPUTS)


def test_a_split_by_effect_brings_its_model_along() -> None:
    model = Net()
    acts = nw.capture(model, INPUTS, "neurons", progress=False)
    made = nw.split(acts, 0, 40, "effect", model=model, data=INPUTS)
    explorer = nw.SplitExplorer(made)
    assert explorer.wait(60)
    assert NEURON in unpack(explorer._evidence)[0]["effect_node"]
    explorer.close()


def test_explore_passes_its_model_on() -> None:
    model = Net()
    acts = nw.capture(model, INPUTS, "neurons", progress=False)
    explorer = nw.explore(acts, model=model, neuron=0, classes=list("abcd"))
    assert explorer.wait(60)
    assert explorer.split is not None
    assert explorer.split.wait(60)
    about = unpack(explorer.split._evidence)[1]
    # It has no samples that this model could read: it says so.
    assert "data=" in about["effects"]["note"]
    explorer.close()
    whole = nw.explore(model, INPUTS, "neurons", neuron=0)
    assert whole.wait(60)
    assert whole.split is not None
    use = whole.split._session.recipe.use
    assert use is not None
    assert use.data is INPUTS
    whole.close()
