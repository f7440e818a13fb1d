"""The Python blocks of README.md and docs/ run, in order, those of a page in one namespace.

A reader brings a model and data of their own: `PRELUDES` brings small ones. A block that cannot
run here has `<!-- not run: REASON -->` on the line above it, which readers do not see.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import ipywidgets
import pytest

from neuronwidgets.concepts.methods.registry import METHODS
from neuronwidgets.concepts.scores import SCORES

ROOT = Path(__file__).parents[2]
PAGES = {"README.md": ROOT / "README.md"} | {
    page.relative_to(ROOT / "docs").as_posix(): page
    for page in sorted((ROOT / "docs").glob("*/*.md"))
    if page.parent.name != "reference"  # examples of docstrings
}
"""The README, and each page by its path below docs/."""

IMPORT = "import neuronwidgets as nw\n"
TOPICS = (
    IMPORT
    + """
topics = nw.datasets.topics()
model, tokenizer, layer = topics.model, topics.tokenizer, "transformer.h.3.mlp.act"
data, labels = topics.texts[:160], topics.labels[:160]
"""
)
ACTS = TOPICS + 'acts = nw.capture(model, data, layer, "max", labels, tokenizer)\n'
TOKENS = TOPICS + 'tokens = nw.capture(model, data[:60], layer, "token", tokenizer=tokenizer)\n'

PRELUDES = {
    "README.md#Widgets": TOPICS
    + """
acts = nw.capture(model, data, layer, "max", labels, tokenizer)
held_out_texts, held_out_labels = topics.texts[160:200], topics.labels[160:200]
""",
    "explanation/store.md": TOPICS
    + 'nw.capture(model, data, layer, "token", tokenizer=tokenizer, out="acts/")',
    "guide/browser.md": ACTS,
    "guide/capture.md": TOPICS,
    "guide/capture.md#The input of a layer": """
import torch
from transformers import LlamaConfig, LlamaForCausalLM
torch.manual_seed(0)
llama = LlamaForCausalLM(LlamaConfig(
    vocab_size=len(tokenizer), hidden_size=16, intermediate_size=24, num_hidden_layers=1,
    num_attention_heads=2, num_key_value_heads=2,
)).eval()
texts = data[:8]
""",
    "guide/causes.md": TOPICS
    + """
texts = data
held_out_texts, held_out_labels = topics.texts[160:190], topics.labels[160:190]
""",
    "guide/chunks.md": TOKENS,
    "guide/concepts.md": ACTS + "split = nw.split(acts, 3)",
    "guide/effects.md": ACTS + "lm, texts = topics.lm, list(topics.texts[:8])",
    "guide/explore.md": ACTS,
    "guide/graph.md": TOPICS + "texts = data\n",
    "guide/layer.md": ACTS,
    "guide/library.md": ACTS,
    "guide/linking.md": ACTS,
    "guide/linking.md#A filter of jupyter-scatter": """
class Scatter:
    def filter(self, rows): self.kept = rows
scatter = Scatter()
""",
    "guide/methods.md": """
import neuronwidgets as nw
import numpy as np, torch
torch.manual_seed(0)
model = torch.nn.Sequential()
model.add_module("low", torch.nn.Linear(6, 12))
model.add_module("act", torch.nn.ReLU())
model.add_module("high", torch.nn.Linear(12, 4))
data = torch.randn(200, 6)
acts = nw.capture(model, data, "high")
embeddings = np.random.default_rng(0).normal(size=(200, 5))
""",
    "guide/intruder-test.md": ACTS,
    "guide/naming.md": ACTS + "def my_model(samples): return f'{len(samples)} texts'",
    "guide/probes.md": ACTS,
    "guide/ranges.md": IMPORT,
    "guide/sae.md": TOKENS
    + """
import numpy as np
from safetensors.numpy import save_file
rows = np.random.default_rng(0).normal(size=(600, 512)).astype(np.float32) / 20
from pathlib import Path
Path("my_sae").mkdir()
save_file({"W_enc": rows.T.copy(), "W_dec": rows, "b_enc": np.zeros(600, np.float32),
           "b_dec": tokens.mean.astype(np.float32)}, "my_sae/sae_weights.safetensors")
