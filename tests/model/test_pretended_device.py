"""What reads or edits a model on a device gives what it gives on a CPU."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from transformers import BertModel, PreTrainedTokenizerBase

import neuronwidgets as nw
from tests.model.lens_models import TEXTS, act, gpt2
from tests.pretended_device import on_device, pretended_device

RNG = np.random.default_rng(0)
WORDS = ["the", "cat", "sat", "on", "mat", "play", "playing", "player"]
WORDED = [" ".join(RNG.choice(WORDS, count)) for count in RNG.integers(1, 14, 60)]
ROWS = RNG.normal(size=(80, 12)).astype(np.float32)
LABELS = (ROWS[:, 0] > 0).astype(int)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module", autouse=True)
def device() -> torch.device:
    return pretended_device()


def both(of: Callable[[nn.Module], Any], model: nn.Module, rtol: float = 2e-5) -> None:
    """`of` gives the same, but for rounding, with the model here and on the device."""
    here, there = of(model), of(on_device(model))
    if isinstance(here, pd.DataFrame):
        pd.testing.assert_frame_equal(there, here, rtol=rtol, atol=1e-6)
    else:
        np.testing.assert_allclose(there, here, rtol=rtol, atol=1e-6)


def classifier() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 16), nn.GELU(), nn.Linear(16, 2)
    )


@pytest.mark.parametrize("pooling", ["mean", "max", "last", "cls", "token"])
@pytest.mark.parametrize("in_folder", [False, True])
def test_capture(
    bert: BertModel,
    bert_tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
    pooling: str,
    in_folder: bool,
) -> None:
    def values(model: nn.Module) -> Any:
        out = tmp_path / str(next(model.parameters()).device.type) if in_folder else None
        layer = "encoder.layer.1"
        acts = nw.capture(model, WORDED, layer, pooling, tokenizer=bert_tokenizer, out=out)
        return np.asarray(acts.values)

    both(values, bert)


def test_a_whole_model() -> None:
    both(
        lambda model: nw.split_model(model, TEXTS * 20, top=10, progress=False).to_frame(),
        gpt2().float(),
        rtol=1e-3,
    )


def test_edits_and_what_they_cost() -> None:
    model = classifier()
    acts = nw.capture(model, ROWS, "3", labels=LABELS, progress=False)
    ranges = nw.ranges(acts)
    concepts = nw.split(acts, 3, 60).cut(2)
    edits = {
        "range": lambda model: nw.mask_range(model, ranges, 1),
        "neurons": lambda model: nw.mask_neurons(model, "3", [1, 4], acts.mean),
        "steer": lambda model: nw.steer(model, "3", concepts.vectors[0], 2.0),
        "ablate": lambda model: nw.ablate(model, "3", concepts.vectors[0]),
    }
    for edit in edits.values():

        def edited(model: nn.Module, edit: Any = edit) -> np.ndarray:
            with torch.no_grad(), edit(model):
                outputs = model(torch.from_numpy(ROWS).to(next(model.parameters()).device))
            return np.asarray(outputs.cpu().numpy())

        both(edited, model)
    both(
        lambda model: nw.evaluate_masks(
            model, ROWS, ranges, labels=LABELS, classes=["0", "1"], progress=False
        ).to_frame(),
        model,
    )
    both(lambda model: nw.causes(concepts, model, ROWS, LABELS, progress=False).to_frame(), model)


def test_what_a_neuron_promotes() -> None:
    both(
        lambda model: nw.effects_of([0, 5], model, layer=act(1)).to_frame(),
        gpt2().float(),
    )


def gradients() -> None:
    model = gpt2().float()
    acts = nw.capture(model, TEXTS, [act(1), act(0)], "token", progress=False)
    concepts = nw.split(acts[act(1)], 3, 20).cut(2)
    both(lambda model: nw.effects_of(3, model, TEXTS, layer=act(0)).to_frame(), model)
    both(lambda model: nw.importance(model, TEXTS[0], act(0)).to_frame(), model, rtol=1e-3)
    both(
        lambda model: nw.concept_graph(
            concepts, below=acts[act(0)], model=model, data=TEXTS, progress=False
        ).to_frame(),
        model,
        rtol=1e-3,
    )


def test_gradients() -> None:
    # In a process of their own: torch's autograd learns of devices when it is first used.
    code = (
        f"import torch; torch.set_num_threads(1); from {__name__} import *; "
        "pretended_device(); gradients()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
