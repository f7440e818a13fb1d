"""CETT: the size of each neuron's share of the output of the linear module that reads it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from neuronwidgets.activations.activations import CHUNK_VALUES, Activations
from neuronwidgets.activations.samples import Samples
from neuronwidgets.core.checks import one_of
from neuronwidgets.core.layer_place import titled
from neuronwidgets.core.modes import own_modes
from neuronwidgets.models.layers import find_layer

SMALLEST = 1e-8
"""Added to the length of the output, as in the paper's code."""


@own_modes()
def cett(
    acts: Any, model: nn.Module, *, into: Any = None, by: Literal["row", "text"] = "row",
    rows: Any = None,
) -> Activations:  # fmt: skip
    """The size of each neuron's share of the next module's output, for each sample.

    `CETT[s, j] = |z[s, j]| |W[:, j]|_2 / (|W z[s] + b|_2 + 1e-8)` (arXiv 2512.01797): `z` are the
    neurons' activations, `W` and `b` the weights of the linear module that reads them. It has no
    sign. `nw.probe(..., method="l1", weight="contribution")` is fitted on it.

    The formula holds at one token: capture with `pooling="token"`. For means or maxima over tokens
    it describes the mean or maximal state, which no token has.

    Args:
        acts: the neurons' activations.
        model: the model.
        into: the linear module that reads the neurons: its name or the module. Not given: the
            layer itself, if its input was captured (`at="input"`).
        by: "row": as `acts`. "text": for tokens, the mean over each text's tokens; a row for each
            text.
        rows: bool `S`, the rows that count, such as the tokens of answers. Not given: all.

    Returns:
        `Activations` of the same layer, float32: `S x D`, or a row for each text that has a row
        that counts.

    Raises:
        ValueError: `into` is missing, not linear, or of another width; `by="text"` without tokens,
            or tokens of one text with several labels.
    """
    acts = Activations.of(acts)
    one_of("by", by, ("row", "text"))
    weight, bias = linear(acts, model, into)
    norms = np.linalg.norm(weight, axis=0)
    counted = np.ones(len(acts), bool) if rows is None else np.asarray(rows)
    if counted.dtype != bool or counted.shape != (len(acts),) or not counted.any():
        raise ValueError(f"rows must have a bool for each of the {len(acts):,} samples, one true.")
    if by == "row" and rows is not None:
        raise ValueError("rows= chooses the tokens of a mean over texts: pass by='text'.")
    item = acts.samples.item
    if by == "text" and (item is None or acts.samples.token is None):
        raise ValueError("by='text' takes the mean over tokens: capture with pooling='token'.")
    texts = np.unique(item[counted]) if by == "text" and item is not None else None
    values = np.zeros((len(acts) if texts is None else len(texts), acts.shape[1]), np.float32)
    step = max(1, CHUNK_VALUES // max(1, acts.shape[1]))
    for start in range(0, len(acts), step):
        part = slice(start, start + step)
        z = np.asarray(acts.values[part], np.float64)
        length = np.linalg.norm(z @ weight.T + bias, axis=1)
        share = np.abs(z) * norms / (length + SMALLEST)[:, None]
        if texts is None or item is None:
            values[part] = share
        else:
            mine = counted[part]
            np.add.at(values, np.searchsorted(texts, item[part][mine]), share[mine])
    if texts is None or item is None:
        return replace(acts, values=values, tokens=None)
    values /= np.bincount(np.searchsorted(texts, item[counted]))[:, None]
    return _of_texts(acts, values, texts, item)


def _of_texts(
    acts: Activations, values: np.ndarray, texts: np.ndarray, item: np.ndarray
) -> Activations:
    labels = None
    if acts.labels is not None:
        if not acts.labels_of_texts:
            raise ValueError("tokens of one text must have one label: pass by='row'.")
        first = np.unique(item, return_index=True)
        labels = acts.labels[first[1][np.searchsorted(first[0], texts)]]
    shown = acts.samples
    faces: Any = [shown.texts[i] for i in texts] if len(shown.texts) else None
    return replace(
        acts, values=values, samples=Samples.of(faces, len(texts)), labels=labels, pooling="mean",
        tokens=None, excluded=np.zeros((0, 2), np.int64),
    )  # fmt: skip


def linear(acts: Activations, model: nn.Module, into: Any) -> tuple[np.ndarray, np.ndarray]:
    """The weights (float64 `outputs x D`) and biases (float64 `outputs`) of the module that reads
    the neurons: `torch.nn.Linear`, GPT-2's `Conv1D` (stored transposed), or a convolution of size
    1.

    Raises:
        ValueError: see `cett`.
    """
    if into is None and acts.at != "input":
        raise ValueError(
            f"into must name the linear module that reads {titled(acts.layer, acts.at)}, such as "
            "'h.0.mlp.c_proj'; or capture that module's input with at='input'."
        )
    module = find_layer(model, acts.layer if into is None else into)
    name = acts.layer if into is None else into if isinstance(into, str) else type(into).__name__
    weight = getattr(module, "weight", None)
    transposed = type(module).__name__ == "Conv1D"
    pointwise = isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d) and (
        set(module.kernel_size) == {1} and module.groups == 1
    )
    known = isinstance(module, nn.Linear) or transposed or pointwise
    if not known or not isinstance(weight, torch.Tensor):
        raise ValueError(
            f"the module that reads the neurons must be linear, and {name!r} is a "
            f"{type(module).__name__}: CETT is defined by the columns of its weights."
        )
    matrix = weight.detach().double().cpu().numpy()
    matrix = matrix.T if transposed else matrix.reshape(len(matrix), -1)
    if matrix.shape[1] != acts.shape[1]:
        raise ValueError(
            f"{name!r} must read the {acts.shape[1]:,} neurons of {titled(acts.layer, acts.at)}, "
            f"got a module of {matrix.shape[1]:,} inputs."
        )
    bias = getattr(module, "bias", None)
    offset = np.zeros(len(matrix)) if bias is None else bias.detach().double().cpu().numpy()
    return matrix, offset
