"""Do tests of names and groups find what is there, and nothing where there is nothing?

    python -m benchmarks.effects names

Planted: three concepts whose texts begin with a word of their own, and callables that answer at
random with a given probability. Over seeds: the accuracy, that of the control, and the share of 95%
intervals that cover the truth. Bundled models: callables without a language model. An intruder is
the text that shares the fewest words with the other four (`fashion`: the image furthest from their
mean), at cuts into more and more concepts. A name by text fits a sample that has one of its words.
New texts of a concept's label are compared with its siblings' samples, beside new texts of other
labels. Last, `clarity` and `redundancy` by an encoder that sees words, and by one that sees
nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

import neuronwidgets as nw
from neuronwidgets.concepts.name_scores.binomial import exact_interval

SEEDS, NEURONS, TEXTS = 100, 12, 2_000


def planted(seed: int) -> nw.Concepts:
    rng = np.random.default_rng(seed)
    kinds = np.repeat(["cat", "dog", "sun", "rest"], [20, 20, 20, 140])
    values = rng.normal(0, 0.1, (200, 6)).astype(np.float32)
    values[:60, 0] += np.linspace(9, 6, 60, dtype=np.float32)
    for i, kind in enumerate(("cat", "dog", "sun")):
        values[kinds == kind, i + 1] += 5
    texts = [f"{kind} number {i}" for i, kind in enumerate(kinds)]
    acts = nw.Activations.from_arrays(values, samples=texts, labels=kinds)
    return nw.split(acts, 0, top=60, metric="euclidean").cut(10.0)


def first_words(samples: list[str]) -> int:
    words = [sample.split()[0] for sample in samples]
    return next((i for i, word in enumerate(words, 1) if words.count(word) == 1), 1)


def sometimes(knows: float, rng: np.random.Generator) -> Callable[[list[str]], int]:
    """Answers rightly with probability `knows`, else guesses."""
    return lambda samples: first_words(samples) if rng.random() < knows else int(rng.integers(1, 6))


def words_of(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{3,}", text.lower()))


def fewest_words(common: set[str]) -> Callable[[list[str]], int]:
    def odd(samples: list[str]) -> int:
        bags = [words_of(sample) - common for sample in samples]
        shared = [sum(len(bag & other) / max(1, len(bag | other)) for other in bags if other
                      is not bag) for bag in bags]  # fmt: skip
        return int(np.argmin(shared)) + 1

    return odd


def furthest(samples: list[np.ndarray]) -> int:
    flat = np.stack([sample.astype(float).ravel() for sample in samples])
    rest = (flat.sum(axis=0) - flat) / (len(flat) - 1)
    return int(np.square(flat - rest).sum(axis=1).argmax()) + 1


def has_a_word(name: str, samples: list[str]) -> list[bool]:
    words = words_of(name)
    return [bool(words & words_of(sample)) for sample in samples]


def shares(results: list[nw.NameScores]) -> str:
    """The pooled accuracy with its interval, and that of the control."""
    cells = []
    for part in ("total", "control"):
        of = [getattr(result, part) for result in results]
        right, count = sum(s.right for s in of), sum(s.count for s in of)
        low, high = exact_interval(right, count)
        cells.append(f"{right / count:.2f} ({low:.2f} to {high:.2f})")
    return " | ".join(cells)


def guesses() -> None:
    print(
        "| answers | truth | accuracy | control | intervals that cover it |\n|---|---|---|---|---|"
    )
    for knows in (0.0, 0.5, 0.9, 1.0):
        truth = knows + (1 - knows) / 5
        results = [
            nw.score_names(planted(seed), sometimes(knows, np.random.default_rng(seed)), "intruder",
                           questions=25, seed=seed).run(progress=False)
            for seed in range(SEEDS)
        ]  # fmt: skip
        covered = [s.total.interval[0] <= truth <= s.total.interval[1] for s in results]
        print(f"| right with {knows} | {truth:.2f} | {shares(results)} | {np.mean(covered):.2f} |")


def cuts(title: str, acts: nw.Activations, ask: Callable[[list[Any]], int]) -> None:
    """Intruders at cuts into a given number of concepts."""
    for wanted in (2, 3, 5, 8):
        results = []
        for neuron in range(NEURONS):
            split = nw.split(acts, neuron, top=100)
            concepts = next((cut for t in np.linspace(split.tree.top, 0, 200)
                             if len(cut := split.cut(float(t))) >= wanted), None)  # fmt: skip
            if concepts is not None:
                plan = nw.score_names(concepts, ask, "intruder", questions=20)
                results.append(plan.run(progress=False))
        if results:
            print(f"| {title} | {wanted} | {len(results)} | {shares(results)} |")


def main() -> None:
    guesses()
    topics = nw.datasets.topics()
    texts, labels = topics.texts[:TEXTS], topics.labels[:TEXTS]
    acts = nw.capture(topics.model, texts, topics.layer, "last", labels, topics.tokenizer,
                      progress=False)  # fmt: skip
    counts = Counter(word for text in texts for word in words_of(text))
    common = {word for word, count in counts.items() if count > TEXTS / 20}
    fashion = nw.datasets.fashion()
    images = nw.capture(fashion.model, fashion.images[:TEXTS], fashion.layer,
                        labels=fashion.labels[:TEXTS], progress=False)  # fmt: skip
    print("\n| intruders of | concepts | neurons | accuracy | control |\n|---|---|---|---|---|")
    cuts("topics, by shared words", acts, fewest_words(common))
    cuts("fashion, by pixels", images, furthest)

    print("\n| names of topics by text | accuracy | name of another concept |\n|---|---|---|")
    for others in ("siblings", "dataset"):
        results = []
        for neuron in range(NEURONS):
            concepts = nw.split(acts, neuron, top=100).cut()
            if len(concepts) > 1:
                named = concepts.named("text")
                plan = nw.score_names(named, has_a_word, others=others)
                results.append(plan.run(progress=False))
        print(f"| against {others} | {shares(results)} |")

    responses(topics, acts)
    semantics(acts, texts, common)


def responses(topics: Any, acts: nw.Activations) -> None:
    held_texts, held_labels = topics.texts[TEXTS:], np.asarray(topics.labels[TEXTS:])
    new = nw.capture(topics.model, held_texts, topics.layer, "last", held_labels,
                     topics.tokenizer, progress=False)  # fmt: skip
    rows = []
    for neuron in range(NEURONS):
        concepts = nw.split(acts, neuron, top=100).cut()
        for k, name in enumerate(concepts.names if len(concepts) > 1 else ()):
            if name not in new.label_names:
                continue
            codes = {label: i for i, label in enumerate(new.label_names)}
            others = [codes[n] for n in concepts.names if n in codes and n != name]
            own = np.flatnonzero(new.labels == codes[name])
            wrong = np.flatnonzero(np.isin(new.labels, others))
            if min(len(own), len(wrong)) < 5:
                continue
            found = [nw.name_response(concepts, k, new.values[part]) for part in (own, wrong)]
            rows.append([x for f in found for x in (f.auroc[k], f.mad[k], f.neuron_auroc)])
    print(f"\n| new texts of topics, {len(rows)} concepts | AUROC | MAD | AUROC of the neuron |")
    print("|---|---|---|---|")
    means = np.mean(rows, axis=0)
    for title, part in (("of the concept's label", means[:3]), ("of siblings' labels", means[3:])):
        print(f"| {title} | " + " | ".join(f"{x:.2f}" for x in part) + " |")


def semantics(acts: nw.Activations, texts: list[str], common: set[str]) -> None:
    count = Counter(word for text in texts for word in words_of(text) - common)
    place = {word: i for i, (word, _) in enumerate(count.most_common(1_000))}
    rng = np.random.default_rng(0)
    noise = {text: rng.normal(size=20) for text in texts}

    def words(samples: list[str]) -> np.ndarray:
        bags = np.zeros((len(samples), len(place)))
        for i, sample in enumerate(samples):
            bags[i, [place[word] for word in words_of(sample) if word in place]] = 1
        return bags

    encoders: dict[str, Any] = {
        "the layer's vectors": None, "shared words": words,
        "nothing": lambda samples: np.array([noise[sample] for sample in samples]),
    }  # fmt: skip
    print("\n| encoder sees | clarity | p of at most 0.05 | redundancy | p of at most 0.05 |")
    print("|---|---|---|---|---|")
    for title, encoder in encoders.items():
        table = [nw.split(acts, neuron).scores(which=["clarity", "redundancy"], encoder=encoder)
                 for neuron in range(NEURONS)]  # fmt: skip
        cells = []
        for name in ("clarity", "redundancy"):
            values, p = (np.array([row[key] for row in table]) for key in (name, f"{name}_p"))
            cells += [f"{np.nanmean(values):.2f}", f"{np.nanmean(p <= 0.05):.2f}"]
        print(f"| {title} | " + " | ".join(cells) + " |")