Path("my_sae/cfg.json").write_text('{"architecture": "topk", "k": 16}')
""",
    "guide/scores.md": ACTS,
    "guide/split-explorer.md": ACTS,
    "guide/split-explorer.md#While the capture still runs": """
import torch
model, data = torch.nn.Sequential(), torch.randn(200, 6)
model.add_module("layer3", torch.nn.Linear(6, 12))
""",
    "guide/split-explorer.md#With known features": """
size = {"features": 16, "dims": 8, "neurons": 12, "batch": 64, "steps": 64}
(run,) = nw.toy.train([nw.toy.Config(**size)])
acts = nw.capture(run.model(), run.sample(200)[0], layer="act")
""",
    "guide/toy.md": """
import neuronwidgets as nw
size = {"features": 16, "dims": 8, "neurons": 12, "batch": 64, "steps": 64}
first, second = nw.toy.Config(**size), nw.toy.Config.negative_bias(**size)
""",
}


SMALL = {
    "README.md": {
        f"{call}(data.model, data.images, layer=data.layer, labels=data.labels)": (
            f"{call}(data.model, data.images[:1000], layer=data.layer, labels=data.labels[:1000])"
        )
        for call in ("nw.explore", "nw.capture")
    },
    "guide/live-probe.md": {
        "data.texts[:1000]": "data.texts[:200]",
        "data.texts[:100]": "data.texts[:40]",
    },
    "guide/ranges.md": {
        "slice(0, 1500), slice(1500, 2000)": "slice(0, 200), slice(200, 240)",
        "topics.texts[2000:2100]": "topics.texts[2000:2010]",
    },
}
"""What a page has -> what is run, unless `NEURONWIDGETS_BUDGET=full`."""


class Block(NamedTuple):
    heading: str
    line: int
    code: str
    reason: str | None


def blocks(page: Path) -> list[Block]:
    """All Python blocks of a page; `line` is how many lines come before the code."""
    text = page.read_text("utf-8")
    pattern = r"(?:<!-- not run: (?P<reason>.+?) -->\n)?^```python\n(?P<code>.*?)^```$"
    return [
        Block(
            re.findall(r"^#+ (.+)$", text[: found.start()], re.M)[-1],
            text.count("\n", 0, found.start("code")),
            found["code"],
            found["reason"],
        )
        for found in re.finditer(pattern, text, re.M | re.S)
    ]


@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if blocks(page)])
def test_blocks_run(
    name: str,
    small: Callable[[list[str], dict[str, str]], list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    registries = [(registry, dict(registry)) for registry in (METHODS, SCORES)]
    every = blocks(PAGES[name])
    code = small([block.code for block in every], SMALL.get(name, {}))
    space: dict[str, Any] = {"__name__": "__main__"}
    run(PRELUDES.get(name, ""), space, f"prelude of {name}")
    heading = ""
    try:
        for block, source in zip(every, code, strict=True):
            if block.heading != heading:
                heading = block.heading
                key = f"{name}#{heading}"
                run(PRELUDES.get(key, ""), space, f"prelude of {key}")
            if block.reason is None:
                # Blank lines before it, so that a traceback names the page's line.
                run("\n" * block.line + source, space, str(PAGES[name]))
    finally:
        ipywidgets.Widget.close_all()
        for registry, before in registries:
            registry.clear()
            registry.update(before)


def run(code: str, space: dict[str, Any], name: str) -> None:
    exec(compile(code, name, "exec"), space)


def test_few_blocks_are_not_run() -> None:
    assert {
        f"{name}#{block.heading}": block.reason
        for name, page in PAGES.items()
        for block in blocks(page)
        if block.reason is not None
    } == {
        "guide/capture.md#What data may be": "forms of data, shortened",
        "guide/many-machines.md#Capture on many machines": "needs a cluster",
        "guide/probes.md#Contributions, and control": (
            "the labels of this small sample may choose no neuron"
        ),
    }


def test_preludes_are_of_pages_and_headings() -> None:
    pages = {name: {block.heading for block in blocks(page)} for name, page in PAGES.items()}
    for key in [*PRELUDES, *SMALL]:
        name, _, heading = key.partition("#")
        assert not heading or heading in pages[name]
        assert pages[name]
