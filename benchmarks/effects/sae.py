"""Do the concepts of a neuron and the features of an autoencoder say the same?

    python -m benchmarks.effects sae

Planted: eight features in 32 dimensions, a direction that fires for three of them, and an
autoencoder that has them exactly, that has one of them as two, or that has random directions. Over
seeds: the share of concepts whose best feature is the planted one, its AUROC, held out, and held
out for as many random directions, how many features make the divided concept, and the share of
concepts with p at most 0.05. Random directions tell planted concepts apart as well: p of permuted
samples says that a feature is no accident, not that it is better than any direction.

Covered: the share of a concept on which one of the features that make it is active, and one of as
many random directions.

Topics: tokens of the bundled classifier, and two top-k autoencoders trained here with two seeds.
Beside them one of random directions, whose best features show what the choice alone gives.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch

import neuronwidgets as nw

SEEDS, D, STEPS, FEATURES, K = 5, 32, 500, 512, 12
KINDS = ("exact", "divided", "random")


def planted(seed: int, kind: str) -> nw.FeatureMatch:
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(D, D)))[0]
    which, side = rng.integers(0, 9, 1200), np.where(rng.random(1200) < 0.5, 1, -1)
    values = basis[which] * rng.uniform(3, 5, (1200, 1)) + rng.normal(0, 0.15, (1200, D))
    if kind == "divided":
        values[which == 2] += np.outer(side[which == 2], basis[9]) * 2
    names = [f"feature {i}" for i in which]
    acts = nw.Activations.from_arrays(values.astype(np.float32), labels=names)
    rows, bias = basis[:9], -3.0
    if kind == "divided":
        both = np.stack([3 * basis[2] + 2 * s * basis[9] for s in (1, -1)]) / np.sqrt(13)
        rows = np.concatenate([both, np.delete(basis[:9], 2, axis=0)])
    if kind == "random":
        rows, bias = rng.normal(size=(200, D)) / np.sqrt(D), 0.0
    sae = nw.SAE(rows.T, rows, np.zeros(D), np.full(len(rows), bias))
    split = nw.split(acts, basis[:3].sum(axis=0), top=150)
    heights = [s.threshold for s in split.suggest() if s.concepts == 3]
    return nw.match_features(split.cut(heights[0] if heights else None), sae)


def right(match: nw.FeatureMatch, kind: str) -> float:
    """The share of concepts whose best feature is their own."""
    own = {"exact": (0, 1, 2), "divided": (2, 3, 0)}.get(kind)
    if own is None:
        return float("nan")
    wanted = [own[int(name[-1])] for name in match.concepts.names]
    same = [b == w or (kind == "divided" and w == 0 and b == 1)
            for b, w in zip(match.best, wanted, strict=True)]  # fmt: skip
    return float(np.mean(same))


def trained(values: np.ndarray, seed: int) -> nw.SAE:
    """A top-k autoencoder of these activations (arXiv 2406.04093), in plain torch."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.from_numpy(values)
    scale = float(np.sqrt(values.shape[1]) / np.linalg.norm(values, axis=1).mean())
    x = x * scale
    decoder = torch.randn(FEATURES, x.shape[1], generator=generator)
    decoder = (decoder / decoder.norm(dim=1, keepdim=True)).requires_grad_()
    encoder = decoder.detach().T.clone().requires_grad_()
    bias, center = torch.zeros(FEATURES, requires_grad=True), x.mean(0).clone().requires_grad_()
    optimizer = torch.optim.Adam([decoder, encoder, bias, center], lr=2e-3)
    for _ in range(STEPS):
        batch = x[torch.randint(len(x), (512,), generator=generator)]
        best, index = ((batch - center) @ encoder + bias).topk(K, dim=1)
        features = torch.zeros(len(batch), FEATURES).scatter(1, index, best.relu())
        loss = (features @ decoder + center - batch).pow(2).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            decoder /= decoder.norm(dim=1, keepdim=True)
    arrays = [t.detach().numpy() for t in (encoder, decoder, center, bias)]
    return nw.SAE(*arrays, architecture="topk", k=K, scale=scale)


def main() -> None:
    print("| autoencoder | own feature | AUROC | held out | random | divided needs | p <= 0.05 |")
    print("|---|---|---|---|---|---|---|")
    for kind in KINDS:
        found = [planted(seed, kind) for seed in range(SEEDS)]
        own = np.mean([right(match, kind) for match in found])
        best = np.mean([match.auroc.max(axis=1).mean() for match in found])
        held = np.mean([match.held_out.mean() for match in found])
        random = np.mean([match.random.mean() for match in found])
        third = [m.needed[i] for m in found for i, n in enumerate(m.concepts.names) if n[-1] == "2"]
        needs = np.nanmean(third) if np.isfinite(third).any() else np.nan
        likely = np.mean([(match.p <= 0.05).mean() for match in found])
        print(f"| {kind} | {own:.2f} | {best:.3f} | {held:.3f} | {random:.3f} "
              f"| {needs:.2f} | {likely:.2f} |")  # fmt: skip
    topics = nw.datasets.topics()
    acts = nw.capture(topics.model, topics.texts[:300], topics.layer, "token",
                      topics.labels[:300], topics.tokenizer, progress=False)  # fmt: skip
    values = np.asarray(acts.values)
    one, other = (trained(values, seed) for seed in (0, 1))
    rows = np.random.default_rng(0).normal(size=(FEATURES, acts.shape[1])).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    noise = nw.SAE(rows.T, rows, acts.mean, np.zeros(FEATURES), architecture="topk", k=K)
    print(f"\n{topics.layer}, {len(acts):,} tokens: explained {one.explained(acts):.2f} (seed 0), "
          f"{other.explained(acts):.2f} (seed 1), {noise.explained(acts):.2f} (random); agreement "
          f"of seeds {one.agreement(other).mean():.2f}")  # fmt: skip
    print(
        "| autoencoder | concepts | AUROC | held out | random | null | p <= 0.05 | covered "
        "| covered by random | features needed | features agree | concepts agree (chance) |\n"
        + "|---" * 12
        + "|"
    )
    concepts = [nw.split(acts, neuron, top=200).cut() for neuron in range(8)]
    for name, sae, second in (("seed 0", one, other), ("random", noise, None)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            matches = [nw.match_features(c, sae, other=second) for c in concepts if len(c) > 1]
            frames = [match.to_frame() for match in matches]
            mean = {c: np.nanmean(np.concatenate([f[c] for f in frames])) for c in (
                "auroc", "held_out", "random", "null", "covered", "random_covered", "needed",
                "feature_agreement", "agreement",
                "agreement_chance")}  # fmt: skip
        p = np.concatenate([match.p for match in matches])
        print(f"| {name} | {len(p)} | {mean['auroc']:.3f} | {mean['held_out']:.3f} "
              f"| {mean['random']:.3f} | {mean['null']:.3f} | {(p <= 0.05).mean():.2f} "
              f"| {mean['covered']:.2f} | {mean['random_covered']:.2f} "
              f"| {mean['needed']:.2f} | {mean['feature_agreement']:.2f} "
              f"| {mean['agreement']:.2f} ({mean['agreement_chance']:.2f}) |")  # fmt: skip
