"""Python still writes the golden messages that the front end's tests read."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from neuronwidgets.widgets._protocol import unpack

HERE = Path(__file__).parent
spec = importlib.util.spec_from_file_location("make_golden", HERE / "make_golden.py")
assert spec is not None
assert spec.loader is not None
golden = importlib.util.module_from_spec(spec)
spec.loader.exec_module(golden)


@pytest.mark.parametrize("name", ["image-tree", "image-evidence", "text-tree", "text-evidence"])
def test_messages(name: str) -> None:
    now, about = unpack(golden.messages()[name])
    then, said = unpack((HERE / f"{name}.safetensors").read_bytes())
    assert now.keys() == then.keys()
    for key, array in then.items():
        assert now[key].dtype == array.dtype
        if key == "atlas":  # Pillow's compression is its own business
            continue
        np.testing.assert_allclose(now[key], array, rtol=1e-5, atol=1e-6)
    range_now, range_then = about.pop("range", [0]), said.pop("range", [0])
    np.testing.assert_allclose(range_now, range_then, rtol=1e-5)
    assert about.pop("suggested", 0) == pytest.approx(said.pop("suggested", 0))
    assert about == said


def test_cuts() -> None:
    then = json.loads((HERE / "cuts.json").read_text("utf-8"))
    now = json.loads(json.dumps(golden.cuts()))
    assert now["names"] == then["names"]
    for one, other in zip(now["cuts"], then["cuts"], strict=True):
        assert one.pop("threshold") == pytest.approx(other.pop("threshold"))
        assert one == other
