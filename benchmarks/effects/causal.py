"""What a model loses when the concepts of a neuron are taken out.

    python -m benchmarks.effects.causal [--neurons 3] [--samples 100] [--draws 3] [--variants ...]
        [--full]

1. A planted model whose concept directions are known: own over siblings, and permuted memberships.
2. `topics`, the MLP of block 3 of 4: concepts of some neurons on held-out texts, each taken out as
   it is (strength 1), in several ways: one concept's vector; the span of the vectors of concepts of
   other neurons that share members; the same members' vectors in the output of the block, and in
   several layers at once. The vector and the block also at equal cost (KL 0.01 on the others), with
   three times as many passes. Beside each, the same of random directions, and the neuron. With
   `--full`: neurons 3 and 17, and all variants.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

import neuronwidgets as nw
from neuronwidgets.effects.losses import Loss, interval

TRAIN = 1500
MIDDLE = "transformer.h.2.mlp.act"
MLPS = [f"transformer.h.{i}.mlp.act" for i in range(3)]
BLOCKS = [f"transformer.h.{i}" for i in range(3)]
SHARED = 0.5
"""Share of the smaller concept's members that two concepts must share to be one group."""
RANK = 4
OTHERS = 128
"""Neurons whose concepts may join a group."""
VARIANTS = ["vector", "group", "mlps", "block", "blocks"]
FEW = ["vector", "group", "block"]
AT_COST = ["vector", "block"]
"""Variants that are also measured at equal cost."""
KL = 0.01
HEAD = ("taken out", "cost", "own lose (nats)", "siblings", "others", "own accuracy lost",
        "random: own", "above random", "neuron: own", "strength", "concepts")  # fmt: skip
Edits = list[Any]


def difference(acts: nw.Activations, rows: np.ndarray) -> np.ndarray:
    """From the layer's mean to the median of some samples, of unit length."""
    vector = np.median(acts.rows(rows), axis=0) - acts.mean
    return vector / np.linalg.norm(vector)


def span(acts: nw.Activations, vectors: Any) -> nw.SpanEdit:
    return nw.SpanEdit(acts.layer, vectors, acts.mean, first=acts.first)


def pool_of(acts: nw.Activations) -> list[np.ndarray]:
    """The members (rows) of every concept of the first neurons."""
    found = []
    for neuron in range(OTHERS):
        cut = nw.split(acts, neuron).cut()
        found += [np.sort(cut.index[group]) for group in cut.groups]
    return found


