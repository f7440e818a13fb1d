"""Write the golden messages that the tests of both languages read.

    python tests/protocol/make_golden.py

Run it when the protocol changes, and look at the difference before committing it.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

import neuronwidgets as nw
from neuronwidgets.activations.samples import Samples
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.name_scores.binomial import exact_interval
from neuronwidgets.concepts.refine import refine
from neuronwidgets.core.steps import drained
from neuronwidgets.effects.readings import Reading
from neuronwidgets.intervals.rules import RULES
from neuronwidgets.overviews.search import Query
from neuronwidgets.toy import Calibration
from neuronwidgets.widgets.base.feed import Feed
from neuronwidgets.widgets.base.jobs import take
from neuronwidgets.widgets.base.screen import Screen
from neuronwidgets.widgets.intruder_test.question_sheet import QuestionSheet
from neuronwidgets.widgets.live_probe.picture import pack_readings
from neuronwidgets.widgets.live_probe.states import TokenStates
from neuronwidgets.widgets.live_probe.subject import Subject
from neuronwidgets.widgets.neuron_browser.promoted import Promoted
from neuronwidgets.widgets.neuron_browser.session import BrowserSession
from neuronwidgets.widgets.range_explorer.picture import Pictures
from neuronwidgets.widgets.split_explorer.causes import Causes, Measured
from neuronwidgets.widgets.split_explorer.evidence import Evidence
from neuronwidgets.widgets.split_explorer.model_use import ModelUse
from neuronwidgets.widgets.split_explorer.promoted import Strip, Strips
from neuronwidgets.widgets.split_explorer.retrieved import READINGS
from neuronwidgets.widgets.split_explorer.sae import FeatureOf, SAEFeatures, SAEMatch
from neuronwidgets.widgets.split_explorer.truth import Truth

HERE = Path(__file__).parent


def activations(kind: str) -> nw.Activations:
    """Sixty samples in three groups of unequal size, of which two samples are twins."""
    rng = np.random.default_rng(7)
    group = np.repeat([0, 1, 2], [30, 18, 12])
    values = rng.normal(0, 0.5, (60, 6))
    values[np.arange(60), 1 + group] += 3
    values[:, 0] += 4
    values[5] = values[6]
    labels = np.array(["dog", "köln 🙂", "<b>"])[group]
    if kind == "image":
        return nw.Activations.from_arrays(
            values, rng.integers(0, 255, (60, 5, 4), dtype=np.uint8), labels, layer="layer.1"
        )
    texts = [f"the {name} 🙂 {i}" for i, name in enumerate(labels)]
    spans = [np.array([[0, 3], [3, 4 + len(name)]], np.int32) for name in labels]

    def tokens(rows: object, direction: object) -> list[np.ndarray]:
        return [np.array([0.25, 2.0], np.float32) for _ in rows]  # type: ignore[attr-defined]

    made = nw.Activations.from_arrays(values, labels=labels, layer="layer.2")
    return nw.Activations(
        made.layer,
        made.values,
        Samples(60, texts=texts, spans=spans),
        made.labels,
        made.label_names,
        "max",
        tokens,
    )


def evidence(kind: str) -> tuple[Evidence, list[int]]:
    made = nw.split(activations(kind), 0, top=60, distinct=None)
    proof = Evidence(made)
    nodes = [int(n) for n in made.cut().nodes]
    proof.want_spread(None)
    proof.want_spread(nodes[0])
    for step in proof.steps(nodes, lambda: None):
        take(step)
    return proof, nodes


def messages() -> dict[str, bytes]:
    out = {}
    for kind in ("image", "text"):
        proof, _ = evidence(kind)
        out[f"{kind}-tree"] = proof.pack_tree()
        out[f"{kind}-evidence"] = proof.pack_evidence()
        out[f"{kind}-effects"] = effects(kind)
        out[f"{kind}-range"] = pictures(kind).pack(1)
        out[f"{kind}-examples"] = pictures(kind).pack_examples(1, 0)
        out[f"{kind}-readings"] = readings(kind)
        if kind == "text":
            out[f"{kind}-states"] = readings(kind, states=True)
            out[f"{kind}-sae"] = features(kind)
        out[f"{kind}-questions"] = question_sheet(kind).pack()
        out |= {f"{kind}-{name}": packed for name, packed in browsed(kind).items()}
    return out


def question_sheet(kind: str) -> QuestionSheet:
    """Five questions about three concepts, and two of random groups."""
    made = nw.split(activations(kind), 0, top=60, distinct=None)
    return QuestionSheet.of(made.cut(made.tree.top * 0.6), 5, 2, "siblings", 1)


def intruder() -> dict[str, object]:
    """Answer sheets and exact intervals: both languages must agree."""
    answers = [1, 5, 3, 2, 4, 1]
    counts = (1, 2, 5, 20, 33, 400)
    return {
        "answers": answers,
        "sheets": {
            kind: question_sheet(kind).answered("Ana 🙂", answers) for kind in ("image", "text")
        },
        "intervals": [
            [right, count, *exact_interval(right, count)]
            for count in counts
            for right in sorted({0, 1, count // 3, count // 2, count - 1, count})
        ],
    }


def effects(kind: str) -> bytes:
    """Evidence with what two vectors promote and demote: tokens, or classes."""
    proof, nodes = evidence(kind)
    strips = Strips("token" if kind == "text" else "class", "logit", 0.75)
    strips.names = {3: " the", 7: "köln 🙂", 9: "\n", 12: "<b>"}
    strips.of = {
        -1: Strip(np.array([[9, 3], [7, 12]]), np.array([[2.5, 1], [-0.5, -0.25]]), float("nan")),
        nodes[0]: Strip(
            np.array([[7, 9], [3, 12]]), np.array([[0.5, 0.25], [-0.75, 0]]), 0.875, 1.5
        ),
    }
    proof.promoted.strips = strips
    use = ModelUse(None, ([], None))
    proof.causes = Causes(proof.split, use)
    steps = [np.arange(count, dtype=float) / 4 for count in (54, 6, 6, 3)]
    measured = Measured(
        steps[0].reshape(2, 3, 3, 3), steps[1].reshape(2, 3), steps[2].reshape(2, 3), steps[3],
        ("One does as much as <b>random</b>.",), 50,
    )  # fmt: skip
    proof.causes.known = {
        (tuple(nodes[:2]), None): measured,
        ((nodes[0],), None): Measured.failed(1, "no labels"),
    }  # fmt: skip
    return proof.pack_evidence()


def features(kind: str) -> bytes:
    """Features beside two concepts, and beside all samples."""
    proof, nodes = evidence(kind)
    sae = SAEMatch(proof.split, SAEFeatures(values=np.zeros((60, 4))))
    active = np.arange(4 * 60).reshape(4, 60) % 7 == 0
    none = np.full(3, np.nan)
    sae.of = {
        nodes[0]: FeatureOf(3, np.array([0.875, 0.5, 0.625]), np.array([3, 1]),
                            np.array([0.75, 0.25]), 2, np.array([0.75, 0.5]), active),
        nodes[1]: FeatureOf(0, none, np.arange(12), none[:2], -1, none[:2], ~active),
        2 * 60 - 2: FeatureOf(-1, none, np.zeros(0, int), none[:2], -1, none[:2], active[:2]),
    }  # fmt: skip
    return sae.pack()


def readings(kind: str, states: bool = False) -> bytes:
    """A text, or an image with a map of four positions, beside an empty box; with `states`, a text
    twice, beside chunks and a template with two tolerances."""
    subject = Subject.of(activations(kind), 0, None)
    text = "the köln 🙂" if kind == "text" else ""
    spans = np.array([[0, 0], [0, 3], [3, 8], [9, 10], [9, 10]], np.int32)[: 5 if text else 0]
    positions, count = 5, len(subject.concepts or ())
    steps = np.arange(positions * count, dtype=np.float32).reshape(positions, count)
    counts = np.arange(positions) > 0
    values = np.array([9, 0.5, 2, 0.25, 0.75], np.float32)
    tokens = tuple(text[start:end] for start, end in spans.tolist())
    reading = Reading(
        text, tokens, spans, values, steps / 8, counts, 2, 1.5, steps[1], steps[2] / 4
    )
    about = {"kind": kind, "layer": "layer.2", "neurons": 6, "pooling": "max", "most": 2.5,
             "ink": False}  # fmt: skip
    if states:
        hit = np.array([[0, 0], [0, 1], [0, 0], [1, 1], [1, 1]], bool)
        cosine = np.array([1, 0.5, 0.75, 0.25, 0], np.float32)
        tokens_beside = TokenStates(np.array([0, 2, 2, 1, -1]), cosine, hit)
        both = [tokens_beside, TokenStates(np.array([1, 0, 3, 3, 3]), cosine / 2, ~hit)]
        return pack_readings([(reading, text, "")] * 2, subject, about, both)
    return pack_readings([(reading, text, ""), (None, "", "nothing")], subject, about)


def browsed(kind: str) -> dict[str, bytes]:
    """The messages of a browser after a search by name."""
    acts, traits = activations(kind), dict[str, Any]()
    screen = Screen(traits.update, lambda error: None, lambda: None)
    splitting = {"top": 20, "scores": ("active", "label_entropy")}
    session = BrowserSession(Feed(acts), acts, screen, splitting=splitting)
    session.look([3, 0])
    for step in session.search(Query("name", "dog")):
        take(step)
    names = ("table", "trees", "map", "match", *(("peaks",) if kind == "text" else ()))
    return {**{name: traits[f"_{name}"] for name in names}, "promoted": promoted(kind)}


def promoted(kind: str) -> bytes:
    """What six neurons promote, of which the last is not known yet, and a side has two outputs."""
    made = Promoted(np.arange(6), SimpleNamespace())
    made.outputs[:5, :, :2] = np.arange(20).reshape(5, 2, 2) % 4
    made.effects[:5, :, :2] = np.array([[2, 1], [-0.5, -0.25]]) * np.arange(1, 6)[:, None, None]
    names = ["dog", "köln 🙂", "<b>", "\n"]
    lens: Any = SimpleNamespace(
        lens="logit" if kind == "text" else "jacobian", samples=0 if kind == "text" else 64,
        kind="token" if kind == "text" else "class", high=3.0, poles=kind == "text",
        names=lambda outputs: [names[i] for i in outputs],
    )  # fmt: skip
    return made.packed(lens)


TRUTH_NAMES = ["cat", "dog", "köln 🙂", "<b>", "half", "elsewhere"]


def known() -> Truth:
    """Four directions of the groups and near them, one between two, one that does not drive."""
    rows = np.array([
        [4, 3, 0, 0, 0.2, 0], [4, 0, 3, 0, 0, 0.4], [2, 0.3, 0, 1.5, 0, 0], [3, 0, 2, 0.5, 0, 0],
        [1, 0.3, 0.3, 0, 0, 0], [0.3, 0, 0, 0, 5, 0],
    ])  # fmt: skip
    return Truth.of(rows, TRUTH_NAMES, 6)


def truths() -> tuple[dict[str, bytes], dict[str, object]]:
    """The messages with known features, and what Python's calibration says of each cut."""
    made, truth = nw.split(activations("image"), 0, top=60, distinct=None), known()
    proof = Evidence(made, truth)

    def said(concepts: Concepts) -> dict[str, object]:
        found = truth.calibration(concepts)
        hit = found.true[found.matched >= found.threshold]
        return {
            "threshold": float(concepts.threshold),
            "nearest": found.cosines.argmax(axis=1).tolist(),
            "cosine": found.cosines.max(axis=1, initial=-1).tolist(),
            "found": found.found.tolist(), "true": found.true.tolist(),
            "recovered": found.recovered, "missed": sorted({*range(5)} - set(hit.tolist())),
            "median": float(np.median(found.matched)) if len(found.matched) else None,
        }  # fmt: skip

    concepts = made.cut(made.tree.top * 0.2).refine(outlier=4)
    done = refine(made, concepts.threshold, outlier=4)
    found = drained(proof.retrieval.of(concepts.groups))
    marks = np.where(done.reassigned, 1, np.where(done.outlier, 2, 0))
    packed = proof.pack_refinement(
        concepts.assignment, marks, concepts.nodes, found, concepts.threshold, concepts.vectors
    )
    cuts = [said(made.cut(share * made.tree.top)) for share in np.linspace(0, 1.05, 41)]
    rng = np.random.default_rng(3)
    assignments = []
    for rows, columns in ((1, 1), (1, 4), (4, 1), (3, 3), (5, 8), (8, 5), (30, 30), (12, 40)):
        for whole in (False, True):
            score = rng.normal(size=(rows, columns)).round(0 if whole else 6)
            best = Calibration.of(score)
            assignments.append({
                "score": score.tolist(), "sum": float(best.matched.sum()),
                "found": best.found.tolist(), "true": best.true.tolist(), "ties": whole,
            })  # fmt: skip
    messages = {"truth-tree": proof.pack_tree(), "truth-refinement": packed}
    return messages, {"cuts": cuts, "refined": said(concepts), "assignments": assignments}


