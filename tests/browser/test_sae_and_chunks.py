"""Features of an autoencoder on the cards, and chunks and a template under a typed text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.test_split_more import NAMELESS, UNSPOKEN

FEATURES = """
import numpy as np, torch, neuronwidgets as nw
rng = np.random.default_rng(0)
basis = np.linalg.qr(rng.normal(size=(12, 12)))[0]
kind = rng.integers(0, 5, 400)
values = basis[kind] * rng.uniform(3, 5, (400, 1)) + rng.normal(0, 0.1, (400, 12))
acts = nw.Activations.from_arrays(values.astype("f4"), labels=[f"f{k}" for k in kind])
rows = np.concatenate([basis[2:5], basis[:1] + basis[1:2]]).astype("f4")
sae = nw.SAE(rows.T, rows, np.zeros(12, "f4"), np.full(4, -2.0, "f4"))
split = acts, basis[:3].sum(axis=0), 60
heights = {s.concepts: s.threshold for s in nw.split(*split).suggest()}
explorer = nw.SplitExplorer(*split, threshold=heights[3], sae=sae)
explorer
"""
CHUNKS = """
from tests.widgets.live_probe.conftest import Bags, TEXTS, WORDS
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
words = Tokenizer(models.WordLevel({w: i for i, w in enumerate(["[PAD]", "[UNK]", *WORDS])},
                                   "[UNK]"))
words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
words = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]")
bags = Bags(words).eval()
tokens = nw.capture(bags, TEXTS, "act", "token", tokenizer=words, progress=False)
chunks = nw.chunk_dictionary(tokens, 8, n_init=1)
template = nw.template(tokens, np.flatnonzero(tokens.values.argmax(axis=1) == 6)[:4], draws=2)
probe = nw.LiveProbe(tokens, bags, 0, tokenizer=words, chunks=chunks, template=template)
probe
"""


@pytest.fixture(scope="module")
def opened(lab: Any) -> Iterator[Any]:
    root = Path(__file__).parents[2]
    first = f"import sys; sys.path.insert(0, {str(root)!r})"
    notebook = lab.notebook("sae", [f"{first}\n{FEATURES}", CHUNKS], 1300, 1100)
    notebook.run_all()
    yield notebook
    notebook.close()


def test_a_feature_lights_its_samples_and_follows_the_cut(opened: Any, shots: Path) -> None:
    frame = opened.frame()
    lines = frame.locator(".nw-sae")
    expect(lines).to_have_count(3)
    cut = "nw.match_features(explorer.concepts, sae)"
    aurocs = "*(f'{x:.2f}' for x in m.held_out.astype('f4'))"
    best = opened.python(f"m = {cut}; print(*m.best, {aurocs})").split()
    for line, feature, auroc in zip(lines.all(), best[:3], best[3:], strict=True):
        expect(line).to_contain_text(f"SAE feature {feature} · AUROC {auroc}")
        expect(line).to_contain_text("(random directions")
    # Feature 3 is active on the samples of two concepts.
    shared = lines.filter(has_text="SAE feature 3 ·")
    expect(shared).to_have_count(2)
    expect(shared.first).to_contain_text("its feature also covers concept")
    # Later evidence would move the card away from under the pointer.
    assert opened.python("print(explorer.wait(60))") == "True"
    button = shared.first.get_by_role("button").first
    button.hover()
    active = "set(split[0].top(split[1], 60)[m.strength(3) > 0].tolist())"
    opened.follows(f"set(explorer.lit) == {active}", "True")
    button.click()
    opened.follows(f"set(explorer.selection) == {active}", "True")
    frame.screenshot(path=shots / "sae.png")
    for look in (UNSPOKEN, NAMELESS):
        found = frame.evaluate(look)
        assert (found[1] if look is UNSPOKEN else found) == []
    # Two concepts, of which one is new.
    opened.python("explorer.threshold = heights[2]")
    expect(lines).to_have_count(2)


def test_chunks_and_hits_follow_what_is_typed_and_the_tolerance(opened: Any, shots: Path) -> None:
    frame = opened.frame(1)
    frame.locator("textarea").fill("moon the dog the")
    shown = frame.locator(".nw-tokens [role=option]")
    expect(shown).to_have_count(4)
    own = opened.python(
        "at = {w: int(chunks.assignment[tokens.values.argmax(axis=1) == i][0])"
        " for i, w in enumerate(WORDS) if (tokens.values.argmax(axis=1) == i).any()};"
        "print(*(at[w] for w in 'moon the dog the'.split()))"
    ).split()
    for place, chunk in enumerate(own):
        expect(shown.nth(place)).to_have_attribute("data-chunk", chunk)
    expect(frame.locator(".nw-chunk-key")).to_contain_text("3 chunks of 8")
    expect(frame.locator(".nw-token-hit")).to_have_text(["the", "the"])
    counts = frame.locator(".nw-template-counts")
    expect(counts).to_contain_text("2 of 4 tokens here")
    frame.screenshot(path=shots / "chunks.png")
    assert frame.evaluate(NAMELESS) == []
    slider = frame.get_by_label("tolerance of the template")
    slider.focus()
    slider.press("Home")
    opened.follows("probe.tolerance == template.tolerances[0]", "True")
    row = opened.python("r = template.to_frame().iloc[0]; print(int(r.hits), int(r.neurons))")
    hits, neurons = row.split()
    expect(counts).to_contain_text(f"{hits} of ")
    expect(counts).to_contain_text(f"{neurons} of 8 neurons")
    # The kernel's tolerance moves the slider, too.
    opened.python("probe.tolerance = template.tolerances[-1]")
    expect(slider).to_have_value(str(int(opened.python("print(len(template.tolerances) - 1)"))))
