"""A library on disk: arrays in safetensors, their description in JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from neuronwidgets.core.tensorfile import (
    read_json,
    read_tensors,
    stem_of,
    write_json,
    write_tensors,
)
from neuronwidgets.libraries.pinned import PinnedConcept

FORMAT = "neuronwidgets.library/1"
WRITER = "Library.save"
_ARRAYS = ("vector", "difference", "mean", "members")


def save(
    entries: Sequence[PinnedConcept], data: Mapping[str, np.ndarray], path: str | Path
) -> Path:
    """Write `PATH.safetensors` and `PATH.json`. Returns the first."""
    stem = stem_of(path)
    # safetensors has no uint64 that all its readers know: keys travel as int64.
    arrays = {f"data.{name}": keys.view(np.int64) for name, keys in data.items()}
    for number, entry in enumerate(entries):
        for name in _ARRAYS:
            array = getattr(entry, name)
            arrays[f"{number}.{name}"] = array.view(np.int64) if name == "members" else array
    about = {
        "format": FORMAT,
        "concepts": [
            {
                "name": entry.name,
                "layer": entry.layer,
                "at": entry.at,
                "neuron": entry.neuron,
                # JSON has no infinity: null stands for a cut above the whole tree.
                "threshold": entry.threshold if math.isfinite(entry.threshold) else None,
                "data": entry.data,
            }
            for entry in entries
        ],
    }
    write_tensors(f"{stem}.safetensors", arrays, {"format": FORMAT})
    write_json(f"{stem}.json", about)
    return Path(f"{stem}.safetensors")


def load(path: str | Path) -> tuple[list[PinnedConcept], dict[str, np.ndarray]]:
    """The concepts and the keys of their data sets that `save` wrote."""
    stem = stem_of(path)
    arrays, _ = read_tensors(f"{stem}.safetensors", WRITER, FORMAT)
    about = read_json(f"{stem}.json", WRITER, FORMAT)
    keys = {
        name.removeprefix("data."): array.view(np.uint64)
        for name, array in arrays.items()
        if name.startswith("data.")
    }
    try:
        entries = [
            PinnedConcept(
                str(one["name"]),
                str(one["layer"]),
                one["at"],
                one["neuron"],
                math.inf if one["threshold"] is None else float(one["threshold"]),
                arrays[f"{number}.vector"],
                arrays[f"{number}.difference"],
                arrays[f"{number}.mean"],
                arrays[f"{number}.members"].view(np.uint64),
                str(one["data"]),
            )
            for number, one in enumerate(about["concepts"])
        ]
        missing = [entry.data for entry in entries if entry.data not in keys]
        if missing:
            raise KeyError(missing[0])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{stem}.json and {stem}.safetensors do not belong together ({error!r}): copy both "
            "files of one library."
        ) from None
    return entries, keys
