"""What runs on a GPU, each beside its plain way, in one run.

    python benchmarks/gpu.py [--device cuda] [--small]
                             [--only collectors disk splits whole trees ward toy]

Collectors: a model of GPT-2 small's size (random weights) reads random batches, in float32 and in
bfloat16, by itself and while collectors watch the 3,072 neurons of each of its 12 layers. Disk:
token ids through the same model; means, every token in memory and every token in a folder, beside
a hook that ends the pass; and as many bytes written to files, in MB/s. Splits: `split_layer`
without and with its default scores, beside SciPy's trees of the same samples. Whole:
`split_model` after its first pass, beside the plain forward pass (`split_model.py`). Trees:
the linkages of a layer's neurons, 100 samples each, beside SciPy's in a loop, from the same
distances; equal to the bit. Ward: one large tree beside the same on the CPU, of a tenth of the
samples. Toy: a step of one run, alone or of many that train as a batch, beside a step of a plain
loop; the set-up counts for both.

Seconds are the processor's on a CPU. `--small` takes sizes for a CPU, to see that everything runs;
its times mean nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import split_model
import torch
from collectors import Block, clock, rows_of, wait
from scipy.cluster.hierarchy import linkage as scipy_linkage
from torch import nn
from toy import plain

import neuronwidgets as nw
from neuronwidgets import toy
from neuronwidgets.activations.store.writer import SHARD_BYTES
from neuronwidgets.capturing.collectors import Collector, Histogram, Moments, Top
from neuronwidgets.capturing.layer_collectors import LayerCollectors
from neuronwidgets.clustering.linkage.engine import from_distances, linkage
from neuronwidgets.clustering.linkage.small_trees import linkages
from neuronwidgets.core.tensorfile import sync
from neuronwidgets.layer_splits.candidates import Candidates
from neuronwidgets.layer_splits.statistics import Mean


class Sizes(NamedTuple):
    """The sizes of all parts."""

    layers: int = 12
    width: int = 768
    batches: int = 60
    batch: int = 64
    length: int = 128
    k: int = 100
    neurons: int = 2048
    split_samples: int = 2048
    top: int = 100
    tokens: int = 131_072
    samples: int = 100_000
    columns: int = 768
    steps: int = 256
    turns: int = 2


SMALL = Sizes(3, 128, 6, 2, 64, 10, 40, 200, 20, 512, 2000, 16, 16, 1)


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
        began = clock(device)
        work()
        wait(device)
        best = best if turn == 0 else min(best, clock(device) - began)
    return float(best)


def collectors(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """A forward pass with collectors, as a multiple of the same without."""
    torch.manual_seed(0)
    names = [f"layer {number}" for number in range(sizes.layers)]
    kinds: dict[str, list[Collector]] = {
        f"Top({sizes.k})": [Top(sizes.k)],
        "Top, Moments, Histogram": [Top(sizes.k), Moments(), Histogram()],
        "split_model's first": [Candidates(sizes.k), Mean()],
        "the same with sums": [Candidates(sizes.k), Mean(), Moments(), Mean(absolute=True)],
    }
    for dtype in (torch.float32, torch.bfloat16):
        blocks = nn.Sequential(*(Block(sizes.width) for _ in range(sizes.layers)))
        blocks.to(device, dtype)
        shape = sizes.batch, sizes.length, sizes.width
        # Others in each batch: rows that recur would be copies, of which `Candidates` takes few.
        inputs = [torch.randn(shape, device=device).to(dtype) for _ in range(sizes.batches)]

        def read(kind: list[Collector], blocks: nn.Sequential = blocks,
                 inputs: list[torch.Tensor] = inputs) -> None:  # fmt: skip
            collecting = LayerCollectors(names, kind, None)
            with torch.no_grad():
                for number, rows in enumerate(inputs):
                    blocks(rows)
                    collecting.add(rows_of(blocks, number))

        bare = seconds(device, lambda read=read: read([]), sizes.turns)
        for name, kind in kinds.items():
            ours = seconds(device, lambda read=read, kind=kind: read(kind), sizes.turns)
            yield Row(f"{str(dtype).removeprefix('torch.')} pass with {name}", bare, ours)


def disk(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """A middle layer as means, in memory and in a folder, as multiples of a hook that ends the
    pass there and keeps the same, or for the folder nothing."""
    torch.manual_seed(0)
    batches = sizes.batches // 2
    data = [torch.randint(0, 50_257, (sizes.batch, sizes.length)) for _ in range(batches)]
    layer = sizes.layers // 2
    for dtype in (torch.float32, torch.bfloat16):
        blocks = (Block(sizes.width) for _ in range(sizes.layers))
        model = nn.Sequential(nn.Embedding(50_257, sizes.width), *blocks).to(device, dtype).eval()
        name = str(dtype).removeprefix("torch.")

        def hook(keep: Callable[[torch.Tensor], torch.Tensor] | None = None,
                 model: nn.Sequential = model) -> np.ndarray | None:  # fmt: skip
            kept = []
            with torch.no_grad():
                for ids in data:
                    rows = model[: layer + 1](ids.to(device))
                    if keep is not None:
                        kept.append(keep(rows).cpu())
            return torch.cat(kept).float().numpy() if kept else None

        def ours(pooling: str, model: nn.Sequential = model, **options: str) -> None:
            nw.capture(
                model, data, str(layer), pooling, first=True, progress=False, **options
            )  # fmt: skip

        def to_disk(folder: str, ours: Callable[..., None] = ours, name: str = name) -> None:
            ours("token", out=folder, dtype=name)

        work = f"{name} layer {layer}, "
        for what, pooling, keep in (
            ("means", "mean", lambda rows: rows.mean(1)),
            ("tokens in memory", "token", lambda rows: rows.flatten(0, 1)),
        ):
            plain_way = seconds(device, lambda keep=keep, hook=hook: hook(keep), 1)
            yield Row(work + what, plain_way,
                      seconds(device, lambda way=pooling, ours=ours: ours(way), 1))  # fmt: skip
        bare = seconds(device, hook, 1)
        yield Row(work + "tokens to disk", bare, in_folders(device, to_disk))
        size = sizes.batch * sizes.length * sizes.width * dtype.itemsize
        for synced in (True, False):
            written = partial(write_plainly, batches, size, synced)
            spent = in_folders(device, written)
            rate = batches * size / 1e6 / spent
            end = "synced" if synced else "not synced"
            yield Row(f"{name} as many bytes, {end}: {rate:,.0f} MB/s", bare, spent)


def in_folders(device: torch.device, work: Callable[[str], object]) -> float:
    """The `seconds` of work in a new folder. To delete the folder does not count."""
    with tempfile.TemporaryDirectory() as home:
        return seconds(device, lambda: work(tempfile.mkdtemp(dir=home)), 1)


def write_plainly(pieces: int, size: int, synced: bool, folder: str) -> None:
    """Write pieces of `size` bytes to files of a shard's size, one after the other."""
    piece, left = bytes(size), 0
    with ExitStack() as files:
        for number in range(pieces):
            if left <= 0:
                files.close()
                file = files.enter_context(Path(folder, str(number)).open("wb"))
                if synced:
                    files.callback(sync, file)
                left = SHARD_BYTES
            file.write(piece)
            left -= size


