"""Toy models: what a sweep as one batch saves, and the claims of arXiv 2211.09169 on a CPU.

    python benchmarks/toy.py [--quick] [--only speed claims start decay recovery] [--seeds 5]
        [--device cpu] [--threads 1] [--paper] [--rate 0.01]

Speed: 16 configurations as one batch, against the same 16 one after the other (`alone`), and
against 16 plain PyTorch loops as the authors wrote theirs (`plain`: a `Sequential`, autograd,
LAMB tensor by tensor, every feature drawn); in one run, interleaved, best of three.

Claims, over seeds that train as one batch, mean and standard deviation over seeds: (a) zero start,
learning rates; (b) start at -1 with decay against the zero start, also alone by `--only start`;
(c) numbers of neurons; (d) the biases of monosemantic neurons. Recovery (what splitting finds of
the true features) is described in toy_recovery.py. Relative loss is on 16,384 held-out samples, as
a share of the best linear decoder's.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
import torch
from toy_recovery import recovery

from neuronwidgets import toy

PARTS = ["speed", "claims", "decay", "recovery"]
"""What runs without `--only`; "start" is a part of "claims"."""
BOTTOM = 512
"""Steps are this more than a multiple of 1,024: training ends where the learning rate does."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a minute or two; smaller models")
    parser.add_argument("--paper", action="store_true", help="claims at the paper's size: a GPU's")
    parser.add_argument("--only", nargs="+", choices=[*PARTS, "start"], default=PARTS)
    parser.add_argument("--rate", type=float, default=0.01, help="the highest learning rate")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {options.device}")
    wanted = options.only
    if "speed" in wanted:
        sizes = [(64, 8, 128, 32), (64, 8, 128, 64), (64, 8, 128, 256), (128, 32, 256, 1024)]
        for size in sizes[: 3 if options.quick else 4]:
            speed(*size, options.device)
    base = toy.Config(
        features=64,
        dims=32,
        neurons=256,
        batch=256 if options.quick else 512,
        steps=(2 if options.quick else 8) * 1024 + BOTTOM,
        learning_rate=options.rate,
    )
    if options.paper:
        base = toy.Config(learning_rate=options.rate)
    if "claims" in wanted:
        claims(base, options.seeds, options.device)
    if "start" in wanted:
        starts(base, options.seeds, options.device)
    if "decay" in wanted:
        decays(base, options.seeds, options.device)
    if "recovery" in wanted:
        recovery(min(3, options.seeds), options.quick)


