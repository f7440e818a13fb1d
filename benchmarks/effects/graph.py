"""The concept graph: are planted edges found, and what do core neurons do in bundled models?

    python -m benchmarks.effects graph

Planted: a network of two layers. Each lower neuron fires for two topics, each topic has three lower
neurons; upper neurons fire for three topics, each by the three lower neurons together. Other
lower neurons fire for topics as well, with next to no weight. An edge is right if its lower neuron
and its two concepts' topics are. Controls: the lower neurons of largest activation, the largest
gradients, sources permuted over targets, topics permuted over samples.

Bundled models: processor time and time of one card, the share of a concept's samples that stay the
strongest without its core neurons, without random ones, with the core neurons only.
"""

from __future__ import annotations

import time
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.effects.graph.core import Trials
from neuronwidgets.effects.graph.passage import Rerun

PAIRS = list(combinations(range(5), 2))
"""The topics, as pairs of five letters: the corners of Petersen's graph."""
CARRIERS = [
    (s, t) for s, t in combinations(range(10), 2) if not set(PAIRS[s]) & set(PAIRS[t])
]  # fmt: skip
"""Topics of the 15 lower neurons that carry weight: the edges of Petersen's graph."""
TOPICS = [
    [PAIRS.index((min(a, b), max(a, b))) for b in range(5) if b not in (a, left)]
    for a in range(5)
    for left in ((a + 1) % 5, (a + 2) % 5)
]  # fmt: skip
"""Topics of the 10 upper neurons: three that share a letter. No two have a lower neuron in common,
and no other topic fires all lower neurons of one."""
DISTRACTORS = 28
Edge = tuple[int, str, int, str]
"""Upper neuron, topic, lower neuron, topic."""


class Planted(nn.Module):
    """Two layers whose edges are known: `truth`."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        rng = np.random.default_rng(seed)
        lower = np.zeros((len(CARRIERS) + DISTRACTORS, 10), np.float32)
        for neuron, topics in enumerate(CARRIERS):
            lower[neuron, list(topics)] = 1
        for neuron in range(len(CARRIERS), len(lower)):
            lower[neuron, rng.permutation(10)[:2]] = rng.uniform(0.5, 2)
        upper = rng.normal(0, 0.01, (len(TOPICS), len(lower)))
        for neuron, topics in enumerate(TOPICS):
            for topic in topics:
                upper[neuron, carriers(topic)] = rng.uniform(0.9, 1.1, 3)
        self.low = nn.Sequential(nn.Linear(10, len(lower)), nn.ReLU())
        self.top = nn.Sequential(nn.Linear(len(lower), len(TOPICS)), nn.ReLU())
        for layer, weight, bias in ((self.low, lower, -0.2), (self.top, upper, -3.6)):
            layer[0].weight.data = torch.tensor(weight, dtype=torch.float32)
            layer[0].bias.data.fill_(bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.top(self.low(x))
        return out


def carriers(topic: int) -> list[int]:
    """The lower neurons that carry weight for a topic."""
    return [i for i, topics in enumerate(CARRIERS) if topic in topics]


def truth() -> set[Edge]:
    """The planted edges."""
    return {
        (upper, f"t{topic}", lower, f"t{topic}")
        for upper, topics in enumerate(TOPICS)
        for topic in topics
        for lower in carriers(topic)
    }


def samples(seed: int = 0, count: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Inputs `count x 10`, and the topic of each."""
    rng = np.random.default_rng(seed + 1)
    topic = np.arange(count) % 10
    x = np.abs(rng.normal(0, 0.1, (count, 10))).astype(np.float32)
    x[np.arange(count), topic] += rng.uniform(1.5, 2, count)
    return x, np.array([f"t{t}" for t in topic])


def captured(
    model: Planted, x: np.ndarray, labels: np.ndarray
) -> tuple[nw.Activations, nw.Activations]:
    """The upper and the lower layer."""
    acts: Any = nw.capture(model, x, ["top", "low"], labels=labels, progress=False)
    return acts["top"], acts["low"]


def found_edges(model: Planted, x: np.ndarray, labels: np.ndarray, **settings: Any) -> set[Edge]:
    """The edges of all concepts of all upper neurons."""
    top, low = captured(model, x, labels)
    edges: set[Edge] = set()
    for upper in range(len(TOPICS)):
        cut = nw.split(top, upper).cut()
        for k in range(len(cut)):
            graph = nw.concept_graph(
                cut, k, below=low, model=model, data=x, progress=False, **settings
            )
            for row in graph.to_frame().to_dict("records"):
                edges.add((upper, cut.names[k], row["neuron"], row["name"]))
    return edges


