"""The layers of a split model open in the widgets."""

from __future__ import annotations

import numpy as np
import pytest
from transformers import BertModel, PreTrainedTokenizerBase

import neuronwidgets as nw
from tests.model.split_models import TEXTS

LAYER = "encoder.layer.0.intermediate"
WAIT = 60
"""Seconds for the jobs of a widget, on a busy machine."""


@pytest.fixture(scope="module")
def splits(bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase) -> nw.ModelSplits:
    return nw.split_model(
        bert, TEXTS, [LAYER, "encoder.layer.1"], 12, "token", tokenizer=bert_tokenizer,
        labels=[str(i % 4) for i in range(90)], draws=2, progress=False,
    )  # fmt: skip


def test_the_browser_shows_what_was_computed(splits: nw.ModelSplits) -> None:
    layer = splits[LAYER]
    browser = nw.NeuronBrowser(layer, 3)
    try:
        assert browser.wait(WAIT)
        assert browser.status["text"] == ""
        assert browser.layer_split is layer
        frame = browser.to_frame()
        assert len(frame) == 24
        for name in ("polysemanticity", "kurtosis", "sparsity"):
            np.testing.assert_allclose(frame[name], layer.scores[name], rtol=1e-6, err_msg=name)
    finally:
        browser.close()


def test_a_neuron_opens_in_the_explorer(splits: nw.ModelSplits) -> None:
    layer = splits[LAYER]
    widget = nw.SplitExplorer(layer.split(3))
    try:
        assert widget.wait(WAIT)
        assert widget.status["text"] == ""
        np.testing.assert_array_equal(widget.split.index, layer.split(3).index)
        # It chooses the same top samples, of the rows that are there.
        np.testing.assert_array_equal(nw.split(layer.acts, 3, top=12).index, layer.index[3])
    finally:
        widget.close()


def test_explore_opens_a_layer(splits: nw.ModelSplits) -> None:
    explorer = nw.explore(splits[LAYER], neuron=3)
    try:
        assert explorer.browser.wait(WAIT)
        assert explorer.browser.layer_split is splits[LAYER]
    finally:
        explorer.close()


def test_layers_loaded_without_the_model_open_too(splits: nw.ModelSplits) -> None:
    loaded = nw.ModelSplits.load(splits.path)
    browser = nw.NeuronBrowser(loaded["encoder.layer.1"])
    try:
        assert browser.wait(WAIT)
        assert len(browser.to_frame()) == 16
    finally:
        browser.close()