def speed(features: int, dims: int, neurons: int, batch: int, device: str) -> None:
    """The time of 16 runs, three ways."""
    # About as much work at each size.
    steps = max(16, 2**27 // (batch * neurons * (features + dims)) // 16 * 16)
    base = toy.Config(
        features=features, dims=dims, neurons=neurons, batch=batch, steps=min(steps, 512)
    )
    configs = [
        replace(base, seed=seed, learning_rate=rate, bias=bias, decay=decay)
        for seed in (0, 1)
        for rate in (0.001, 0.003, 0.005, 0.01)
        for bias, decay in ((0.0, 0.0), (-1.0, 1.0))
    ]

    def alone() -> list[toy.Run]:
        return [toy.train(config, device=device) for config in configs]

    ways: dict[str, Callable[[], object]] = {
        "batch": lambda: toy.train(configs, device=device),
        "alone": alone,
        "plain": lambda: [plain(config, device) for config in configs],
    }
    best = dict.fromkeys(ways, np.inf)
    made: dict[str, object] = {}
    toy.train(configs[:1], device=device)
    for _ in range(3):
        for name, run in ways.items():
            began = time.perf_counter()
            made[name] = run()
            best[name] = min(best[name], time.perf_counter() - began)
    pairs = zip(made["batch"], made["alone"], strict=True)  # type: ignore[call-overload]
    apart = max(np.abs(a.log.loss - b.log.loss).max() for a, b in pairs)
    each = {name: f"{seconds / 16 / base.steps * 1e6:,.0f}" for name, seconds in best.items()}
    print(
        f"N={features} m={dims} k={neurons} batch {batch}, {base.steps} steps of 16 runs: batch "
        f"{best['batch']:.2f} s, alone {best['alone']:.2f} s ({best['alone'] / best['batch']:.1f} "
        f"x), plain {best['plain']:.2f} s ({best['plain'] / best['batch']:.1f} x); us per step of "
        f"a run: {each}; losses of batch and alone within {apart:.1e}",
        flush=True,
    )


def plain(config: toy.Config, device: str) -> torch.nn.Module:
    """One run as one would write it: the rival."""
    torch.manual_seed(config.seed)
    N, m, k = config.features, config.dims, config.neurons
    u = torch.linalg.svd(torch.randn(N, m), full_matrices=False)[0]
    embed = (u / u.norm(dim=1, keepdim=True)).to(device)
    model = torch.nn.Sequential(
        torch.nn.Linear(m, k), torch.nn.ReLU(), torch.nn.Linear(k, N, bias=False)
    ).to(device)
    with torch.no_grad():
        model[0].bias += config.bias
    weights = list(model.parameters())
    moments = [(torch.zeros_like(w), torch.zeros_like(w)) for w in weights]
    for step in range(config.steps):
        rate = config.learning_rate * (1 + np.cos(np.pi * step / config.cycle)) / 2
        v = torch.rand(config.batch, N, device=device)
        v *= torch.bernoulli(torch.full((config.batch, N), config.eps, device=device))
        loss = ((model(v @ embed) - v) ** 2).sum() / config.batch
        model.zero_grad(set_to_none=True)
        loss.backward()
        with torch.no_grad():
            for w, (mean, square) in zip(weights, moments, strict=True):
                mean.mul_(0.9).add_(w.grad, alpha=0.1)
                square.mul_(0.999).addcmul_(w.grad, w.grad, value=0.001)
                move = mean / square.sqrt().add(1e-6)
                size, length = move.norm(), w.norm().clamp(0, 10)
                ratio = 1.0 if size == 0 or length == 0 else (length / size).item()
                w.add_(move, alpha=-rate * ratio)
            if step < config.steps / 2:
                model[0].bias *= 1 - config.decay * config.learning_rate
    return model


def claims(base: toy.Config, seeds: int, device: str) -> None:
    """(a) to (d)."""
    start = negative(base)
    print(f"claims at {base}, {seeds} seeds")
    groups = {f"(a) zero start, learning rate {rate:g}": replace(base, learning_rate=rate)
              for rate in (0.003, base.learning_rate, 0.02)}  # fmt: skip
    groups[named(start)] = start
    found = sweep(groups, seeds, device)
    zero = found[f"(a) zero start, learning rate {base.learning_rate:g}"]
    minus = found[named(start)]
    pairs = list(zip(zero, minus, strict=True))
    more = sum(loud_of(b) > loud_of(a) for a, b in pairs)
    lower = sum(b.loss <= a.loss for a, b in pairs)
    print(f"(b) of {seeds} seeds, -1 has more monosemantic neurons that are not faint in {more}, "
          f"no higher loss in {lower}")  # fmt: skip
    mono = np.concatenate([run.biases[run.monosemantic] for run in minus])
    loud = np.concatenate([run.biases[run.monosemantic & ~run.faint] for run in minus])
    rest = np.concatenate([run.biases[~run.monosemantic & ~run.dead] for run in minus])
    for name, biases in (("monosemantic", mono), ("those not faint", loud), ("other live", rest)):
        if len(biases):
            low, middle, high = np.quantile(biases, [0.1, 0.5, 0.9])
            print(f"(d) biases of {name} neurons: median {middle:.3f}, 10% to 90%: {low:.3f} to "
                  f"{high:.3f} ({len(biases)} neurons)")  # fmt: skip
    sizes = [base.neurons // 4, base.neurons // 2, 2 * base.neurons]
    sweep({f"(c) start at -1, {k} neurons": replace(start, neurons=k) for k in sizes}, seeds,
          device)  # fmt: skip


def starts(base: toy.Config, seeds: int, device: str) -> None:
    """(b), and the zero start that it is compared with."""
    start = negative(base)
    print(f"starts at {base}, {seeds} seeds")
    sweep({"(b) zero start": base, named(start): start}, seeds, device)


def named(start: toy.Config) -> str:
    rate = f"learning rate {start.learning_rate:g}"
    return f"(b) start at -1, decay {start.decay:.3g}, {rate}"


def loud_of(run: toy.Run) -> int:
    return int((run.monosemantic & ~run.faint).sum())


def decays(base: toy.Config, seeds: int, device: str) -> None:
    """What (b) depends on: half and twice the preset's decay, and METHODS' `exp(-19.7)`."""
    start = negative(base)
    much = 2 * 19.66 / (base.learning_rate * base.steps)
    rates = (start.decay / 2, start.decay * 2, much)
    sweep({f"(b) decay {rate:.3g}": replace(start, decay=rate) for rate in rates}, seeds, device)


def negative(base: toy.Config) -> toy.Config:
    """The preset, at the size of `base`."""
    knobs = asdict(base)
    del knobs["bias"], knobs["decay"]
    return toy.Config.negative_bias(**knobs)


def sweep(groups: dict[str, toy.Config], seeds: int, device: str) -> dict[str, list[toy.Run]]:
    """Train every group at every seed, in one call, and print a line for each group."""
    configs = [replace(config, seed=s) for config in groups.values() for s in range(seeds)]
    began = time.perf_counter()
    runs = iter(toy.train(configs, device=device))
    seconds = time.perf_counter() - began
    found = {name: [next(runs) for _ in range(seeds)] for name in groups}
    for name, group in found.items():
        columns = {
            "loss": [run.loss for run in group],
            "relative loss": [run.relative_loss for run in group],
            "monosemantic": [run.monosemantic.sum() for run in group],
            "of them faint": [(run.monosemantic & run.faint).sum() for run in group],
            "features covered": [run.covered.sum() for run in group],
            "selectivity": [run.selectivity for run in group],
            "dead": [run.dead.sum() for run in group],
            "mean bias": [run.mean_bias for run in group],
        }
        cells = (f"{k} {np.mean(v):.3g} +- {np.std(v, ddof=seeds > 1):.2g}"
                 for k, v in columns.items())  # fmt: skip
        print(f"{name}: {', '.join(cells)}", flush=True)
    print(f"  {len(configs)} runs in {seconds:.0f} s")
    return found


if __name__ == "__main__":
    main()
