"""Python still writes the golden messages that the front end's tests read."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from neuronwidgets.widgets.protocol.buffers import unpack

HERE = Path(__file__).parent
spec = importlib.util.spec_from_file_location("make_golden", HERE / "make_golden.py")
assert spec is not None
assert spec.loader is not None
golden = importlib.util.module_from_spec(spec)
spec.loader.exec_module(golden)


@pytest.fixture(scope="module")
def messages() -> dict[str, bytes]:
    made: dict[str, bytes] = golden.messages()
    return made


@pytest.mark.parametrize(
    "kind",
    [
        "tree",
        "evidence",
        "effects",
        "range",
        "examples",
        "readings",
        "questions",
        "table",
        "trees",
        "map",
        "match",
        "promoted",
    ],
)
@pytest.mark.parametrize("shown", ["image", "text"])
def test_messages(messages: dict[str, bytes], shown: str, kind: str) -> None:
    name = f"{shown}-{kind}"
    compare(name, messages[name])


def test_peaks_of_texts(messages: dict[str, bytes]) -> None:
    compare("text-peaks", messages["text-peaks"])


def compare(name: str, packed: bytes) -> None:
    now, about = unpack(packed)
    then, said = unpack((HERE / f"{name}.safetensors").read_bytes())
    assert now.keys() == then.keys()
    for key, array in then.items():
        assert now[key].dtype == array.dtype
        if key == "atlas":  # Pillow's compression is its own business
            continue
        np.testing.assert_allclose(now[key], array, rtol=1e-5, atol=1e-6)
    scores_now, scores_then = about.pop("scores", []), said.pop("scores", [])
    np.testing.assert_allclose(scores_now, scores_then)
    range_now, range_then = about.pop("range", [0]), said.pop("range", [0])
    np.testing.assert_allclose(range_now, range_then, rtol=1e-5)
    for name in ("suggested", "scale", "shared", "chance"):
        assert about.pop(name, 0) == pytest.approx(said.pop(name, 0))
    assert about == said


def test_truth() -> None:
    messages, said = golden.truths()
    for name, packed in messages.items():
        compare(name, packed)
    then = json.loads((HERE / "recovery.json").read_text("utf-8"))
    for one, other in zip(
        [*said["cuts"], said["refined"]], [*then["cuts"], then["refined"]], strict=True
    ):
        for key, value in other.items():
            assert one[key] == pytest.approx(value), key
    for one, other in zip(said["assignments"], then["assignments"], strict=True):
        assert one["score"] == other["score"]
        assert one["sum"] == pytest.approx(other["sum"])


def test_answer_sheets() -> None:
    then = json.loads((HERE / "intruder.json").read_text("utf-8"))
    now = json.loads(json.dumps(golden.intruder()))
    np.testing.assert_allclose(now.pop("intervals"), then.pop("intervals"))
    for sheets in (now["sheets"], then["sheets"]):
        thresholds = [sheet.pop("threshold") for sheet in sheets.values()]
        assert thresholds == pytest.approx([thresholds[0]] * 2)
    assert now == then


def test_cuts() -> None:
    then = json.loads((HERE / "cuts.json").read_text("utf-8"))
    now = json.loads(json.dumps(golden.cuts()))
    assert now["names"] == then["names"]
    for one, other in zip(now["cuts"], then["cuts"], strict=True):
        assert one.pop("threshold") == pytest.approx(other.pop("threshold"))
        assert one == other


def test_rename() -> None:
    then = json.loads((HERE / "rename.json").read_text("utf-8"))
    now = json.loads(json.dumps(golden.rename()))
    assert now["merge"] == then["merge"]
    np.testing.assert_allclose(now["height"], then["height"])
    for one, other in zip(now["steps"], then["steps"], strict=True):
        assert one.pop("threshold") == pytest.approx(other.pop("threshold"))
        assert one == other


def test_overlap() -> None:
    then = json.loads((HERE / "overlap.json").read_text("utf-8"))
    np.testing.assert_allclose(golden.overlap(), then, atol=1e-5)


def test_intervals() -> None:
    then = json.loads((HERE / "intervals.json").read_text("utf-8"))
    for one, other in zip(golden.intervals(), then, strict=True):
        ends = [[np.nan if x is None else x for x in p] for p in (*one.pop("pieces"), [0, 0])]
        said = [[np.nan if x is None else x for x in p] for p in (*other.pop("pieces"), [0, 0])]
        np.testing.assert_allclose(ends, said, rtol=1e-9)
        assert one == other
