"""A trained toy model and the responses of its neurons to the true features."""

from __future__ import annotations

import html
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import neuronwidgets.toy.measures as measures
from neuronwidgets.core.checks import integer, is_integer
from neuronwidgets.core.modes import own_modes
from neuronwidgets.toy.config import Config
from neuronwidgets.toy.features import FeatureStream, probabilities
from neuronwidgets.toy.io import load_fields, save_run
from neuronwidgets.toy.linear import linear_loss
from neuronwidgets.toy.log import LOGGED, Log
from neuronwidgets.toy.model import build
from neuronwidgets.toy.network import activate, response

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

HELD_OUT = 1 << 14
"""Fresh samples on which `Run.loss` is measured: twice the paper's batch."""


@dataclass(frozen=True, repr=False, eq=False)
class Run:
    """One toy model at the checkpoints of its training. All measures are of the last checkpoint.

    Attributes:
        config: the model's configuration.
        W_e: float32 `m x N`, the fixed embedding; column `i` is feature `i`'s input direction.
        W_o: float32 `m x N`, the re-projector's target embedding; else `None`.
        checkpoints: int64 `C`, steps done: 0, powers of two, and the last.
        W1: float32 `C x k x m`, the hidden layer's weights.
        b: float32 `C x k`, its biases.
        W2: float32 `C x O x k`, the output layer's weights.
        log: loss, mean bias and monosemantic neurons during training.
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
        """The run at a checkpoint (an index, negative from the end)."""
        count = len(self.checkpoints)
        if not is_integer(checkpoint) or not -count <= checkpoint < count:
            raise IndexError(
                f"checkpoint {checkpoint!r} does not exist: this run has {count}, 0 to "
                f"{count - 1}, after {', '.join(f'{step:,}' for step in self.checkpoints)} steps."
            )
        end = int(checkpoint) % count + 1
        logged = self.log.step <= self.checkpoints[end - 1]
        log = {name: getattr(self.log, name)[logged] for name in LOGGED}
        parts = {name: getattr(self, name)[:end] for name in ("checkpoints", "W1", "b", "W2")}
        return replace(self, **parts, log=Log(**log))

    @property
    def step(self) -> int:
        """Steps done at the last checkpoint."""
        return int(self.checkpoints[-1])

    @property
    def biases(self) -> np.ndarray:
        """The hidden layer's biases: float32 `k`."""
        return self.b[-1]

    @property
    def mean_bias(self) -> float:
        """Mean of `biases`."""
        return float(self.biases.mean(dtype=np.float64))

    @own_modes()
    def response(self, value: float = 1.0) -> np.ndarray:
        """`A[j, i]`, activation of neuron `j` when feature `i` alone is `value`: float32 `k x N`.

        `value=-1` gives the response to negative features, for the absolute value task.
        """
        W1, b, W_e = map(torch.as_tensor, (self.W1[-1], self.b[-1], self.W_e))
        return response(W1, b, W_e, self.config.nonlinearity, value).numpy()

    @cached_property
    def A(self) -> np.ndarray:
        """`response()`."""
        return self.response()

    @cached_property
    def monosemantic(self) -> np.ndarray:
        """Neurons whose largest response is more than 0.999 of their sum: bool `k`."""
        return measures.monosemantic(self.A)

    @cached_property
    def dead(self) -> np.ndarray:
        """Neurons that no single feature moves: bool `k`."""
        return measures.dead(self.A)

    @cached_property
    def faint(self) -> np.ndarray:
        """Neurons whose largest response is under a tenth of the layer's largest: bool `k`."""
        return measures.faint(self.A)

    @cached_property
    def covered(self) -> np.ndarray:
        """Features that drive some monosemantic neuron: bool `N`."""
        return measures.covered(self.A)

    @cached_property
    @own_modes()
    def selectivity(self) -> float:
        """Mean over live neurons of `max_i |A| / sum_i |A|`: monosemanticity without a threshold.

        1 when one feature drives each neuron, `1 / N` when all features drive it equally; NaN
        without a live neuron.
        """
        live = measures.selectivity(self.A)[~self.dead]
        return float(live.mean(dtype=np.float64)) if len(live) else float("nan")

    @cached_property
    @own_modes()
    def directions(self) -> np.ndarray:
        """Each feature's direction in the hidden layer's space: float32 `N x k`, unit rows.

        Row `i` is the response `A[:, i]`, normalized to unit length: the layer's activations when
        feature `i` alone is present, and so the direction that a method which reads activations can
        find. The columns of `L1 W_e` are no substitute: they lack bias and nonlinearity, and
        have entries for neurons that the feature never activates. A feature to which no neuron
        responds has a row of zeros.
        """
        rows = self.A.T
        size = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.divide(rows, size, out=np.zeros_like(rows), where=size > 0)

    @own_modes()
    def sorted(self) -> tuple[np.ndarray, np.ndarray]:
        """Order of neurons (`k`) and features (`N`) in the paper's heatmaps.

        With `neurons, features = run.sorted()`, `run.A[np.ix_(neurons, features)]` has the
        monosemantic neurons along its diagonal.
        """
        return measures.order(self.A)

    @own_modes()
    def sample(self, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Fresh data: features `v`, float32 `count x N`, and inputs `x = W_e v`, `count x m`.

        Training did not see these samples. `model()` takes `v`.
        """
        integer("count", count, 1, wrong_type=TypeError)
        integer("seed", seed, 0, wrong_type=TypeError)
        config = self.config
        probability = probabilities(config.features, config.eps, config.distribution)
        signed = config.task == "absolute"
        stream = FeatureStream(probability, signed, (config.seed, 3, seed), torch.device("cpu"))
        v = torch.empty(count, config.features, dtype=torch.float32)
        stream.fill(v)
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
        """`evaluate()`: the loss on 16,384 samples, which are the same at every checkpoint."""
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
        """The loss as a share of the best linear map's; NaN where that is 0 (`m = N`)."""
        return float(self.relative(self.loss))

    def relative(self, loss: Any) -> Any:
        """Losses, float or array, as shares of the best linear map's; NaN where that is 0."""
        return loss / (self.linear_loss or float("nan"))

    def model(self) -> nn.Module:
        """The model as a `torch.nn.Sequential` of "embed", "hidden", "act" and "out".

        It takes features (`B x N`, as from `sample`): "embed" is the fixed embedding. Layer
        "act" holds the neurons: `nw.capture(run.model(), v, layer="act")`.
        """
        return build(self)

    def to_frame(self) -> pd.DataFrame:
        """One row for each neuron.

        Columns: `bias`; `feature` that drives it most, and its `response`; `share`,
        `max_i A / sum_i A`; `monosemantic`, a share above 0.999; `faint`, a response under a tenth
        of the layer's largest; `dead`, no response.
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
        """Write `path`: safetensors with the configuration as JSON in the header. Returns it."""
        return save_run(self, path)

    @staticmethod
    def load(path: str | Path) -> Run:
        """Read a file that `save` wrote.

        Raises:
            FileNotFoundError: the file does not exist.
            ValueError: the file is not a run, or is in another version's format.
        """
        return Run(**load_fields(path))

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
            ("of them faint", f"{int((mono & self.faint).sum()):,}"),
            ("features covered", f"{int(self.covered.sum()):,} of {self.config.features:,}"),
            ("dead neurons", f"{int(self.dead.sum()):,}"),
            ("selectivity of live neurons", f"{self.selectivity:.3f}"),
            ("mean bias", f"{self.mean_bias:.3f}"),
            ("loss, share of the best linear map's", f"{self.relative_loss:.1%}"),
        )
        body = "".join(
            f"<tr><td style='text-align:left'>{html.escape(name)}</td><td>{value}</td></tr>"
            for name, value in rows
        )
        return f"<p>{html.escape(repr(self))}</p><table><tbody>{body}</tbody></table>"