def pictures(kind: str) -> Pictures:
    acts = activations(kind)
    return Pictures(acts, nw.ranges(acts), ("#4477AA",) * 3, "label")


def intervals() -> list[dict[str, object]]:
    """Each rule's pieces, and how many samples of each label lie inside: both must agree."""
    acts = activations("image")
    assert acts.labels is not None
    found = nw.ranges(acts).of_neuron(1)
    # Compared as the view does, in float64; NumPy 1 would round the edges to float32.
    values = acts.values[:, 1].astype(np.float32).astype(np.float64)
    rows: list[dict[str, object]] = []
    for label in range(3):
        for rule in RULES:
            for tau in (0.0, 0.3, 1.0, 1.6, 2.0, 3.1, 4.0):
                pieces = found.pieces(0, label, tau, rule)
                inside = np.zeros(len(values), bool)
                for low, high in pieces:
                    inside |= (values >= low) & (values <= high)
                ends = [[x if np.isfinite(x) else None for x in piece] for piece in pieces.tolist()]
                counts = np.bincount(acts.labels[inside], minlength=3).tolist()
                rows.append({"label": label, "rule": rule, "tau": tau, "pieces": ends,
                             "inside": counts})  # fmt: skip
    return rows


def overlap() -> list[list[float]]:
    """How much of each two labels' distributions coincides."""
    found: list[list[float]] = nw.ranges(activations("image")).overlap(1).round(6).tolist()
    return found