def f1(found: set[Edge], planted: set[Edge]) -> tuple[float, float, float]:
    """Precision, recall and their harmonic mean."""
    right = len(found & planted)
    precision, recall = right / max(1, len(found)), right / len(planted)
    return precision, recall, 2 * right / max(1, len(found) + len(planted))


def permuted(edges: set[Edge], seed: int = 0) -> set[Edge]:
    """The same targets and sources, paired at random."""
    ordered = sorted(edges)
    order = np.random.default_rng(seed).permutation(len(ordered))
    return {(*ordered[i][:2], *ordered[j][2:]) for i, j in enumerate(order)}


def ranked_edges(model: Planted, x: np.ndarray, labels: np.ndarray, by: str) -> set[Edge]:
    """The three lower neurons of each concept with the largest activation or gradient."""
    top, low = captured(model, x, labels)
    edges: set[Edge] = set()
    for upper in range(len(TOPICS)):
        cut = nw.split(top, upper).cut()
        for k, name in enumerate(cut.names):
            trials = Trials(Rerun(model, x), cut, k, low)
            excess = low.rows(trials.rows).mean(axis=0) - low.mean
            strength = excess if by == "activation" else np.abs(trials.slopes()).mean(axis=0)
            for lower in np.argsort(-strength, kind="stable")[:3].tolist():
                edges.add((upper, name, lower, name))
    return edges


def planted_table() -> None:
    print("| edges, planted | precision | recall | F1 |\n|---|---|---|---|")
    rows: dict[str, list[tuple[float, float, float]]] = {}
    for seed in range(2):
        model, planted = Planted(seed).eval(), truth()
        x, labels = samples(seed)
        found = found_edges(model, x, labels)
        shuffled = np.random.default_rng(seed).permutation(labels)
        for name, edges in (
            ("concept graph", found),
            ("concept graph, replacement zero", found_edges(model, x, labels, replacement="zero")),
            ("largest activations", ranked_edges(model, x, labels, "activation")),
            ("largest gradients", ranked_edges(model, x, labels, "gradient")),
            ("control: edges permuted", permuted(found, seed)),
            ("control: topics permuted", found_edges(model, x, shuffled)),
        ):
            rows.setdefault(name, []).append(f1(edges, planted))
    for name, values in rows.items():
        cells = " | ".join(f"{value:.2f}" for value in np.mean(values, axis=0))
        print(f"| {name} | {cells} |", flush=True)


def bundled(name: str) -> tuple[Any, Any, Any, dict[str, Any]]:
    """The upper and the lower layer, and settings."""
    if name == "fashion":
        f = nw.datasets.fashion()
        images, layers = f.images[:2000], [f.layer, "features.4"]
        acts: Any = nw.capture(f.model, images, layers, labels=f.labels[:2000], progress=False)
        return acts[layers[0]], acts[layers[1]], f.model, {"data": images}
    t = nw.datasets.topics()
    layers = ["transformer.h.2.mlp.act", "transformer.h.1.mlp.act"]
    texts, labels = t.texts[:2000], t.labels[:2000]
    acts = nw.capture(t.model, texts, layers, name[7:], labels, t.tokenizer, progress=False)
    return acts[layers[0]], acts[layers[1]], t.model, {"tokenizer": t.tokenizer}


def bundled_table() -> None:
    print("\n| model | cards | s | processor s | core | edges | without | random | only core |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in ("topics mean", "topics max", "fashion"):
        upper, lower, model, settings = bundled(name)
        rows = []
        for neuron in np.linspace(0, upper.shape[1] - 1, 6).astype(int).tolist():
            cut = nw.split(upper, neuron).cut()
            for k in range(min(2, len(cut))):
                begin, busy = time.perf_counter(), time.process_time()
                graph = nw.concept_graph(
                    cut, k, below=lower, model=model, progress=False, **settings
                )
                took = time.perf_counter() - begin, time.process_time() - busy
                core = graph.cores[0]
                shares = core.without, core.without_random, core.only
                rows.append((*took, core.count, len(graph.source), *shares))
        mean = np.median(rows, axis=0)
        cells = " | ".join(f"{value:.2f}" for value in mean)
        print(f"| {name}, medians | {len(rows)} | {cells} |", flush=True)


def main() -> None:
    planted_table()
    bundled_table()


if __name__ == "__main__":
    main()
