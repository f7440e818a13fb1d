"""What range masks cost on `topics`, and how much resuming at the layer saves.

    python benchmarks/ranges.py [--samples 2000]

The frontier of arXiv 2502.06809 (target drop against the others' drop, averaged over labels, with
95% bootstrap intervals over samples), ranges from 2,000 texts, drops from others. Then the time of
`evaluate_masks` resumed at the layer against full passes, in one run.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import neuronwidgets as nw

TAUS = [0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--layer", default="transformer.h.3")
    options = parser.parse_args()
    topics = nw.datasets.topics()
    test = slice(2000, 2000 + options.samples)
    acts = nw.capture(topics.model, topics.texts[:2000], options.layer, "last",
                      topics.labels[:2000], topics.tokenizer, progress=False)  # fmt: skip
    ranges = nw.ranges(acts)

    def evaluate(count: int, taus: list[float], resume: bool) -> tuple[float, nw.MaskReport]:
        rows = slice(test.start, test.start + count)
        began = time.perf_counter()
        report = nw.evaluate_masks(
            topics.model, topics.texts[rows], ranges, taus, labels=topics.labels[rows],
            tokenizer=topics.tokenizer, resume=resume, progress=False,
        )  # fmt: skip
        return time.perf_counter() - began, report

    _, report = evaluate(options.samples, TAUS, resume=True)
    print(report)
    print(report.frontier().round(3).to_string(index=False))
    count = min(256, options.samples)
    fast, one = evaluate(count, [2.0], resume=True)
    slow, other = evaluate(count, [2.0], resume=False)
    same = bool((one.right == other.right).all())
    apart = float(np.abs(one.confidence - other.confidence).max())
    print(
        f"{count} texts, 1 + 14 x 2 passes: full {slow:.1f} s, resumed {fast:.1f} s, "
        f"{slow / fast:.1f} x; same predictions: {same}, confidences within {apart:.1e}"
    )


if __name__ == "__main__":
    main()
