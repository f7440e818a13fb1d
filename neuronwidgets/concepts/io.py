"""Concepts on disk: arrays in safetensors, what they are in JSON."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuronwidgets.core.tensorfile import read_json, read_tensors, write_json, write_tensors

if TYPE_CHECKING:
    from neuronwidgets.concepts.concepts import Concepts

FORMAT = "neuronwidgets.concepts/1"
_ARRAYS = (
    "labels",
    "vectors",
    "nodes",
    "slots",
    "index",
    "activations",
    "direction",
    "top_vectors",
)


def save(concepts: Concepts, path: str | Path) -> Path:
    """Write `PATH.safetensors` and `PATH.json`. Returns the first."""
    stem = _stem(path)
    arrays = {name: getattr(concepts, name) for name in _ARRAYS}
    if concepts.moved is not None and concepts.left is not None:
        arrays |= {"moved": concepts.moved, "left": concepts.left}
    if concepts.mean is not None:
        arrays["mean"] = concepts.mean
    if concepts.points is not None:
        arrays["points"] = concepts.points
    about = {
        "format": FORMAT,
        "layer": concepts.layer,
        "neuron": concepts.neuron,
        # JSON has no infinity: null stands for a cut above everything.
        "threshold": concepts.threshold if math.isfinite(concepts.threshold) else None,
        "metric": concepts.metric,
        "first": concepts.first,
        "linkage": concepts.linkage,
        "names": list(concepts.names),
        "sizes": concepts.sizes.tolist(),
    }
    write_tensors(f"{stem}.safetensors", arrays, {"format": FORMAT})
    write_json(f"{stem}.json", about)
    return Path(f"{stem}.safetensors")


def load(path: str | Path) -> dict[str, Any]:
    """What `save` wrote, as the fields of `Concepts`.

    Raises:
        FileNotFoundError: one of the two files is missing.
        ValueError: they hold something else, or another version's format.
    """
    stem = _stem(path)
    about = read_json(f"{stem}.json", "Concepts.save", FORMAT)
    arrays, _ = read_tensors(f"{stem}.safetensors", "Concepts.save", FORMAT)
    return {
        **arrays,
        "layer": about["layer"],
        "neuron": about["neuron"],
        "threshold": math.inf if about["threshold"] is None else about["threshold"],
        "metric": about["metric"],
        "first": about.get("first", True),
        "linkage": about.get("linkage"),
        "names": tuple(about["names"]),
    }


def _stem(path: str | Path) -> Path:
    path = Path(path)
    return path.with_suffix("") if path.suffix in (".safetensors", ".json") else path
