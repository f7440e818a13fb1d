"""Are concept vectors purer than the polysemantic neuron they come from? (arXiv 2304.09707)

    python benchmarks/concepts.py

Over the neurons whose top 100 samples have a label entropy above one bit: the share of the most
frequent label among the neuron's own top 20 samples, and among the 20 samples that project highest
on each of its concept vectors (mean over the vectors of a neuron, then over neurons), with a 95%
bootstrap interval over neurons.
"""

from __future__ import annotations

import numpy as np

import neuronwidgets as nw
from neuronwidgets.concepts.scores import majority

TOP, FOUND = 100, 20


def purities(acts: nw.Activations) -> np.ndarray:
    """`neurons x 5`: own, concept vectors', refined concept vectors', number of concepts, and the
    share of vectors that find most of the label that more than half of their own samples carry."""
    assert acts.labels is not None
    rows = []
    # A neuron that is at rest on most of its top samples has no top 100 to speak of.
    fires = np.partition(acts.values, len(acts) - TOP, axis=0)[len(acts) - TOP]
    fires = fires > 0.2 * acts.values.max(axis=0)
    for neuron in np.flatnonzero((nw.label_entropy(acts, TOP) > 1) & fires):
        split = nw.split(acts, int(neuron), top=TOP)
        concepts = split.cut()
        refined = concepts.refine()
        own = majority(acts.labels[split.index[:FOUND]])[1]
        after = refined.found_purity(FOUND).mean() if len(refined) else np.nan
        same = []
        for k, found in enumerate(concepts.found(FOUND)):
            label, share = majority(acts.labels[split.index[concepts.labels == k]])
            if share > 0.5:
                same.append(majority(acts.labels[found])[0] == label)
        agree = np.mean(same) if same else np.nan
        rows.append((own, concepts.found_purity(FOUND).mean(), after, len(concepts), agree))
    return np.array(rows)


def interval(values: np.ndarray) -> str:
    values = values[~np.isnan(values)]
    draws = np.random.default_rng(0).choice(values, (2000, len(values))).mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return f"{values.mean():.2f} ({low:.2f} to {high:.2f})"


def report(name: str, acts: nw.Activations) -> None:
    rows = purities(acts)
    print(
        f"{name}: {len(rows)} polysemantic neurons of {acts.shape[1]}; own top {FOUND}: "
        f"{interval(rows[:, 0])}; concept vectors: {interval(rows[:, 1])}; after k-means: "
        f"{interval(rows[:, 2])}; {rows[:, 3].mean():.1f} concepts each; vectors that find "
        f"their own samples' label: {interval(rows[:, 4])}"
    )


def main() -> None:
    fashion = nw.datasets.fashion()
    report("fashion", nw.capture(fashion.model, fashion.images, fashion.layer,
                                 labels=fashion.labels, progress=False))  # fmt: skip
    topics = nw.datasets.topics()
    report("topics", nw.capture(topics.model, topics.texts, topics.layer, unit="max",
                                labels=topics.labels, tokenizer=topics.tokenizer,
                                progress=False))  # fmt: skip


if __name__ == "__main__":
    main()
