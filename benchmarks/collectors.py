"""What collectors cost beside the pass that they watch.

    python benchmarks/collectors.py [--layers 12 --width 768 --batches 12 --batch 8 --length 128]
                                    [--k 100] [--device cpu] [--threads 1] [--dtype float32]

A model of GPT-2 small's size (random weights, no embedding and no head) reads random batches once.
After every batch, each collector takes in the output of every MLP's activation function, of all
layers at once as in `nw.capture` (12 x 3072 neurons), and so does the obvious rival of `Top`:
`torch.topk(torch.cat([kept, new]))`. All on the same rows, in turns. Prints the seconds that each
took (of the processor, on a CPU), as a share of the pass: over all batches, and over the last half,
when the first rows are in.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import nn

from neuronwidgets.capturing.collectors import Chunk, Collector, Histogram, Moments, Reservoir, Top
from neuronwidgets.capturing.layer_collectors import LayerCollectors, chunk_of
from neuronwidgets.capturing.rows import LayerRows
from neuronwidgets.layer_splits.candidates import Candidates
from neuronwidgets.layer_splits.statistics import Mean


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
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    options = parser.parse_args()
    print(vars(options))
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    device = torch.device(options.device)
    dtype = getattr(torch, options.dtype)
    blocks = nn.Sequential(*(Block(options.width) for _ in range(options.layers)))
    blocks.to(device, dtype)
    names = [f"layer {number}" for number in range(options.layers)]
    kinds: dict[str, list[Collector]] = {
        f"Top({options.k})": [Top(options.k)],
        "Moments": [Moments()],
        "Histogram": [Histogram()],
        "Top, Moments, Histogram": [Top(options.k), Moments(), Histogram()],
        "Reservoir(1000)": [Reservoir(1000)],
        f"Candidates({options.k})": [Candidates(options.k)],
        "Moments, both Means": [Moments(), Mean(), Mean(absolute=True)],
    }
    made = {name: LayerCollectors(names, kind, None) for name, kind in kinds.items()}
    naive = [Naive(options.k) for _ in blocks]
    spent: dict[str, list[float]] = {name: [] for name in ("pass", "naive top", *made)}

    def timed(name: str, work: Callable[[], object]) -> None:
        wait(device)
        began = clock(device)
        work()
        wait(device)
        spent[name].append(clock(device) - began)

    rows = options.batch * options.length
    shape = options.batch, options.length, options.width
    with torch.no_grad():
        blocks(torch.randn(1, *shape[1:], device=device, dtype=dtype))
        for batch in range(options.batches):
            inputs = torch.randn(shape, device=device, dtype=dtype)
            timed("pass", partial(blocks, inputs))
            layer_rows = rows_of(blocks, batch)
            for name, collectors in made.items():
                timed(name, partial(collectors.add, layer_rows))
            timed("naive top", partial(take, naive, chunk_of(layer_rows)))
    for name, collectors in made.items():
        began = time.perf_counter()
        results = [collectors.results(layer) for layer in names]
        print(f"{name}: result() of all layers {time.perf_counter() - began:.2f} s")
        if name == f"Top({options.k})":
            agree = all(
                torch.equal(torch.from_numpy(result.values), other.values.T.cpu())
                for (result,), other in zip(results, naive, strict=True)
            )
    print(f"Top and naive top agree: {agree}")
    half = options.batches // 2
    for name, times in spent.items():
        every, late = sum(times) / sum(spent["pass"]), sum(times[half:]) / sum(spent["pass"][half:])
        print(
            f"{name:24s} {sum(times) / len(times):7.3f} s per batch of {rows:,} tokens, "
            f"{every:7.1%} of the pass; last half {late:7.1%}; best of {half} "
            f"{min(times[half:]) / min(spent['pass'][half:]):7.1%}"
        )


def rows_of(blocks: nn.Sequential, batch: int) -> list[LayerRows]:
    """What a pass over the blocks has left, as `capture` gives it to collectors."""
    size, length = blocks[0].active.shape[:2]
    order = np.arange(size * length)
    sample, position = order // length + batch * size, order % length
    return [
        LayerRows(f"layer {number}", block.active.flatten(0, 1), sample, position)
        for number, block in enumerate(blocks)
    ]


def take(kept: list[Naive], chunk: Chunk) -> None:
    for one, rows in zip(kept, chunk.layers(), strict=True):
        one.add(rows)


def clock(device: torch.device) -> float:
    """Seconds: of the processor, or by the clock if it waits for a device."""
    return time.process_time() if device.type == "cpu" else time.perf_counter()


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
