"""`import neuronwidgets`: quick, light, and every public name is there."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import neuronwidgets as nw

MODULES = ("datasets", "toy", "workshop")
"""Rooms whose names are public."""
HEAVY = ("torch", "transformers", "anywidget", "ipywidgets", "scipy", "sklearn", "pandas", "altair")


def in_a_fresh_process(code: str) -> object:
    done = subprocess.run(
        [sys.executable, "-c", f"import json, sys, time\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_the_import_takes_well_under_a_second_and_no_torch() -> None:
    code = (
        "begin = time.perf_counter()\nimport neuronwidgets\n"
        "print(json.dumps([time.perf_counter() - begin, sorted(sys.modules)]))"
    )
    runs = [in_a_fresh_process(code) for _ in range(5)]
    assert min(seconds for seconds, _ in runs) <= 0.3
    assert not set(HEAVY) & set(runs[0][1])


@pytest.mark.parametrize("name", nw.__all__)
def test_every_public_name_is_there(name: str) -> None:
    value = getattr(nw, name)
    assert isinstance(value, ModuleType) == (name in MODULES)
    assert getattr(value, "__name__", name).split(".")[-1] == name


def test_dir_is_what_is_public() -> None:
    assert sorted([*dir(nw), "__version__"]) == sorted(nw.__all__)
    assert {"Activations", "capture", "split", "linkage", "layers"} <= set(dir(nw))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="No neuronwidgets attribute splitt"):
        _ = nw.splitt
    with pytest.raises(ImportError):
        exec("from neuronwidgets import splitt")


@pytest.mark.parametrize("name", [name for name in nw.__all__ if name not in MODULES])
def test_no_room_has_the_name_of_something_public(name: str) -> None:
    assert importlib.util.find_spec(f"neuronwidgets.{name}") is None


def test_the_citation_names_the_version() -> None:
    citation = (Path(__file__).parents[2] / "CITATION.cff").read_text("utf-8")
    assert re.findall(r"^version: (.+)$", citation, re.M) == [nw.__version__]


def test_the_stub_and_the_version_are_what_users_get() -> None:
    assert nw.__version__.count(".") == 2
    assert nw.capture.__module__ == "neuronwidgets.capturing.capture"


@pytest.mark.parametrize("name", ["METHODS", "Clustering", "TopSamples"])
def test_what_docs_once_imported_from_a_room_still_works(name: str) -> None:
    from neuronwidgets import concepts

    with pytest.warns(DeprecationWarning, match=f"use neuronwidgets.{name}"):
        former = getattr(concepts, name)
    assert former is getattr(nw, name)