def retrieved(concepts: Concepts, by: str) -> list[float | None]:
    precision = concepts.precision(by=by) if len(concepts) else np.zeros(0)
    return [None if np.isnan(value) else round(float(value), 6) for value in precision]


def shared(concepts: Concepts, by: str) -> list[float]:
    """Of what each concept retrieves, the share that another one retrieves too."""
    rows = concepts.retrieve(by=by) if len(concepts) else np.zeros((0, 20), np.int64)
    every, counts = np.unique(rows, return_counts=True)
    often = every[counts > 1]
    return [round(float(np.isin(row, often).mean()), 6) for row in rows]


def cuts() -> dict[str, object]:
    """What the tree says at many thresholds, with and without names: both languages must agree."""
    made = nw.split(activations("image"), 0, top=60, distinct=None)
    tree = made.tree
    coarse = made.cut(tree.top * 0.6)
    fine = made.cut(tree.top * 0.2)
    names = {
        int(coarse.nodes[0]): "coarse",
        int(fine.nodes[-1]): "fine",
        int(2 * tree.n - 2): "all",
    }
    rows = []
    for share in np.linspace(0, 1.05, 41):
        threshold = float(share * tree.top)
        plain, named = Concepts.at(made, threshold), Concepts.at(made, threshold, names)
        rows.append({
            "threshold": threshold, "nodes": plain.nodes.tolist(),
            "labels": plain.assignment.tolist(),
            "names": list(plain.names), "slots": plain.slots.tolist(),
            "named": list(named.names), "namedSlots": named.slots.tolist(),
            "precision": {by: retrieved(plain, by) for by in READINGS},
            "shared": {by: shared(plain, by) for by in READINGS},
        })  # fmt: skip
    return {"names": {str(k): v for k, v in names.items()}, "cuts": rows}


