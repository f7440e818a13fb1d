"""The schema's generated files are up to date, and its requests are those of the widgets."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from torch import nn

import neuronwidgets as nw
from neuronwidgets.intervals.rules import RULES
from neuronwidgets.toy import Config
from neuronwidgets.widgets.protocol import generate, ranges, schema, split, toy
from neuronwidgets.widgets.protocol.reading import CaptureCancel
from neuronwidgets.widgets.split_explorer.retrieved import READINGS

SCHEMAS = {widget.name: widget for widget in schema.WIDGETS}
ACTS = nw.Activations.from_arrays(
    np.random.default_rng(0).normal(size=(40, 5)), labels=["a", "b"] * 20
)


GENERATED = generate.generated()


@pytest.mark.parametrize("path", GENERATED, ids=str)
def test_generated_files_are_up_to_date(path: Path) -> None:
    now = (generate.ROOT / path).read_text("utf-8")
    assert now == GENERATED[path], (
        f"{path} is out of date: run python -m neuronwidgets.widgets.protocol.generate."
    )


def test_the_schema_folder_has_no_other_file() -> None:
    folder = generate.SOURCES / "schema"
    paths = {path for path in GENERATED if path.parent == folder}
    assert {folder / path.name for path in (generate.ROOT / folder).iterdir()} == paths


def test_one_kind_of_request_means_one_thing() -> None:
    meaning: dict[str | None, Any] = {}
    for widget in schema.WIDGETS:
        for request in widget.requests:
            assert meaning.setdefault(schema.kind_of(request), request) is request


def opened(name: str) -> Any:
    if name == "LiveProbe":
        images = np.random.default_rng(0).integers(0, 255, (40, 2, 2), dtype=np.uint8)
        model = nn.Sequential(nn.Flatten(), nn.Linear(4, 5))
        return nw.LiveProbe(nw.capture(model, images, "1", progress=False), model)
    if name == "IntruderTest":
        texts = [f"text {i}" for i in range(40)]
        acts = nw.Activations.from_arrays(ACTS.values, samples=texts)
        concepts = nw.split(acts, 0, top=20).cut(1e9)
        return nw.IntruderTest(concepts, 2, 0, others="dataset")
    return nw.explore(ACTS) if name == "Explorer" else getattr(nw, name)(ACTS)


@pytest.mark.parametrize("name", SCHEMAS)
def test_widgets_answer_the_requests_of_the_schema(name: str) -> None:
    made = nw.ToyLab() if name == "ToyLab" else opened(name)
    wanted = {schema.kind_of(request) for request in SCHEMAS[name].requests}
    # Only on a capture that runs.
    assert set(made._messages()) == wanted - {schema.kind_of(CaptureCancel)}
    made.close()


def test_words_that_python_has_elsewhere() -> None:
    assert get_args(split.By) == READINGS
    assert get_args(ranges.Rule) == RULES
    assert get_args(toy.Knob) == tuple(field.name for field in fields(Config))
    assert {name for name, *_ in schema.fields(toy.RunConfig)} == {*get_args(toy.Knob), "preset"}
