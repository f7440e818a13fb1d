"""LiveProbe's session, without a widget and without a kernel."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

import neuronwidgets as nw
from neuronwidgets.effects.readings import SampleReader
from neuronwidgets.widgets.base.jobs import Steps, take
from neuronwidgets.widgets.base.screen import Screen
from neuronwidgets.widgets.live_probe.session import ProbeSession
from tests.widgets.live_probe.conftest import Bags, shown


class Recorded:
    """A screen that keeps the traits it gets."""

    def __init__(self) -> None:
        self.traits: dict[str, Any] = {}
        self.screen = Screen(self.put, lambda error: None, lambda: None)

    def put(self, traits: Mapping[str, Any]) -> None:
        self.traits |= traits


def run(steps: Steps) -> None:
    for step in steps:
        take(step)


def test_it_needs_neither_traitlets_nor_a_kernel() -> None:
    code = (
        "import sys, neuronwidgets.widgets.live_probe.session\n"
        "print({'traitlets', 'anywidget', 'ipywidgets', 'IPython'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.fixture
def session(bags: Bags, acts: nw.Activations, tokenizer: Any) -> tuple[ProbeSession, Recorded]:
    recorded = Recorded()
    reader = SampleReader(acts, bags, tokenizer=tokenizer)
    return ProbeSession(acts, reader, "text", 0, recorded.screen), recorded


def test_it_shows_what_is_in_its_boxes(session: tuple[ProbeSession, Recorded], bags: Bags) -> None:
    made, recorded = session
    made.boxes, made.comparing = ["the dog ran", "the cat ran"], True
    run(made.work())
    first, second = shown(recorded.traits)["slots"]
    assert first["segments"] == ["the", " dog", " ran"]
    assert first["peak"] == 1
    assert first["pooled"] == pytest.approx((4 + 0.1 + 0.1) / 3)
    assert second["pooled"] == pytest.approx(0.1)
    assert first["note"] == second["note"] == ""
    before = bags.passes
    made.boxes[1] = "dog"
    run(made.work())
    # The first box has not changed.
    assert bags.passes == before + 1
    assert shown(recorded.traits)["slots"][1]["pooled"] == pytest.approx(4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "The text is empty"),
        (" \n\t ", "only white space"),
        ("dog " * 400, "the first 12 tokens were read, the last 1,553 characters were not"),
    ],
)
def test_a_text_that_cannot_be_read_whole_says_so(
    session: tuple[ProbeSession, Recorded], text: str, words: str
) -> None:
    made, recorded = session
    made.boxes[0] = text
    run(made.work())
    (slot,) = shown(recorded.traits)["slots"]
    assert words in slot["note"]
    assert (slot["pooled"] is None) == (not text.strip())


def test_deletions_find_the_word(session: tuple[ProbeSession, Recorded]) -> None:
    made, recorded = session
    made.boxes[0] = "the dog ran"
    run(made.delete())
    found = recorded.traits["_deletions"]
    assert found["words"] == ["the", "dog", "ran"]
    assert int(np.argmax(found["drops"])) == 1
    assert found["drops"][1] == pytest.approx(4.2 / 3 - 0.1)
    assert found["random"][0] == pytest.approx(np.mean(found["drops"]))
    made.boxes[0] = "the dog ran a"
    run(made.work())
    assert made.deletions is None
    assert recorded.traits["_deletions"] == {}
    made.boxes[0] = ""
    with pytest.raises(ValueError, match="The text is empty"):
        run(made.delete())


def test_other_weights_than_the_captures_are_found(
    session: tuple[ProbeSession, Recorded], bags: Bags
) -> None:
    made, recorded = session
    row = int(made.acts.top(0, 1)[0])
    made.sample, made.boxes[0] = row, made.content_of(row)
    run(made.work())
    assert shown(recorded.traits)["slots"][0]["note"] == ""
    with torch.no_grad():
        bags.embed.weight *= 2
    made.reads = []
    run(made.work())
    assert "captured with other weights" in shown(recorded.traits)["slots"][0]["note"]
