"""What collectors cost beside the pass that they watch.

    python benchmarks/collectors.py [--layers 12 --width 768 --batches 12 --batch 8 --length 128]
                                    [--k 100] [--device cpu] [--threads 1]

A model of GPT-2 small's size (random weights, no embedding and no head) reads random batches once.
After every batch, each collector takes in the output of every MLP's activation function, one
collector per layer (12 x 3072 neurons), and so does the obvious rival of `Top`:
`torch.topk(torch.cat([kept, new]))`. All on the same rows, in turns. Prints the seconds that each
took, as a share of the pass: over all batches, and over the last half, when the first rows are in.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from neuronwidgets.capturing.collectors import Chunk, Collector, Histogram, Moments, Reservoir, Top


class Block(nn.Module):
    """One transformer block; `active` is what its MLP's neurons answered."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = max(1, width // 64)
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.active = torch.empty(0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = (*x.shape[:2], self.heads, -1)
        q, k, v = (t.view(size).transpose(1, 2) for t in self.mix(self.first(x)).chunk(3, -1))
        seen = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        self.active = nn.functional.gelu(self.up(self.second(x)), approximate="tanh")
        return x + self.down(self.active)


class Naive:
    """The obvious way: the old top rows and the new ones, sorted out at every batch."""

    def __init__(self, k: int) -> None:
        self.k = k
        self.values = self.places = torch.empty(0)

    def add(self, chunk: Chunk) -> None:
        place = chunk.key[:, None].expand(chunk.rows.shape)
        values, places = chunk.rows, place
        if self.values.numel():
            values = torch.cat([self.values, values])
            places = torch.cat([self.places, places])
        self.values, index = values.topk(min(self.k, len(values)), dim=0)
        self.places = places.gather(0, index)


def main() -> None:
    parser = argparse.ArgumentParser()
    sizes = {"layers": 12, "width": 768, "batches": 12, "batch": 8, "length": 128, "k": 100}
    for name, size in (sizes | {"threads": 1}).items():
        parser.add_argument(f"--{name}", type=int, default=size)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    print(vars(options))
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    device = torch.device(options.device)
    blocks = nn.Sequential(*(Block(options.width) for _ in range(options.layers))).to(device)
    makers: dict[str, Callable[[], Any]] = {
        f"Top({options.k})": lambda: Top(options.k),
        "naive top": lambda: Naive(options.k),
        "Moments": Moments,
        "Histogram": Histogram,
        "Reservoir(1000)": lambda: Reservoir(1000),
    }
    made = {name: [make() for _ in blocks] for name, make in makers.items()}
    spent: dict[str, list[float]] = {name: [] for name in ("pass", *made)}

    def timed(name: str, work: Callable[[], object]) -> None:
        wait(device)
        began = time.perf_counter()
        work()
        wait(device)
        spent[name].append(time.perf_counter() - began)

    rows = options.batch * options.length
    order = torch.arange(rows, device=device)
    with torch.no_grad():
        blocks(torch.randn(1, options.length, options.width, device=device))
        for batch in range(options.batches):
            inputs = torch.randn(options.batch, options.length, options.width, device=device)
            timed("pass", partial(blocks, inputs))
            sample = order // options.length + batch * options.batch
            chunks = [Chunk(b.active.flatten(0, 1), sample, order % options.length) for b in blocks]
            for name, collectors in made.items():
                timed(name, partial(take, collectors, chunks))
    for name, collectors in made.items():
        if isinstance(collectors[0], Collector):
            began = time.perf_counter()
            for collector in collectors:
                collector.result()
            print(f"{name}: result() of all layers {time.perf_counter() - began:.2f} s")
    agree = all(
        torch.equal(torch.from_numpy(t.result().values), n.values.T.cpu())
        for t, n in zip(made[f"Top({options.k})"], made["naive top"], strict=True)
    )
    print(f"Top and naive top agree: {agree}")
    half = options.batches // 2
    for name, times in spent.items():
        every, late = sum(times) / sum(spent["pass"]), sum(times[half:]) / sum(spent["pass"][half:])
        print(
            f"{name:16s} {sum(times) / len(times):7.3f} s per batch of {rows:,} tokens, "
            f"{every:7.1%} of the pass; last half {late:7.1%}; best of {half} "
            f"{min(times[half:]) / min(spent['pass'][half:]):7.1%}"
        )


def take(collectors: list[Any], chunks: list[Chunk]) -> None:
    for collector, chunk in zip(collectors, chunks, strict=True):
        collector.add(chunk)


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
