"""Concepts on disk: arrays in safetensors, their description in JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.core.layer_place import At
from neuronwidgets.core.tensorfile import (
    read_json,
    read_tensors,
    stem_of,
    write_json,
    write_tensors,
)

if TYPE_CHECKING:
    from neuronwidgets.concepts.concepts import Concepts

FORMAT = "neuronwidgets.concepts/1"
_ARRAYS = {
    "labels": "assignment",
    "vectors": "vectors",
    "nodes": "nodes",
    "slots": "slots",
    "index": "index",
    "activations": "activations",
    "direction": "direction",
    "top_vectors": "top_vectors",
}
"""Array in the file -> attribute of `Concepts`."""


@dataclass(frozen=True, eq=False)
class SavedSplit:
    """The part of a split that a file of concepts keeps; the attributes are those of `Split`."""

    layer: str
    neuron: int | None
    index: np.ndarray
    activations: np.ndarray
    vectors: np.ndarray
    direction: np.ndarray
    metric: str = "euclidean"
    points: np.ndarray | None = None
    mean: np.ndarray | None = None
    first: bool = True
    linkage: str | None = None
    """`None` in files of earlier versions, as `mean` may be."""
    at: At = "output"
    band: tuple[float, float] | None = None
    quantiles: np.ndarray | None = None
    """`None` in files of earlier versions."""


def save(concepts: Concepts, path: str | Path) -> Path:
    """Write `PATH.safetensors` and `PATH.json`. Returns the first."""
    stem = stem_of(path)
    optional = {
        "moved": concepts.reassigned,
        "left": concepts.outlier,
        "mean": concepts.mean,
        "points": concepts.origin.points,
        "quantiles": concepts.origin.quantiles,
    }
    arrays = {name: getattr(concepts, attribute) for name, attribute in _ARRAYS.items()}
    arrays |= {name: array for name, array in optional.items() if array is not None}
    about = {
        "format": FORMAT,
        "layer": concepts.layer,
        "neuron": concepts.neuron,
        # JSON has no infinity: null stands for a cut above the whole tree.
        "threshold": concepts.threshold if math.isfinite(concepts.threshold) else None,
        "metric": concepts.metric,
        "first": concepts.first,
        "linkage": concepts.origin.linkage,
        "names": list(concepts.names),
        "sizes": concepts.sizes.tolist(),
        **({} if concepts.origin.at == "output" else {"at": concepts.origin.at}),
        **({} if concepts.origin.band is None else {"band": list(concepts.origin.band)}),
    }
    write_tensors(f"{stem}.safetensors", arrays, {"format": FORMAT})
    write_json(f"{stem}.json", about)
    return Path(f"{stem}.safetensors")


def load(path: str | Path) -> dict[str, Any]:
    """The fields of the `Concepts` that `save` wrote.

    Raises:
        FileNotFoundError: one of the two files is missing.
        ValueError: they hold something else, or another version's format.
    """
    stem = stem_of(path)
    about = read_json(f"{stem}.json", "Concepts.save", FORMAT)
    arrays, _ = read_tensors(f"{stem}.safetensors", "Concepts.save", FORMAT)
    return {
        "origin": SavedSplit(
            about["layer"],
            about["neuron"],
            arrays["index"],
            arrays["activations"],
            arrays["top_vectors"],
            arrays["direction"],
            about["metric"],
            arrays.get("points"),
            arrays.get("mean"),
            about.get("first", True),
            about.get("linkage"),
            about.get("at", "output"),
            tuple(about["band"]) if "band" in about else None,
            arrays.get("quantiles"),
        ),
        "threshold": math.inf if about["threshold"] is None else about["threshold"],
        "assignment": arrays["labels"],
        "vectors": arrays["vectors"],
        "nodes": arrays["nodes"],
        "names": tuple(about["names"]),
        "slots": arrays["slots"],
        "reassigned": arrays.get("moved"),
        "outlier": arrays.get("left"),
    }
