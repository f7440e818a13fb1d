"""Sparse probes and L1 probes: planted neurons found, labels of bundled texts, readout and control.

python -m benchmarks.effects probes [--full]

With `--full`: ten planted draws instead of four, and two L1 probes instead of one.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import numpy as np

import neuronwidgets as nw


def planted(seeds: int) -> None:
    """How often the planted neurons are found exactly, of `seeds` draws."""
    print("| k | found exactly | F1 | F1, permuted labels |\n|---|---|---|---|")
    for k in (1, 2, 3):
        found, f1, null = [], [], []
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            values = rng.normal(size=(400, 200)).astype(np.float32)
            neurons = np.sort(rng.choice(200, k, replace=False))
            label = values[:, neurons].sum(axis=1) + 0.3 * rng.normal(size=400) > 0.8
            probe = nw.probe(values, label, k=[k], draws=3, resamples=10, seed=seed)
            found.append(np.array_equal(np.sort(probe.neurons(k)), neurons))
            f1.append(probe.test.value["f1"][0])
            null.append(probe.test.null["f1"].mean())
        print(f"| {k} | {np.mean(found):.0%} | {np.mean(f1):.2f} | {np.mean(null):.2f} |")


def topics(l1: int) -> None:
    """Labels of the bundled texts from few neurons, and what these neurons do to the model."""
    t = nw.datasets.topics()
    layer = "transformer.h.2.mlp.c_proj"
    acts = nw.capture(
        t.model, t.texts[:1000], layer, "mean", t.labels[:1000], t.tokenizer, at="input",
        progress=False,
    )  # fmt: skip
    print(f"\n{layer} (its input), 1,000 texts\n")
    print(
        "| label | k | F1 | permuted | kept without the ten best | s |\n|---|---|---|---|---|---|"
    )
    names = acts.label_names[:3]
    for name in names:
        begin = time.perf_counter()
        probe = nw.probe(acts, name, k=[1, 3, 8], draws=20, resamples=200)
        took = time.perf_counter() - begin
        for i, k in enumerate(probe.ks):
            f1, null = probe.test.value["f1"][i], probe.test.null["f1"][:, i].mean()
            kept = f"{probe.removal.kept:.0%}" if k == 8 else ""
            print(f"| {name} | {k} | {f1:.2f} | {null:.2f} | {kept} | {took:.0f} |", flush=True)
    for name in names[:l1]:
        probe = nw.probe(acts, name, method="l1", model=t.model, draws=19, resamples=200)
        print(f"\n{probe!r}")
        if len(probe.neurons()):
            report = probe.control(
                t.model, t.texts[1000:1200], labels=t.labels[1000:1200], tokenizer=t.tokenizer,
                progress=False,
            )  # fmt: skip
            print("\n".join(f"- {sentence}" for sentence in report.findings))


def main(arguments: Sequence[str] = ()) -> None:
    full = "--full" in arguments
    planted(10 if full else 4)
    topics(2 if full else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
