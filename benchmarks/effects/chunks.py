"""Does a template find the samples in its state, and no others?

    python -m benchmarks.effects chunks

Planted: 60 of 2,000 samples hold 20 of 64 neurons near fixed values; templates from `n` of them.
Over seeds: the share of planted neurons that are kept, of other neurons that are kept, precision
and recall over the other samples, and the controls. Topics: tokens of the bundled classifier;
templates of words, at the tolerance with the best F1, which is chosen on the same samples. Then
the dictionary of chunks, beside permuted neurons.
"""

from __future__ import annotations

import time

import numpy as np

import neuronwidgets as nw
from neuronwidgets.activations.tokens import tokens_of

SEEDS, TOLERANCE = 5, 0.3
HEAD = "| {} | hits | precision | recall | chance | about a random sample |"


def planted(seed: int, noise: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(2000, 64))
    values[:60, :20] = np.linspace(-2, 2, 20) + rng.normal(0, noise, (60, 20))
    return values.astype(np.float32)


def main() -> None:
    print(HEAD.format("noise, samples | planted kept | others kept") + "\n" + "|---" * 8 + "|")
    for noise in (0.02, 0.1):
        for count in (5, 20):
            rows = []
            for seed in range(SEEDS):
                found = nw.template(planted(seed, noise), np.arange(count), TOLERANCE, draws=5)
                row = found.to_frame(np.arange(60)).query(f"tolerance == {TOLERANCE}").iloc[0]
                kept = found.neurons() < 20
                rows.append((kept.sum() / 20, (~kept).sum() / 44, row["hits"], row["precision"],
                             row["recall"], row["chance"], row["random"]))  # fmt: skip
            numbers = " | ".join(f"{n:.2f}" for n in np.nanmean(rows, axis=0))
            print(f"| {noise}, {count} | {numbers} |")
    topics = nw.datasets.topics()
    acts = nw.capture(topics.model, topics.texts[:300], topics.layer, "token",
                      tokenizer=topics.tokenizer, progress=False)  # fmt: skip
    tokens = tokens_of(acts, np.arange(len(acts)))
    assert tokens is not None
    words = np.array([*tokens.names, ""])[tokens.codes]
    rng = np.random.default_rng(0)
    print(f"\n{topics.layer}, {len(acts):,} tokens")
    print(HEAD.format("token, samples | neurons") + "\n" + "|---" * 7 + "|")
    for word in ("“film”", "“of”", "“born”"):
        every = np.flatnonzero(words == word)
        for count in (5, 20):
            given = rng.choice(every, min(count, len(every) - 5), replace=False)
            frame = nw.template(acts, given, draws=5).to_frame(every)
            score = 2 / (1 / frame["precision"] + 1 / frame["recall"])
            row = frame.loc[score.fillna(0).idxmax()]
            print(f"| {word}, {len(given)} | {row['neurons']:.0f} of {acts.shape[1]} "
                  f"| {row['hits']:.0f} | {row['precision']:.2f} | {row['recall']:.2f} "
                  f"| {row['chance']:.1f} | {row['random']:.1f} |")  # fmt: skip
    print("\n| dictionary | mean cosine held out | permuted | agreement | permuted | seconds |")
    print("|---|---|---|---|---|---|")
    for by in ("cosine", "cosine-origin"):
        begin = time.perf_counter()
        found = nw.chunk_dictionary(acts, 40, by=by)
        print(f"| {by} | {found.held_out:.3f} | {found.chance:.3f} | {found.agreement.mean():.3f} "
              f"| {found.chance_agreement:.3f} | {time.perf_counter() - begin:.1f} |")  # fmt: skip
