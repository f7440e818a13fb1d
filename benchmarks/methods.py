"""The methods of splitting a neuron, beside each other, on labelled data.

    python benchmarks/methods.py                       # the bundled images and texts
    python benchmarks/methods.py --model FOLDER --texts FILE.csv --layer NAME --below NAME

Over neurons whose top 100 samples have a label entropy above one bit. For each method: concepts at
its own cut, and the share of the samples that they hold; the adjusted Rand index of its clusters
and the labels (0: chance, 1: equal), and the share of samples with their cluster's most frequent
label, at its own cut and with the tree cut into five; how pure the 20 samples are that each concept
vector finds; milliseconds for a neuron.
`--model` is a folder that `AutoModel` loads, `--texts` has a class and a text in each row.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.cluster import hierarchy
from sklearn.metrics import adjusted_rand_score

import neuronwidgets as nw
from neuronwidgets.concepts.scores import majority

TOP, FIVE = 100, 5
METHODS: list[tuple[str, dict[str, Any]]] = [
    ("ward", {}),
    ("average", {}),
    ("complete", {}),
    ("single", {}),
    ("kmeans", {}),
    ("kmeans", {"k": 2}),
    ("attribution", {}),
    ("attribution", {"k": 2}),
]


def mixed(acts: nw.Activations, many: int) -> np.ndarray:
    """Neurons that fire for several labels, evenly from all of those."""
    fires = np.partition(acts.values, len(acts) - TOP, axis=0)[len(acts) - TOP]
    fires = fires > 0.2 * acts.values.max(axis=0)
    found = np.flatnonzero((nw.label_entropy(acts, TOP) > 1) & fires)
    return found[np.linspace(0, len(found) - 1, min(many, len(found))).astype(int)]


def share(labels: np.ndarray, cluster: np.ndarray) -> float:
    """Of the samples that are in a cluster, how many have its most frequent label."""
    right = [majority(labels[cluster == k])[1] * (cluster == k).sum() for k in set(cluster) - {-1}]
    return float(sum(right) / max(1, (cluster >= 0).sum()))


def measured(acts: nw.Activations, who: Any, method: str, settings: dict[str, Any]) -> list[float]:
    begin = time.perf_counter()
    split = nw.split(acts, who, TOP, method, **settings)
    took = time.perf_counter() - begin
    concepts, labels = split.cut(), split.labels
    assert labels is not None
    five = hierarchy.fcluster(split.Z, FIVE, "maxclust") - 1
    inside = concepts.assignment >= 0
    return [
        len(concepts),
        inside.mean(),
        adjusted_rand_score(labels[inside], concepts.assignment[inside]),
        share(labels, concepts.assignment),
        adjusted_rand_score(labels, five),
        share(labels, five),
        float(np.mean(concepts.retrieved_purity(by="dot"))),
        1000 * took,
    ]


def compare(name: str, acts: nw.Activations, source: dict[str, Any], many: int) -> None:
    neurons = mixed(acts, many)
    print(f"\n{name}: {acts!r}, {len(neurons)} neurons")
    print("| method | concepts | hold | ARI | purity | ARI of 5 | purity of 5 | found | ms |")
    print("|---|---|---|---|---|---|---|---|---|")
    rng = np.random.default_rng(0)
    rows = []
    for neuron in neurons:
        labels = acts.labels[acts.top(int(neuron), TOP)]  # type: ignore[index]
        drawn = rng.integers(0, FIVE, TOP)
        own = majority(labels[:20])[1]
        same = [adjusted_rand_score(labels, drawn), share(labels, drawn)]
        rows.append([FIVE, 1, *same, *same, own, 0])
    said("drawn at random; found: the neuron's own top 20", rows)
    for method, settings in METHODS:
        more = source if method == "attribution" else {}
        rows = [measured(acts, int(n), method, {**settings, **more}) for n in neurons]
        said(" ".join([method, *(f"{k}={v}" for k, v in settings.items())]), rows)
    directions = nw.singular_directions(acts, 10).directions
    ends = [sign * d for d in directions for sign in (1, -1)]
    said("ward, 10 singular directions", [measured(acts, d, "ward", {}) for d in ends])


def said(what: str, rows: list[Any]) -> None:
    mean = np.nanmean(np.array(rows, float), axis=0)
    numbers = [f"{mean[0]:.1f}", *(f"{x:.2f}" for x in mean[1:7]), f"{mean[7]:.0f}"]
    print(f"| {what} | {' | '.join(numbers)} |", flush=True)


def main() -> None:
    ask = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    ask.add_argument("--model", type=Path)
    ask.add_argument("--texts", type=Path)
    ask.add_argument("--layer", default="encoder.layer.4.intermediate")
    ask.add_argument("--below", default="encoder.layer.3")
    ask.add_argument("--samples", type=int, default=4000)
    ask.add_argument("--neurons", type=int, default=60)
    given = ask.parse_args()
    if given.model is not None:
        from transformers import AutoModel, AutoTokenizer

        with given.texts.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))[: given.samples]
        model = AutoModel.from_pretrained(given.model)
        tokenizer = AutoTokenizer.from_pretrained(given.model)
        how: dict[str, Any] = {"tokenizer": tokenizer, "max_length": 64}
        texts = [row[-1] for row in rows]
        labels = [row[0] for row in rows]
        acts = nw.capture(model, texts, given.layer, labels=labels, progress=False, **how)
        source = {"model": model, "data": texts, "below": given.below, **how}
        compare(f"{given.model.name}, {given.texts.name}", acts, source, given.neurons)
        return
    f = nw.datasets.fashion()
    acts = nw.capture(f.model, f.images, f.layer, labels=f.labels, progress=False)
    source = {"model": f.model, "data": f.images, "below": "features.4"}
    compare("fashion", acts, source, given.neurons)
    t = nw.datasets.topics()
    acts = nw.capture(
        t.model, t.texts, t.layer, labels=t.labels, tokenizer=t.tokenizer, progress=False
    )
    below = f"transformer.h.{int(t.layer.split('.')[2]) - 1}"
    source = {"model": t.model, "data": t.texts, "below": below, "tokenizer": t.tokenizer}
    compare("topics", acts, source, given.neurons)


if __name__ == "__main__":
    main()
