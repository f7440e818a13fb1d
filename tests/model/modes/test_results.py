"""What a notebook's first cell may set changes no result: one list of jobs, run under each."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import neuronwidgets as nw
from neuronwidgets.activations.retrieval import BY
from neuronwidgets.clustering.linkage.engine import METRICS
from neuronwidgets.clustering.linkage.tuning import Tuning
from neuronwidgets.interventions.completions import completing

BLOCK = "transformer.h.1"
OPTIONS: dict[str, Any] = {"progress": False}


def capture_texts(w: SimpleNamespace, _: Path) -> Any:
    return {
        unit: nw.capture(w.gpt, w.texts, [BLOCK, f"{BLOCK}.mlp.act"], unit, w.labels, w.tokenizer,
                         **OPTIONS)
        for unit in ("mean", "max", "last", "token")
    }  # fmt: skip


def capture_ids(w: SimpleNamespace, _: Path) -> Any:
    words = [text.split() for text in w.texts[:9]]
    ids = [w.tokenizer(text)["input_ids"] for text in w.texts[:9]]
    width = max(map(len, ids))
    left = torch.tensor([[0] * (width - len(row)) + row for row in ids], device="cpu")
    return [nw.capture(w.gpt, data, BLOCK, "token", tokenizer=w.tokenizer, **OPTIONS)
            for data in (list(zip(words, words, strict=True)), ids, left,
                         [{"input_ids": left, "attention_mask": (left > 0).long()}])]  # fmt: skip


def capture_tokens(w: SimpleNamespace, _: Path) -> Any:
    acts = nw.capture(w.gpt, w.texts[:9], BLOCK, "mean", tokenizer=w.tokenizer, **OPTIONS)
    assert acts.tokens is not None
    return acts.tokens([2, 5], np.eye(16)[3])


def capture_images(w: SimpleNamespace, _: Path) -> Any:
    made = [nw.capture(w.convolving, w.images, layer, "mean", **OPTIONS) for layer in ("0", "2")]
    running = nw.capture(w.convolving, w.images, "2", background=True, **OPTIONS)
    return [*made, running.result(30)]


def capture_to_disk(w: SimpleNamespace, folder: Path) -> Any:
    stored = [
        nw.capture(w.net, w.rows, "3", labels=w.kinds, out=folder / dtype, dtype=dtype, **OPTIONS)
        for dtype in ("float32", "float16", "bfloat16", "int8")
    ]
    saved = nw.Activations.load(w.acts.save(folder / "saved"))
    return [saved, *stored, [acts.top(2, 9) for acts in stored]]


def collect(w: SimpleNamespace, _: Path) -> Any:
    collectors = [nw.Top(5), nw.Moments(by_label=True), nw.Histogram(16), nw.Reservoir(7),
                  nw.Coactivation()]  # fmt: skip
    found = nw.capture(w.gpt, w.texts, BLOCK, "token", w.labels, w.tokenizer, collect=collectors,
                       batch_size=8, **OPTIONS)  # fmt: skip
    return [*found.results, found[0].to_frame(), found[1].to_frame(), found[2].to_frame()]


def look(w: SimpleNamespace, _: Path) -> Any:
    acts = w.acts
    direction = torch.ones(12, device="cpu")
    return [acts.top(3, 9), acts.along(direction), acts.project(np.eye(12)[:2]), repr(acts),
            acts._repr_html_(), nw.Activations.from_arrays(torch.ones(3, 2, device="cpu").half()),
            nw.Activations.from_arrays([[1.5, 2], [3, 4]], samples=w.images[:2])]  # fmt: skip


def trees(w: SimpleNamespace, _: Path) -> Any:
    points = w.acts.values[:60]
    pairs = [(method, metric) for method, metrics in METRICS.items() for metric in metrics]
    plain = [nw.linkage(points, *pair) for pair in pairs]
    large = [nw.linkage(points, *pair, tuning=Tuning(scipy_work=0)) for pair in pairs]
    return [*plain, *large, nw.linkage(torch.from_numpy(points))]


def splits(w: SimpleNamespace, _: Path) -> Any:
    methods = ("ward", "average", "complete", "single", "kmeans")
    made = [nw.split(w.acts, 3, top=40, method=method) for method in methods]
    made.append(nw.split(w.acts, 3, top=40, metric="euclidean"))
    return [[m.index, m.Z, m.cut().vectors, m.suggested, m.map] for m in made]


def attribution(w: SimpleNamespace, _: Path) -> Any:
    options: dict[str, Any] = {"model": w.net, "below": "0", "data": w.rows}
    made = nw.split(w.acts, 3, top=40, method="attribution", **options)
    return [made.index, made.points, made.cut().vectors]


def concepts(w: SimpleNamespace, folder: Path) -> Any:
    made = nw.split(w.spoken, 3, top=40)
    cut = made.cut()
    assert len(cut) > 1
    cut.save(folder / "concepts")
    again = type(cut).load(folder / "concepts")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        named = [cut.named("labels").names, cut.named("text").names]
    retrieved = [
        [cut.retrieve(k=5, by=by), cut.scores_of(by=by), cut.precision(5, by), cut.chance(5, by),
         cut.overlap(5, by), again.retrieve(w.spoken, 5, by)]
        for by in BY
    ]  # fmt: skip
    return [made.scores(draws=5), made.suggest(["gap", "compact", "stable"]), cut.vectors,
            cut.projections, cut.cosines, cut.distances, retrieved, cut.stability(10),
            cut.within, cut.between, cut.purity, named, again.vectors, cut.to_frame(),
            cut.to_altair().to_dict()["data"], cut._repr_html_(), made._repr_html_(),
            cut.refine().vectors]  # fmt: skip


def layer(w: SimpleNamespace, folder: Path) -> Any:
    made = nw.split_layer(w.acts, top=30, progress=False)
    made.save(folder / "layer")
    return [made.to_frame(), made.Z, made.index, made.split(2).cut().vectors, made._repr_html_(),
            nw.LayerSplit.load(folder / "layer").to_frame()]  # fmt: skip


def scored(w: SimpleNamespace, _: Path) -> Any:
    directions = nw.singular_directions(w.acts)
    batch = nw.Neurons.of(nw.split(w.acts, 2, top=30).cut())
    return [nw.scores(batch, draws=5), nw.label_entropy(w.acts, top=30), directions]


def ranged(w: SimpleNamespace, _: Path) -> Any:
    made = nw.ranges(w.acts)
    rules = ("gaussian", "quantile", "discriminative")
    return [made, made.to_frame(), [made.intervals("x", 1.5, rule) for rule in rules],
            [made.pieces(3, "y", 1.0, rule) for rule in rules], made.overlap(3), made.densities,
            made._repr_html_()]  # fmt: skip


def salience(w: SimpleNamespace, _: Path) -> Any:
    plain = [nw.salient(w.acts, "x", method) for method in ("max", "probeless", "probe")]
    source: dict[str, Any] = {"model": w.net, "data": w.rows, "classes": ["x", "y", "z"]}
    told = [nw.salient(w.acts, "y", method, **source) for method in ("gradient", "integrated")]
    texts = nw.salient(w.spoken, "dogs", "integrated", model=w.gpt, tokenizer=w.tokenizer)
    return [*plain, *told, texts, nw.salient_overlap(w.acts)]


def masks(w: SimpleNamespace, _: Path) -> Any:
    ranges = nw.ranges(nw.capture(w.net, w.rows[:60], "1", labels=w.kinds[:60], **OPTIONS))
    reports = [
        nw.evaluate_masks(w.net, w.rows[60:], ranges, [0.5, 2.0], 4, labels=w.kinds[60:],
                          classes=["x", "y", "z"], replacement=replacement, resume=resume,
                          **OPTIONS)
        for replacement, resume in (("zero", True), ("mean", False), ("soft", True))
    ]  # fmt: skip
    return [[r.right, r.confidence, r.to_frame(resamples=20), r.resumed] for r in reports]


def perplexities(w: SimpleNamespace, _: Path) -> Any:
    seen = nw.capture(w.gpt, w.texts[:40], BLOCK, "last", w.labels[:40], w.tokenizer, **OPTIONS)
    report = nw.evaluate_masks(w.gpt, w.texts[40:], nw.ranges(seen), 1.0, 5, labels=w.labels[40:],
                               tokenizer=w.tokenizer, texts=w.texts[40:], language_model=w.speaker,
                               **OPTIONS)  # fmt: skip
    return [report.right, report.nats, report.tokens]


def edits(w: SimpleNamespace, folder: Path) -> Any:
    ranges, direction, x = nw.ranges(w.acts), np.arange(12.0), torch.from_numpy(w.rows[:7])
    found = []
    made = [
        nw.ablate(w.net, "1", direction),
        nw.steer(w.net, "1", torch.ones(12, device="cpu"), 2.0),
        nw.mask_range(w.net, ranges, "x", 1.0, top=3),
        nw.mask_range(w.net, ranges, "x", 1.0, top=9, replacement="soft"),
        nw.mask_neurons(w.net, ranges, "y", top=9, replacement="mean"),
    ]
    for i, edit in enumerate(made):
        with edit as applied:
            found.append(w.net(x).float())
            nw.save_intervention(applied, folder / f"edit{i}.json")
        loaded = nw.load_intervention(folder / f"edit{i}.json")
        with nw.applied(w.net, loaded):
            found.append(w.net(x).float())
    return found


def completed(w: SimpleNamespace, _: Path) -> Any:
    ranges = nw.ranges(w.spoken)
    with nw.mask_neurons(w.gpt, ranges, "dogs", 5) as edit:
        pass
    voices = {"base": None, "mask": edit}
    with warnings.catch_warnings():
        # transformers 5.24's new name for the cache.
        warnings.filterwarnings("ignore", ".*past_key_values", FutureWarning)
        return [*completing(w.speaker, w.tokenizer, "the cat", voices, tokens=6)]


def toys(w: SimpleNamespace, folder: Path) -> Any:
    shape: dict[str, Any] = {"features": 12, "dims": 6, "neurons": 16, "steps": 40, "batch": 64}
    runs = nw.toy.train([nw.toy.Config(**shape), nw.toy.Config(seed=1, **shape)])
    run = runs[0]
    run.save(folder / "run")
    return [run.W1, run.b, run.W2, run.A, run.loss, run.linear_loss, run.log, run.sorted(),
            run.sample(32), run.evaluate(64), run.at(1).W1, nw.toy.compare(runs).to_frame(),
            run._repr_html_(), nw.toy.Run.load(folder / "run").W1,
            nw.toy.calibrate(run.directions[:3], run.directions).matched]  # fmt: skip


def toy_model(w: SimpleNamespace, _: Path) -> Any:
    run = nw.toy.train(nw.toy.Config(features=12, dims=6, neurons=16, steps=9, batch=64))
    model = run.model()
    return nw.capture(model, run.sample(32)[0], "act", **OPTIONS)


def superposed(w: SimpleNamespace, _: Path) -> Any:
    made = nw.toy.superpose(nw.toy.TiedConfig(features=6, dims=2, steps=30))
    return [made.W, made.b, made.loss, repr(made)]


def explored(w: SimpleNamespace, _: Path) -> Any:
    found = []
    spoken = nw.capture(w.gpt, w.texts, BLOCK, tokenizer=w.tokenizer, labels=w.labels, **OPTIONS)
    for acts in (w.acts, spoken):
        # Nulls take a second; they are in `concepts`.
        explorer = nw.SplitExplorer(acts, 3)
        explorer.wait(60)
        assert explorer.status["state"] != "error", explorer.status
        found += [explorer.threshold, explorer.split.Z, explorer.concepts.vectors]
        explorer.close()
    ranges = nw.RangeExplorer(w.acts, neuron=3, model=w.net, data=w.rows, labels=w.kinds,
                              classes=["x", "y", "z"])  # fmt: skip
    ranges.wait(60)
    assert ranges.status["state"] != "error", ranges.status
    found += [ranges.interval, ranges.measure]
    ranges.close()
    return found


def lab(w: SimpleNamespace, _: Path) -> Any:
    shape: dict[str, Any] = {"features": 12, "dims": 6, "neurons": 16, "steps": 40, "batch": 64}
    made = nw.ToyLab([nw.toy.Config(**shape)])
    made.step(40)
    assert made.wait(30)
    assert made.status["state"] != "error", made.status
    opened = made.split(neuron=2, run=0)
    opened.wait(30)
    found = [made.runs[0].W1, made.runs[0].log, opened.split.Z, opened.threshold]
    made.close()
    return found


def bundled(w: SimpleNamespace, _: Path) -> Any:
    made = nw.datasets.fashion()
    acts = nw.capture(made.model, made.images[:20], made.layer, labels=made.labels[:20], **OPTIONS)
    return [acts, {p.dtype for p in made.model.parameters()},
            [p.is_inference() or p.is_meta for p in made.model.parameters()]]  # fmt: skip


JOBS: list[Callable[[SimpleNamespace, Path], Any]] = [
    capture_texts, capture_ids, capture_tokens, capture_images, capture_to_disk, collect,
    look, trees, splits,
    attribution, concepts, layer, scored, ranged, salience, masks, perplexities, edits, completed,
    toys, toy_model, superposed, explored, lab, bundled,
]  # fmt: skip
BY_A_MODEL = {
    capture_texts, capture_ids, capture_tokens, capture_images, capture_to_disk, collect,
    attribution, salience,
    masks, perplexities, edits, completed, toy_model, explored, bundled,
}  # fmt: skip
"""Whose numbers are a model's, which runs as the notebook has it."""


@pytest.fixture(scope="module")
def expected(
    world: SimpleNamespace, plain: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Any], Any]:
    """What a job gives when nothing is set."""
    done: dict[Any, Any] = {}

    def of(job: Any) -> Any:
        if job not in done:
            done[job] = plain(job(world, tmp_path_factory.mktemp("plain")))
        return done[job]

    return of


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.__name__)
def test_no_result_changes(
    world: SimpleNamespace, expected: Callable[[Any], Any], plain: Any, compare: Any,
    tmp_path: Path, job: Any, mode: Any,
) -> None:  # fmt: skip
    before = expected(job)
    with mode.enter():
        found = job(world, tmp_path)
    # Under autocast the user's model computes in bfloat16, and this package in float32.
    compare(plain(found), before, rough=mode.name == "autocast" and job in BY_A_MODEL)