def rename() -> dict[str, object]:
    """Names after the user has named concepts at several cuts: both languages must agree."""
    explorer = nw.SplitExplorer(activations("image"), 0, top=50)
    tree = explorer.split.tree
    rng = np.random.default_rng(11)
    steps: list[dict[str, object]] = []
    while len(steps) < 60:
        explorer.threshold = float(rng.uniform(0.15, 1.05) * tree.top)
        nodes = explorer.concepts.nodes.tolist()
        if not nodes:
            continue
        concept = int(rng.integers(len(nodes)))
        # Every fifth name is taken back.
        name = f" name {len(steps)} " if len(steps) % 5 else " "
        explorer.rename(concept, name)
        steps.append({
            "threshold": explorer.threshold, "nodes": nodes, "node": nodes[concept], "name": name,
            "names": dict(explorer.names), "shown": list(explorer.concepts.names),
        })  # fmt: skip
    explorer.close()
    return {"merge": tree.children.ravel().tolist(), "height": tree.height[tree.n :].tolist(),
            "steps": steps}  # fmt: skip


if __name__ == "__main__":
    with_truth, recovery = truths()
    for name, data in {**messages(), **with_truth}.items():
        (HERE / f"{name}.safetensors").write_bytes(data)
    for name, made in (("cuts", cuts()), ("intervals", intervals()), ("overlap", overlap()),
                       ("recovery", recovery), ("rename", rename()),
                       ("intruder", intruder())):  # fmt: skip
        text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
        (HERE / f"{name}.json").write_text(text, "utf-8")
