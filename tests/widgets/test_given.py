"""The arguments of a call as code."""

from __future__ import annotations

import ast

import numpy as np
import pytest

import neuronwidgets as nw
from neuronwidgets.widgets.base.given import given


def test_literals_are_written_and_other_values_named() -> None:
    code = given(
        "acts", model=object(), top=np.int64(3), method='it\'s "mine"', labels=["a"] * 100,
        scores=("active", "sparsity"), share=0.5, quiet=True, nothing=None,
    )  # fmt: skip
    call = ast.parse(f"f({code})", mode="eval").body
    assert isinstance(call, ast.Call)
    written = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    assert written == {
        "model": "model",
        "top": "top",
        "method": repr('it\'s "mine"'),
        "labels": "labels",
        "scores": "('active', 'sparsity')",
        "share": "0.5",
        "quiet": "True",
    }
    assert given() == ""


@pytest.mark.parametrize("metric", [None, "cosine"])
def test_a_browser_says_how_its_neurons_are_split(metric: str | None) -> None:
    acts = nw.Activations.from_arrays(np.random.default_rng(0).normal(size=(40, 3)).astype("f4"))
    browser = nw.NeuronBrowser(acts, metric=metric, scores=["kurtosis"])
    said = "" if metric is None else "metric='cosine', "
    assert browser._given == f"acts, {said}scores=['kurtosis']"
    browser.close()
    whole = nw.split_layer(acts, progress=False)
    shown = nw.NeuronBrowser(whole)
    assert shown._given == "layer_split"
    shown.close()


@pytest.mark.parametrize("distinct", ["text", None])
def test_an_explorer_splits_every_neuron_with_the_same_samples_once(distinct: str | None) -> None:
    item = np.repeat(np.arange(30), 5)
    samples = nw.Samples(150, item=item, token=np.tile(np.arange(5), 30))
    values = np.random.default_rng(0).normal(size=(150, 3)).astype("f4")
    acts = nw.Activations("layer", values, samples)
    for explorer in (
        nw.SplitExplorer(acts, 0, 25, distinct=distinct),
        nw.SplitExplorer(nw.split(acts, 0, 25, distinct=distinct)),
    ):
        explorer.neuron = 2
        assert explorer.split.distinct == distinct
        expected = nw.split(acts, 2, 25, distinct=distinct).index
        np.testing.assert_array_equal(explorer.split.index, expected)
        assert explorer._given.endswith(f", distinct={distinct!r}")
        explorer.close()
    with pytest.raises(ValueError, match="distinct= is given with a split, which has it already"):
        nw.SplitExplorer(nw.split(acts, 0, 25), distinct="text")