def group_of(members: np.ndarray, pool: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The concepts of other neurons that share half of the smaller one's members."""
    return [
        other for other in pool
        if len(np.intersect1d(members, other)) >= SHARED * min(len(members), len(other))
    ]  # fmt: skip


def edits_of(
    variant: str, concepts: nw.Concepts, acts: dict[str, nw.Activations], pool: list[np.ndarray]
) -> Edits:
    middle = acts[MIDDLE]
    edits: Edits = []
    for group in concepts.groups:
        members = concepts.index[group]
        if variant == "vector":
            edits.append(span(middle, difference(middle, members)))
        elif variant == "group":
            vectors = [difference(middle, rows) for rows in [members, *group_of(members, pool)]]
            basis = np.linalg.svd(np.stack(vectors), full_matrices=False)[2][:RANK]
            edits.append(span(middle, basis))
        else:
            layers = {"mlps": MLPS, "block": BLOCKS[2:], "blocks": BLOCKS}[variant]
            edits.append([span(acts[name], difference(acts[name], members)) for name in layers])
    return edits


def mean(effects: Sequence[nw.ConceptEffects], way: str, side: str, measure: str = "nats") -> Loss:
    """The mean over all concepts that have a label, with its interval over samples."""
    losses = [
        each.losses(k, way, measure)[side]
        for each in effects for k in range(len(each)) if each.own_by[k] == "label"
    ]  # fmt: skip
    losses = [loss for loss in losses if np.isfinite(loss.value)]
    spread = np.nanmean([loss.spread for loss in losses], axis=0)
    return Loss.of(float(np.mean([loss.value for loss in losses])), spread)


def above(effects: Sequence[nw.ConceptEffects], by: str) -> str:
    """How many of the concepts with a label, or without, do more than random edits."""
    told = [
        each.above_random(k).low > 0
        for each in effects for k in range(len(each)) if each.own_by[k] == by
    ]  # fmt: skip
    return f"{sum(told)} of {len(told)} {by}"


def rows(effects: Sequence[nw.ConceptEffects]) -> Iterator[str]:
    own, siblings, others = (mean(effects, "concept", s) for s in ("own", "siblings", "others"))
    right = mean(effects, "concept", "own", "accuracy")
    count = sum(by == "label" for each in effects for by in each.own_by)
    strength = np.median(np.concatenate([each.strength[:, 0] for each in effects]))
    yield interval(own)
    yield f"{siblings.value:+.4f}"
    yield f"{others.value:+.4f}"
    yield f"{right.value:+.3f}"
    yield interval(mean(effects, "random", "own"))
    yield "; ".join(above(effects, by) for by in ("label", "retrieved"))
    yield interval(mean(effects, "neuron", "own"))
    yield f"{strength:.3g}"
    yield str(count)


def topics(neurons: Sequence[int], samples: int, draws: int, variants: Sequence[str]) -> None:
    data = nw.datasets.topics()
    model, given = data.model, {"tokenizer": data.tokenizer, "max_length": 160, "progress": False}
    acts = nw.capture(model, data.texts[:TRAIN], [*MLPS, *BLOCKS],
                      labels=list(data.labels[:TRAIN]), **given)  # fmt: skip
    held_out = slice(TRAIN, TRAIN + samples)
    texts, labels = data.texts[held_out], list(data.labels[held_out])
    cuts = [nw.split(acts[MIDDLE], neuron).cut() for neuron in neurons]
    pool = pool_of(acts[MIDDLE])
    print("| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|")
    for variant in variants:
        for kl in (None, KL) if variant in AT_COST else (None,):
            start = time.perf_counter()
            effects = [
                nw.causes(cut, model, texts, labels, edit=edits_of(variant, cut, acts, pool), kl=kl,
                          draws=draws, **given) for cut in cuts
            ]  # fmt: skip
            cost = "as it is" if kl is None else f"KL {kl}"
            print(f"| {variant} | {cost} | {' | '.join(rows(effects))} |", flush=True)
            took = time.perf_counter() - start
            print(f"<!-- {took:.0f} s, {sum(each.ran for each in effects)} passes -->", flush=True)


CLASSES, WIDTH = 6, 12


def planted(seed: int = 0) -> None:
    """Three concepts of one neuron, each with a neuron of its own that the readout uses."""
    directions = np.zeros((CLASSES, WIDTH))
    directions[np.arange(CLASSES), np.arange(CLASSES) + 1] = 1
    directions[:3, 0] = 0.3
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    model = torch.nn.Sequential()
    model.add_module("hidden", torch.nn.Linear(CLASSES, WIDTH, bias=False))
    model.add_module("out", torch.nn.Linear(WIDTH, CLASSES, bias=False))
    model.hidden.weight.data = torch.tensor(directions.T, dtype=torch.float32)
    model.out.weight.data = torch.tensor(6 * directions, dtype=torch.float32)
    rng = np.random.default_rng(seed)

    def drawn(count: int) -> tuple[torch.Tensor, list[str]]:
        labels = rng.integers(0, CLASSES, count)
        values = np.eye(CLASSES)[labels] * (1 + 0.3 * rng.random((count, 1)))
        values += 0.1 * rng.standard_normal(values.shape)
        return torch.tensor(values, dtype=torch.float32), [str(label) for label in labels]

    inputs, labels = drawn(600)
    acts = nw.capture(model.eval(), inputs, "hidden", labels=labels, progress=False)
    cut = nw.split(acts, 0, top=100).cut()
    held_out = drawn(400)
    shuffled = rng.permutation(cut.assignment)
    groups = replace(cut, assignment=shuffled)
    print("| planted | own | siblings | ratio | random: own |\n|---|---|---|---|---|")
    for name, each in (("concepts", cut), ("permuted memberships", groups)):
        edits = [nw.SpanEdit("hidden", vector, cut.layer_mean) for vector in each.differences]
        effects = nw.causes(cut, model, *held_out, edit=edits, progress=False)
        own, siblings = (mean([effects], "concept", side) for side in ("own", "siblings"))
        random = mean([effects], "random", "own")
        share = f"{own.value / siblings.value:.0f}" if siblings.value > 0 else "none"
        cells = [interval(own), f"{siblings.value:+.4f}", share, interval(random)]
        print(f"| {name} | {' | '.join(cells)} |")


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser()
    full = "--full" in arguments
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--neurons", type=int, nargs="+", default=[3, 17] if full else [3])
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--variants", nargs="+", default=VARIANTS if full else FEW,
                        choices=VARIANTS)  # fmt: skip
    chosen = parser.parse_args(list(arguments))
    planted()
    topics(chosen.neurons, chosen.samples, chosen.draws, chosen.variants)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
