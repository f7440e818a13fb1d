"""A trained toy model, whose true features are known, and how its neurons stand for them."""

from __future__ import annotations

import html
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from neuronwidgets.core.checks import integer, is_integer
from neuronwidgets.core.modes import own_modes
from neuronwidgets.toy import measures
from neuronwidgets.toy.config import Config
from neuronwidgets.toy.features import Source, probabilities
from neuronwidgets.toy.linear import linear_loss
from neuronwidgets.toy.network import activate, response

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

HELD_OUT = 1 << 14
"""Fresh samples on which `Run.loss` is measured."""


@dataclass(frozen=True)
class Log:
    """How training went, at 8 steps per octave.

    Attributes:
        step: int64 `L`, steps done.
        loss: float64 `L`, mean training loss of the steps since the entry before.
        mean_bias: float64 `L`, of the hidden layer.
        monosemantic: int64 `L`, neurons by the 0.999 rule.
    """

    step: np.ndarray
    loss: np.ndarray
    mean_bias: np.ndarray
    monosemantic: np.ndarray

    def __len__(self) -> int:
        return len(self.step)


@dataclass(frozen=True, repr=False, eq=False)
class Run:
    """One toy model at the checkpoints of its training. What follows is of the last of them.

    Attributes:
        config: what was trained.
        W_e: float32 `m x N`, the fixed embedding; column `i` is feature `i`'s input direction.
        W_o: float32 `m x N`, the re-projector's target embedding; else `None`.
        checkpoints: int64 `C`, steps done: 0, powers of two, the last.
        W1: float32 `C x k x m`, the hidden layer's weights.
        b: float32 `C x k`, its biases.
        W2: float32 `C x O x k`, the output layer's weights.
        log: loss, mean bias and monosemantic neurons as training went.
    """

    config: Config
    W_e: np.ndarray
    W_o: np.ndarray | None
    checkpoints: np.ndarray
    W1: np.ndarray
    b: np.ndarray
    W2: np.ndarray
    log: Log

    def at(self, checkpoint: int) -> Run:
        """The run as it was at a checkpoint (an index, negative from the end)."""
        count = len(self.checkpoints)
        if not is_integer(checkpoint) or not -count <= checkpoint < count:
            raise IndexError(
                f"checkpoint {checkpoint!r} is not there: this run has {count}, 0 to {count - 1}, "
                f"after {', '.join(f'{step:,}' for step in self.checkpoints)} steps."
            )
        end = int(checkpoint) % count + 1
        logged = self.log.step <= self.checkpoints[end - 1]
        log = {name: getattr(self.log, name)[logged] for name in LOGGED}
        parts = {name: getattr(self, name)[:end] for name in ("checkpoints", "W1", "b", "W2")}
        return replace(self, **parts, log=Log(**log))

    @property
    def step(self) -> int:
        """Steps done."""
        return int(self.checkpoints[-1])

    @property
    def biases(self) -> np.ndarray:
        """float32 `k`."""
        return self.b[-1]

    @property
    def mean_bias(self) -> float:
        return float(self.biases.mean(dtype=np.float64))

    @own_modes()
    def response(self, value: float = 1.0) -> np.ndarray:
        """`A[j, i]`, activation of neuron `j` when feature `i` alone is `value`: float32 `k x N`.

        `value=-1` shows what a neuron of the absolute value task does with negative features.
        """
        W1, b, W_e = map(torch.as_tensor, (self.W1[-1], self.b[-1], self.W_e))
        return response(W1, b, W_e, self.config.nonlinearity, value).numpy()

    @cached_property
    def A(self) -> np.ndarray:
        """`response()`."""
        return self.response()

    @cached_property
    def monosemantic(self) -> np.ndarray:
        """Neurons whose largest response is over 0.999 of the sum: bool `k`."""
        return measures.monosemantic(self.A)

    @cached_property
    def dead(self) -> np.ndarray:
        """Neurons that no single feature moves: bool `k`."""
        return measures.dead(self.A)

    @cached_property
    def faint(self) -> np.ndarray:
        """Neurons that respond under a tenth as much as the strongest: bool `k`."""
        return measures.faint(self.A)

    @cached_property
    def covered(self) -> np.ndarray:
        """Features that some monosemantic neuron stands for: bool `N`."""
        return measures.covered(self.A)

    @cached_property
    @own_modes()
    def selectivity(self) -> float:
        """Monosemanticity without a threshold: `max_i |A| / sum_i |A|`, mean over live neurons.

        1 when one feature drives each of them, `1 / N` when all do alike; NaN without a live one.
        """
        live = measures.selectivity(self.A)[~self.dead]
        return float(live.mean(dtype=np.float64)) if len(live) else float("nan")

    @cached_property
    @own_modes()
    def directions(self) -> np.ndarray:
        """Where each feature points in the hidden layer's space: float32 `N x k`, unit rows.

        The response `A[:, i]`, brought to unit length: what the layer holds when feature `i` is
        there alone, so what a method that reads the layer's activations can hope to find. The
        columns of `L1 W_e` would not do: they are from before the bias and the nonlinearity, and
        have entries of neurons that the feature never activates. A feature to which no neuron
        responds has no direction: a row of zeros.
        """
        rows = self.A.T
        size = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.divide(rows, size, out=np.zeros_like(rows), where=size > 0)

    @own_modes()
    def sorted(self) -> tuple[np.ndarray, np.ndarray]:
        """Neurons (`k`) and features (`N`) in the order of the paper's heatmaps.

        `neurons, features = run.sorted()`; `run.A[np.ix_(neurons, features)]` has the
        monosemantic neurons along its diagonal.
        """
        return measures.order(self.A)

    @own_modes()
    def sample(self, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Fresh data: features `v`, float32 `count x N`, and inputs `x = W_e v`, `count x m`.

        No sample was trained on. `model()` takes `v`.
        """
        integer("count", count, 1, wrong_type=TypeError)
        integer("seed", seed, 0, wrong_type=TypeError)
        config = self.config
        probability = probabilities(config.features, config.eps, config.distribution)
        signed = config.task == "absolute"
        source = Source(probability, signed, (config.seed, 3, seed), torch.device("cpu"))
        v = torch.empty(count, config.features, dtype=torch.float32)
        source.fill(v)
        return v.numpy(), v.numpy() @ self.W_e.T

    @own_modes()
    def evaluate(self, count: int = HELD_OUT, seed: int = 0) -> float:
        """Mean loss on fresh data: squared errors summed over outputs, without the L1 term."""
        v, x = self.sample(count, seed)
        W1, b, W2 = (torch.as_tensor(part[-1]) for part in (self.W1, self.b, self.W2))
        total = 0.0
        for first in range(0, count, 4096):
            part = slice(first, first + 4096)
            hidden = torch.as_tensor(x[part]) @ W1.mT + b
            y = activate(hidden, self.config.nonlinearity) @ W2.mT
            error = y - torch.as_tensor(self._target(v[part]))
            total += float(error.double().square().sum())
        return total / count

    @cached_property
    def loss(self) -> float:
        """`evaluate()`: the loss on 16,384 samples, the same at every checkpoint."""
        return self.evaluate()

    @cached_property
    @own_modes()
    def linear_loss(self) -> float:
        """Expected loss of the best linear map from `x` to the target, exactly."""
        config = self.config
        probability = probabilities(config.features, config.eps, config.distribution)
        return linear_loss(probability, self.W_e, self.W_o, config.task)

    @property
    def relative_loss(self) -> float:
        """The loss as a share of the best linear map's; NaN where that has none (`m = N`)."""
        return float(self.relative(self.loss))

    def relative(self, loss: Any) -> Any:
        """Losses as shares of the best linear map's, float or array; NaN where that has none."""
        return loss / (self.linear_loss or float("nan"))

    def model(self) -> nn.Module:
        """The model as a `torch.nn.Sequential` of "embed", "hidden", "act" and "out".

        It takes features (`B x N`, as from `sample`): "embed" is the fixed embedding. Layer
        "act" holds the neurons: `nw.capture(run.model(), v, layer="act")`.
        """
        from neuronwidgets.toy.model import build

        return build(self)

    def to_frame(self) -> pd.DataFrame:
        """One row for each neuron: what drives it, and its bias.

        `share` is `max_i A / sum_i A`, above 0.999 `monosemantic`; `feature` is the one that
        drives it most, `response` how much; `faint` under a tenth of the strongest, `dead` not
        at all.
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "bias": self.biases,
                "feature": self.A.argmax(axis=1),
                "response": self.A.max(axis=1),
                "share": measures.share(self.A),
                "monosemantic": self.monosemantic,
                "faint": self.faint,
                "dead": self.dead,
            }
        ).rename_axis("neuron")

    def save(self, path: str | Path) -> Path:
        """Write `path` (safetensors, what it is as JSON in its header). Returns the path."""
        from neuronwidgets.toy.io import save

        return save(self, path)

    @staticmethod
    def load(path: str | Path) -> Run:
        """Read what `save` wrote."""
        from neuronwidgets.toy.io import load

        return load(path)

    def _target(self, v: np.ndarray) -> np.ndarray:
        if self.config.task == "absolute":
            return np.abs(v)
        return v if self.W_o is None else v @ self.W_o.T

    def __repr__(self) -> str:
        c = self.config
        loss = f"{self.log.loss[-1]:.4g}" if len(self.log) else "not yet known"
        return (
            f"Run({c.task}, N={c.features} m={c.dims} k={c.neurons} {c.nonlinearity}, bias "
            f"{c.bias:g}, seed {c.seed}: {self.step:,} of {c.steps:,} steps, loss {loss}, "
            f"{int(self.monosemantic.sum())} monosemantic)"
        )

    def _repr_html_(self) -> str:
        mono = self.monosemantic
        rows = (
            ("monosemantic neurons", f"{int(mono.sum()):,} of {len(self.biases):,}"),
            ("faint ones of them", f"{int((mono & self.faint).sum()):,}"),
            ("features covered", f"{int(self.covered.sum()):,} of {self.config.features:,}"),
            ("dead neurons", f"{int(self.dead.sum()):,}"),
            ("selectivity of the others", f"{self.selectivity:.3f}"),
            ("mean bias", f"{self.mean_bias:.3f}"),
            ("loss, of the best linear map's", f"{self.relative_loss:.1%}"),
        )
        body = "".join(
            f"<tr><td style='text-align:left'>{html.escape(name)}</td><td>{value}</td></tr>"
            for name, value in rows
        )
        return f"<p>{html.escape(repr(self))}</p><table><tbody>{body}</tbody></table>"


LOGGED = ("step", "loss", "mean_bias", "monosemantic")
