"""A toy model as a torch module whose layers have names."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from neuronwidgets.core.modes import own_modes
from neuronwidgets.toy.network import activate

if TYPE_CHECKING:
    from neuronwidgets.toy.run import Run


class SoLU(nn.Module):
    """`x * exp(x)`, as in arXiv 2211.09169."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return activate(x, "solu")


ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "solu": SoLU}


@own_modes()
def build(run: Run) -> nn.Sequential:
    """`out(act(hidden(embed(v))))` with copies of the run's weights, in eval mode on the CPU."""
    embed = _linear(run.W_e)
    embed.weight.requires_grad_(False)
    model = nn.Sequential(
        OrderedDict(
            embed=embed,
            hidden=_linear(run.W1[-1], run.b[-1]),
            act=ACTIVATIONS[run.config.nonlinearity](),
            out=_linear(run.W2[-1]),
        )
    )
    return model.eval()


def _linear(weight: np.ndarray, bias: np.ndarray | None = None) -> nn.Linear:
    outputs, inputs = weight.shape
    with torch.device("meta"):  # draws no weights: the generator's state stays as it was
        layer = nn.Linear(inputs, outputs, bias=bias is not None)
    state = {"weight": torch.tensor(weight)}
    if bias is not None:
        state["bias"] = torch.tensor(bias)
    layer.load_state_dict(state, assign=True)
    return layer
