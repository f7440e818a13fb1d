"""Runs of equal shapes, trained as one batched computation, step by step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from neuronwidgets.toy.config import Config
from neuronwidgets.toy.features import FeatureStream, embedding, probabilities
from neuronwidgets.toy.graph import StepGraph
from neuronwidgets.toy.log import Log
from neuronwidgets.toy.measures import count_monosemantic, monosemantic
from neuronwidgets.toy.network import Gradients, Parameters, initial, response
from neuronwidgets.toy.optimizer import Optimizer
from neuronwidgets.toy.run import Run
from neuronwidgets.toy.schedule import cosine, is_checkpoint, is_logged

_CELLS = 1 << 18
"""Features drawn at once for one run. The number of steps drawn ahead depends on this and on the
run's own shape only, so a run has the same data whatever it trains with."""


class RunBatch:
    """`R` runs whose tensors have the same shapes."""

    @staticmethod
    def shape_of(config: Config) -> tuple[object, ...]:
        """The settings that runs must share to train together. Other settings may differ."""
        return (
            config.features, config.dims, config.neurons, config.batch, config.steps, config.task,
            config.nonlinearity, config.optimizer,
        )  # fmt: skip

    def __init__(
        self, configs: Sequence[Config], device: torch.device, graph: bool | None = None
    ) -> None:
        """Args:
        graph: whether a `StepGraph` repeats the step, with counters on the device. Not given: on
            CUDA devices.
        """
        self.configs = tuple(configs)
        self._graph = (
            StepGraph(device) if graph or (graph is None and device.type == "cuda") else None
        )
        first = self.configs[0]
        self.step, self.steps, self._task = 0, first.steps, first.task
        self._batch, self._nonlinearity = first.batch, first.nonlinearity
        starts = [InitialWeights(config) for config in self.configs]
        self._W_e = torch.as_tensor(np.stack([s.W_e for s in starts]), device=device)
        self._starts = starts
        self._W_o = None
        if first.task == "reprojector":
            outs = np.stack([s.W_o for s in starts if s.W_o is not None])
            self._W_o = torch.as_tensor(outs, device=device)
        W1, b, W2 = (np.stack([getattr(s, name) for s in starts]) for name in ("W1", "b", "W2"))
        self._p = Parameters.of(W1, b, W2, device)
        self._streams = [
            FeatureStream(s.probability, first.task == "absolute", (c.seed, 2), device)
            for s, c in zip(starts, self.configs, strict=True)
        ]
        l1 = self._column("l1")[:, 0].to(device).float()
        self._gradients = Gradients(self._p, self._batch, self._nonlinearity, l1)
        self._optimizer = Optimizer(self._p, self._gradients.flat, first.optimizer)
        self._cycle, self._rate = self._column("cycle"), self._column("learning_rate")
        self._keep = 1 - self._column("decay") * self._rate
        self._ahead = max(1, _CELLS // (first.batch * first.features))
        runs, rows = len(self.configs), self._ahead * first.batch
        self._v = self._p.flat.new_empty(runs, rows, first.features)
        self._x = self._p.flat.new_ones(runs, rows, first.dims + 1)
        self._target = self._v
        if first.task == "reprojector":
            self._target = self._v.new_empty(runs, rows, first.outputs)
        self._rates = self._v.new_empty(self._ahead, runs, 1)
        self._keeps = torch.ones_like(self._rates) if bool((self._keep != 1).any()) else None
        self._row = torch.zeros(1, dtype=torch.int64, device=device)
        self._loss = self._v.new_empty(runs)
        self._losses: list[torch.Tensor] = []
        self.loss = np.full(runs, np.nan)
        self._sum, self._count = np.zeros(runs), 0
        self._log: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]] = []
        self._kept = [(0, self._p.flat.cpu().numpy().copy())]

    @property
    def work(self) -> int:
        """Multiplications in one step's forward pass."""
        first = self.configs[0]
        each = first.batch * first.neurons * (first.dims + first.outputs)
        return len(self.configs) * each

    def advance(self) -> bool:
        """Train every run for one step. Returns whether the step is a checkpoint."""
        row = self.step % self._ahead
        if row == 0:
            self._draw()
        if self._graph is None:
            rows = slice(row * self._batch, (row + 1) * self._batch)
            data = self._x[:, rows], self._target[:, rows]
            keep = None if self._keeps is None else self._keeps[row]
            self._losses.append(self._train(*data, self._rates[row], keep))
        else:
            self._graph(self._train_row)
            self._losses.append(self._loss.clone())
        self.step += 1
        if is_logged(self.step, self.steps):
            self._write_log()
        if not is_checkpoint(self.step, self.steps):
            return False
        self._kept.append((self.step, self._p.flat.cpu().numpy().copy()))
        return True

    def alone(self, index: int) -> RunBatch:
        """A batch of one run, which trains on with the same result as in this batch."""
        device, graph = self._p.flat.device, self._graph is not None
        single = RunBatch([self.configs[index]], device, graph)
        pairs = [(single._p.flat, self._p.flat), *self._optimizer.moments(single._optimizer)]
        for one_flat, all_ in pairs:
            for of_one, of_all in zip(single._p.like(one_flat).tensors, self._p.like(all_).tensors,
                                      strict=True):  # fmt: skip
                of_one[0].copy_(of_all[index])
        self.read_loss()
        single.step, single.loss = self.step, self.loss[index : index + 1].copy()
        single._sum, single._count = self._sum[index : index + 1].copy(), self._count
        single._streams = [self._streams[index]]
        if self.step % self._ahead:
            column = slice(index, index + 1)
            single._rates.copy_(self._rates[:, column])
            if single._keeps is not None and self._keeps is not None:
                single._keeps.copy_(self._keeps[:, column])
            single._row.copy_(self._row)
            single._v.copy_(self._v[column])
            single._x.copy_(self._x[column])
            if self._W_o is not None:
                single._target.copy_(self._target[column])
        column = slice(index, index + 1)
        single._log = [(step, loss[column], bias[column], mono[column])
                     for step, loss, bias, mono in self._log]  # fmt: skip
        single._kept = []
        for step, flat in self._kept:
            weights = self._p.like(torch.as_tensor(flat)).tensors
            hidden = torch.cat([weights[0][index], weights[1][index][:, None]], dim=1)
            flat_weights = torch.cat([hidden.flatten(), weights[2][index].flatten()])
            single._kept.append((step, flat_weights.numpy().copy()))
        return single

    def read_loss(self) -> None:
        """Copy the losses of the last steps to the CPU and update `self.loss`."""
        if self._losses:
            # One by one, so that the sum does not depend on how often this is called.
            for loss in torch.stack(self._losses).cpu().double().numpy():
                self._sum += loss
            self._count += len(self._losses)
            self._losses.clear()
            self.loss = self._sum / self._count

    def run(self, index: int) -> Run:
        """One run in its current state."""
        config, start, p = self.configs[index], self._starts[index], self._p
        kept = list(self._kept)
        if kept[-1][0] != self.step:
            kept.append((self.step, p.flat.cpu().numpy()))
        weights = [p.like(torch.as_tensor(flat)) for _, flat in kept]
        return Run(
            config,
            start.W_e,
            start.W_o,
            np.array([step for step, _ in kept]),
            np.stack([w.W1[index].numpy() for w in weights]),
            np.stack([w.b[index].numpy() for w in weights]),
            np.stack([w.W2[index].numpy() for w in weights]),
            self._log_of(index),
        )

    def snapshot(self, index: int) -> tuple[np.ndarray, np.ndarray, Log]:
        """Responses `k x N`, biases `k` and log of one run in its current state."""
        p = self._p
        A = response(p.W1[index], p.b[index], self._W_e[index], self._nonlinearity)
        return A.cpu().numpy(), p.b[index].cpu().numpy().copy(), self._log_of(index)

    def _log_of(self, index: int) -> Log:
        entries = [(step, loss[index], bias[index], mono[index])
                   for step, loss, bias, mono in self._log]  # fmt: skip
        step, loss, bias, mono = zip(*entries, strict=True) if entries else ((),) * 4
        return Log(np.array(step, int), np.array(loss, float), np.array(bias, float),
                   np.array(mono, int))  # fmt: skip

    def _column(self, name: str) -> torch.Tensor:
        """A setting of each run: float64 `R x 1` on the CPU."""
        values = [float(getattr(config, name)) for config in self.configs]
        return torch.tensor(values, dtype=torch.float64)[:, None]

    def _train(
        self, x: torch.Tensor, target: torch.Tensor, rate: torch.Tensor, keep: torch.Tensor | None
    ) -> torch.Tensor:
        """A step of every run; returns the losses, `R`."""
        loss = self._gradients(x, target)
        self._optimizer.step(rate)
        if keep is not None:
            self._p.b.mul_(keep)
        return loss

    def _train_row(self) -> None:
        """The same with the data of `self._row`, which it counts up: nothing of it depends on
        Python, so a graph can repeat it."""
        x, target = self._x, self._target
        if self._ahead > 1:
            x, target = (
                rows.view(len(rows), self._ahead, self._batch, -1).index_select(1, self._row)[:, 0]
                for rows in (x, target)
            )
        rate = self._rates.index_select(0, self._row)[0]
        keep = None if self._keeps is None else self._keeps.index_select(0, self._row)[0]
        self._loss.copy_(self._train(x, target, rate, keep))
        self._row.add_(1)

    def _draw(self) -> None:
        """Draw the data and compute the learning rates and decays of the next steps."""
        ahead = torch.arange(self.step, self.step + self._ahead, dtype=torch.float64)
        ahead = ahead[:, None, None]
        _send(self._rate * cosine(ahead, self._cycle), self._rates)
        if self._keeps is not None:
            _send(torch.where(ahead < self.steps / 2, self._keep, 1.0), self._keeps)
        self._row.zero_()
        for stream, out in zip(self._streams, self._v, strict=True):
            stream.fill(out)
        self._x[..., :-1] = torch.bmm(self._v, self._W_e.mT)
        if self._task == "absolute":
            self._v.abs_()
        elif self._W_o is not None:
            torch.bmm(self._v, self._W_o.mT, out=self._target)

    def _write_log(self) -> None:
        self.read_loss()
        self._sum[:], self._count = 0, 0
        A = response(self._p.W1, self._p.b, self._W_e, self._nonlinearity)
        bias = self._p.b.double().mean(dim=1).cpu().numpy()
        if A.device.type == "cpu":
            counts = monosemantic(A.numpy()).sum(axis=1)
        else:  # counts are small to copy, responses are not
            counts = count_monosemantic(A).cpu().numpy()
        self._log.append((self.step, self.loss, bias, counts))


def _send(values: torch.Tensor, out: torch.Tensor) -> None:
    """Copy values of the CPU to `out`; a CUDA device does so when it has come there."""
    values = values.to(out.dtype)
    if out.is_cuda:
        values = values.pin_memory()
    out.copy_(values, non_blocking=True)


class InitialWeights:
    """A run's embeddings and initial weights, which depend on its configuration and seed."""

    def __init__(self, config: Config) -> None:
        self.probability = probabilities(config.features, config.eps, config.distribution)
        rng = np.random.default_rng((config.seed, 0))
        self.W_e = embedding(config.features, config.dims, rng)
        self.W_o = None
        if config.task == "reprojector":
            self.W_o = embedding(config.features, config.dims, rng)
        rng = np.random.default_rng((config.seed, 1))
        self.W1, self.b, self.W2 = initial(
            config.dims, config.neurons, config.outputs, config.bias, rng
        )
