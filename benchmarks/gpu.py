"""What runs on a GPU, each beside its plain way, in one run.

    python benchmarks/gpu.py [--device cuda] [--small] [--only collectors trees ward toy]

Collectors: a model of GPT-2 small's size (random weights) reads random batches, in float32 and in
bfloat16, by itself and while collectors watch the 3,072 neurons of each of its 12 layers. Trees:
the linkages of a layer's neurons, 100 samples each, beside SciPy's in a loop, from the same
distances; equal to the bit. Ward: one large tree beside the same on the CPU, of a tenth of the
samples. Toy: a step of one of eight runs that train as a batch, beside a step of a plain loop; the
set-up counts for both.

`--small` takes sizes for a CPU, to see that everything runs; its times mean nothing.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from collectors import Block, take, wait
from torch import nn
from toy import plain

from neuronwidgets import toy
from neuronwidgets.capturing.collectors import Chunk, Collector, Histogram, Moments, Top
from neuronwidgets.clustering.linkage.engine import from_distances, linkage
from neuronwidgets.clustering.linkage.small_trees import linkages


class Sizes(NamedTuple):
    """The sizes of all parts."""

    layers: int = 12
    width: int = 768
    batches: int = 30
    batch: int = 64
    length: int = 128
    k: int = 100
    neurons: int = 2048
    top: int = 100
    samples: int = 100_000
    columns: int = 768
    steps: int = 256


SMALL = Sizes(2, 64, 4, 4, 16, 10, 40, 20, 2000, 16, 16)


class Row(NamedTuple):
    """A row of the table: seconds of the plain way and of ours."""

    work: str
    plain: float
    ours: float

    def __str__(self) -> str:
        ratio = self.ours / self.plain
        return f"{self.work:52s} {self.plain:10.4f} s {self.ours:10.4f} s {ratio:8.2f}"


def seconds(device: torch.device, work: Callable[[], object], turns: int = 3) -> float:
    """The least time of a few turns, after one that does not count."""
    best = np.inf
    for turn in range(turns + 1):
        wait(device)
        began = time.perf_counter()
        work()
        wait(device)
        best = best if turn == 0 else min(best, time.perf_counter() - began)
    return float(best)


def collectors(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """A forward pass with collectors, as a multiple of the same without."""
    torch.manual_seed(0)
    kinds: dict[str, Callable[[], list[Collector]]] = {
        f"Top({sizes.k})": lambda: [Top(sizes.k)],
        "Top, Moments, Histogram": lambda: [Top(sizes.k), Moments(), Histogram()],
    }
    order = torch.arange(sizes.batch * sizes.length)
    for dtype in (torch.float32, torch.bfloat16):
        blocks = nn.Sequential(*(Block(sizes.width) for _ in range(sizes.layers)))
        blocks.to(device, dtype)
        shape = sizes.batch, sizes.length, sizes.width
        inputs = [torch.randn(shape, device=device).to(dtype) for _ in range(4)]

        def read(made: list[list[Collector]], blocks: nn.Sequential = blocks,
                 inputs: list[torch.Tensor] = inputs) -> None:  # fmt: skip
            with torch.no_grad():
                for number in range(sizes.batches):
                    blocks(inputs[number % len(inputs)])
                    sample = order // sizes.length + number * sizes.batch
                    position = order % sizes.length
                    for layer_collectors, block in zip(made, blocks, strict=False):
                        chunk = Chunk(block.active.flatten(0, 1), sample, position)
                        take(layer_collectors, [chunk] * len(layer_collectors))

        bare = seconds(device, lambda read=read: read([]))
        for name, make in kinds.items():
            ours = seconds(
                device, lambda read=read, make=make: read([make() for _ in range(sizes.layers)])
            )
            yield Row(f"{str(dtype).removeprefix('torch.')} pass with {name}", bare, ours)


def trees(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """Many small trees beside SciPy's, one by one."""
    points = torch.randn(sizes.neurons, sizes.top, 32, dtype=torch.float64, device=device)
    row, column = np.triu_indices(sizes.top, 1)
    distances = torch.cdist(points, points)[:, row, column]
    host = distances.cpu().numpy()
    for method in ("ward", "average", "complete"):

        def by_scipy(method: str = method) -> np.ndarray:
            return np.stack([from_distances(one, method) for one in host])

        def at_once(method: str = method) -> np.ndarray:
            return linkages(distances, method)

        if not np.array_equal(by_scipy(), at_once()):
            print(f"{method}: the trees DIFFER from SciPy's")
        work = f"{sizes.neurons:,} trees of {sizes.top}, {method}"
        yield Row(work, seconds(torch.device("cpu"), by_scipy, 1), seconds(device, at_once, 1))


def ward(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """One large tree, 20 loose clusters."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(20, sizes.columns)) * 0.5
    member = generator.integers(20, size=sizes.samples)
    values = centres[member] + generator.normal(size=(sizes.samples, sizes.columns))
    points = torch.from_numpy(values.astype(np.float32))
    few = points[: sizes.samples // 10]
    on_cpu = seconds(torch.device("cpu"), lambda: linkage(few), 1)
    there, all_there = few.to(device), points.to(device)
    yield Row(f"Ward, {len(few):,} x {sizes.columns}; plain: on the CPU", on_cpu,
              seconds(device, lambda: linkage(there), 1))  # fmt: skip
    whole = seconds(device, lambda: linkage(all_there), 1)
    yield Row(f"Ward, {len(points):,}; plain: a tenth of them on the CPU", on_cpu, whole)


def toys(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """Seconds a step and run, at the paper's size if not small."""
    small = {"features": 32, "dims": 8, "neurons": 32, "batch": 32} if sizes is SMALL else {}
    configs = [toy.Config(seed=seed, steps=sizes.steps, **small) for seed in range(8)]

    def batched() -> list[toy.Run]:
        return toy.train(configs, device=str(device), progress=False)

    one = seconds(device, lambda: plain(configs[0], str(device)), 1) / sizes.steps
    ours = seconds(device, batched, 1) / sizes.steps / len(configs)
    yield Row("a step of a toy run, 8 as a batch", one, ours)


PARTS = {"collectors": collectors, "trees": trees, "ward": ward, "toy": toys}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        sys.exit("device 'cuda' cannot be used: torch sees no GPU. Try --device cpu --small.")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    began = time.perf_counter()
    print(f"{name}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"{'work':52s} {'plain':>12s} {'ours':>12s} {'ours / plain':>8s}")
    for part in options.only:
        for row in PARTS[part](device, SMALL if options.small else Sizes()):
            print(row, flush=True)
    print(f"in all {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
