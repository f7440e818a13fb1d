"""Does a band show confounders that the top hides, and does it invent any?

    python -m benchmarks.effects bands

Planted: neuron 0 fires at 6 for two concepts and at `height` for a confounder, whose samples point
elsewhere in the layer; noise of the given size on all neurons. Over seeds: the share in which the
confounder is a concept of the band that `band_only` marks, in which it is a concept of the top,
and the concepts marked wrongly. Without a confounder (its samples belong to the two concepts)
every mark is wrong. Topics: concepts of bands of 20 neurons of the bundled classifier, and how many
are marked, beside the two controls.
"""

from __future__ import annotations

import numpy as np

import neuronwidgets as nw

SEEDS, WIDTH, BAND = 20, 24, (0.6, 0.95)


def planted(height: float, noise: float, confounded: bool, seed: int) -> nw.Activations:
    rng = np.random.default_rng(seed)
    kinds = np.repeat(["a", "b", "confounder", "rest"], [100, 100, 200, 600])
    values = rng.normal(0, noise, (1000, WIDTH)).astype(np.float32)
    own = np.select([kinds == "a", kinds == "b", kinds == "confounder"], [1, 2, 3], 0)
    if not confounded:
        own[own == 3] = rng.integers(1, 3, 200)
    held = np.flatnonzero(own)
    values[held, own[held]] += 4
    values[:, 0] += np.select([np.isin(kinds, ["a", "b"]), kinds == "confounder"], [6, height], 0)
    return nw.Activations.from_arrays(values, labels=kinds)


def marked(acts: nw.Activations) -> tuple[bool, bool, int]:
    """Whether the confounder is marked, whether the top shows it, and the number of other marks."""
    concepts = nw.split(acts, 0, top=120, band=BAND).cut()
    found = nw.band_only(concepts)
    names = np.array(concepts.names)
    return (
        bool((found.only & (names == "confounder")).any()), "confounder" in found.top.names,
        int((found.only & (names != "confounder")).sum()),
    )  # fmt: skip


def main() -> None:
    print("| height | noise | found by the band | shown by the top | wrong marks | without one |")
    print("|---|---|---|---|---|---|")
    for height in (3.0, 4.5):
        for noise in (0.2, 0.6, 1.0):
            rows = [marked(planted(height, noise, True, seed)) for seed in range(SEEDS)]
            none = [marked(planted(height, noise, False, seed)) for seed in range(SEEDS)]
            wrong = np.mean([first + others for first, _, others in none])
            numbers = (*np.mean(np.array(rows, float), axis=0), wrong)
            print(f"| {height} | {noise} | " + " | ".join(f"{n:.2f}" for n in numbers) + " |")
    topics = nw.datasets.topics()
    acts = nw.capture(topics.model, topics.texts[:2000], topics.layer, "last",
                      topics.labels[:2000], topics.tokenizer, progress=False)  # fmt: skip
    print("\n| band of topics | concepts | marked | chance | missed |\n|---|---|---|---|---|")
    for band in ((0.0, 0.5), (0.5, 0.9), (0.9, 1.0)):
        found = [nw.band_only(nw.split(acts, n, band=band).cut()) for n in range(20)]
        only = np.concatenate([f.only for f in found])
        chance = np.concatenate([f.chance for f in found])
        missed = np.nanmean([f.missed for f in found])
        print(f"| {band[0]} to {band[1]} | {len(only)} | {only.mean():.2f} | {chance.mean():.2f} "
              f"| {missed:.2f} |")  # fmt: skip
