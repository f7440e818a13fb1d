"""`constraints.txt` has a version of everything that pyproject.toml asks for."""

from __future__ import annotations

from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FILE = Path(__file__).parents[2] / "constraints.txt"
RERUN = "run bash .ci/pin"


def test_every_requirement_is_pinned_within_its_bounds() -> None:
    lines = [line for line in FILE.read_text("utf-8").splitlines() if not line.startswith("#")]
    pinned: dict[str, list[str]] = {}
    for line in lines:
        pin = Requirement(line)
        (version,) = pin.specifier
        assert version.operator == "==", line
        pinned.setdefault(canonicalize_name(pin.name), []).append(version.version)
    asked = [Requirement(text) for text in requires("neuronwidgets") or ()]
    assert len(asked) > 20
    for one in asked:
        name = canonicalize_name(one.name)
        if name != "neuronwidgets":
            assert name in pinned, f"{name} is not in constraints.txt: {RERUN}"
            for version in pinned[name]:
                assert one.specifier.contains(version), f"{one}, but {version} is pinned: {RERUN}"
