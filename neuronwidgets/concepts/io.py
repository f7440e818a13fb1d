"""Concepts on disk: arrays in safetensors, what they are in JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.core.modes import own_modes

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
    from safetensors.numpy import save_file

    stem = _stem(path)
    stem.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.ascontiguousarray(getattr(concepts, name)) for name in _ARRAYS}
    if concepts.moved is not None and concepts.left is not None:
        arrays |= {"moved": concepts.moved, "left": concepts.left}
    if concepts.mean is not None:
        arrays["mean"] = np.ascontiguousarray(concepts.mean)
    if concepts.points is not None:
        arrays["points"] = np.ascontiguousarray(concepts.points)
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
    save_file(arrays, f"{stem}.safetensors", {"format": FORMAT})
    Path(f"{stem}.json").write_text(json.dumps(about, indent=1, ensure_ascii=False), "utf-8")
    return Path(f"{stem}.safetensors")


@own_modes()
def load(path: str | Path) -> dict[str, Any]:
    """What `save` wrote, as the fields of `Concepts`.

    Raises:
        FileNotFoundError: one of the two files is missing.
        ValueError: they hold something else, or another version's format.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    stem = _stem(path)
    file = f"{stem}.json"
    try:
        about = json.loads(Path(file).read_text("utf-8"))
        found = about.get("format")
        if found != FORMAT:
            raise ValueError(f"{file} is in the format {found!r}; this version reads {FORMAT!r}.")
        file = f"{stem}.safetensors"
        arrays = load_file(file)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{file}: not there. Concepts.load reads PATH.json and PATH.safetensors, as save "
            "wrote them."
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError, SafetensorError) as error:
        raise ValueError(f"{file} is not what Concepts.save wrote: {error}") from None
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