def splits(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """The trees of a layer, and with the default scores, beside SciPy's trees one by one."""
    torch.manual_seed(0)
    values = torch.randn(sizes.split_samples, sizes.neurons).numpy()
    acts = nw.Activations.from_arrays(values)
    centred = values - values.mean(0)

    def by_scipy() -> None:
        for column in values.T:
            best = np.argpartition(-column, sizes.top)[: sizes.top]
            scipy_linkage(centred[best], "ward")

    options = {"device": str(device), "progress": False}
    bare = seconds(torch.device("cpu"), by_scipy, 1)
    for name, scores in (("no scores", []), ("default scores", None)):

        def ours(scores: list[str] | None = scores) -> None:
            nw.split_layer(acts, sizes.top, scores=scores, **options)

        yield Row(f"a layer of {sizes.neurons:,}, {name}", bare, seconds(device, ours, 1))


def whole(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """Every neuron of a model from a stream, after the first pass."""
    run = split_model.measured(
        argparse.Namespace(
            width=sizes.width, layers=sizes.layers, tokens=sizes.tokens, dtype="bfloat16",
            device=str(device), scores=False, folder=None,
        )
    )  # fmt: skip
    forward, *rest = (run["times"][step][1] for step in ("forward", "pass 2", "trees"))
    yield Row(f"{run['neurons']:,} neurons, {run['tokens']:,} tokens", forward, sum(rest))


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
    """Seconds a step and run, at the paper's size and at the lab's, if not small."""
    lab = {"features": 64, "dims": 8, "neurons": 128, "batch": 256}
    if sizes is SMALL:
        lab = {"features": 32, "dims": 8, "neurons": 32, "batch": 32}
    of_paper = lab if sizes is SMALL else {}
    for name, runs, knobs in (
        ("the paper's size, alone", 1, of_paper),
        ("the paper's size, 8 as a batch", 8, of_paper),
        ("the lab's size, 16 as a batch", 16, lab),
    ):
        configs = [toy.Config(seed=seed, steps=sizes.steps, **knobs) for seed in range(runs)]

        def batched(configs: list[toy.Config] = configs) -> list[toy.Run]:
            return toy.train(configs, device=str(device), progress=False)

        def one(config: toy.Config = configs[0]) -> nn.Module:
            return plain(config, str(device))

        bare = seconds(device, one, 1) / sizes.steps
        ours = seconds(device, batched, 1) / sizes.steps / runs
        yield Row(f"a toy step at {name}", bare, ours)


PARTS = {
    "collectors": collectors,
    "disk": disk,
    "splits": splits,
    "whole": whole,
    "trees": trees,
    "ward": ward,
    "toy": toys,
}


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
