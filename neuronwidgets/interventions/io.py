"""Interventions on disk: arrays in safetensors, the other fields as JSON in the header."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from neuronwidgets.core.tensorfile import read_tensors, write_tensors
from neuronwidgets.interventions.directions import DirectionEdit
from neuronwidgets.interventions.masks import NeuronEdit
from neuronwidgets.interventions.positions import as_json, from_json

FORMAT = "neuronwidgets.intervention/1"
"""Name and version of the file format, in the file's header."""
_KEYS = {"replacement": "to"}
"""Names in the file, which are those of version 0.1, of fields that are called differently now."""
KINDS: dict[str, type[NeuronEdit] | type[DirectionEdit]] = {
    "neurons": NeuronEdit,
    "direction": DirectionEdit,
}


def save_intervention(edit: NeuronEdit | DirectionEdit, path: str | Path) -> Path:
    """Write an intervention to `path` (safetensors). Returns the path."""
    kind = next((name for name, class_ in KINDS.items() if isinstance(edit, class_)), None)
    if kind is None:
        raise TypeError("edit must be an intervention, such as `with mask_range(...) as edit` "
                        f"gives, got a {type(edit).__name__}.")  # fmt: skip
    arrays: dict[str, np.ndarray] = {}
    plain: dict[str, Any] = {}
    for item in fields(edit):
        value = getattr(edit, item.name)
        if isinstance(value, np.ndarray):
            arrays[item.name] = value
        elif item.name != "at" or value != item.default:
            key = _KEYS.get(item.name, item.name)
            plain[key] = as_json(value) if item.name == "positions" else value
    about = {"format": FORMAT, "kind": kind, "fields": json.dumps(plain)}
    return write_tensors(path, arrays, about)


def load_intervention(path: str | Path) -> NeuronEdit | DirectionEdit:
    """Read what `save_intervention` wrote; apply it with `nw.applied(model, edit)`."""
    arrays, about = read_tensors(path, "save_intervention", FORMAT)
    if about.get("kind") not in KINDS:
        raise ValueError(f"{path} is not what save_intervention wrote: it has no kind.")
    plain = json.loads(about["fields"])
    plain |= {field: plain.pop(key) for field, key in _KEYS.items() if key in plain}
    plain["positions"] = from_json(plain.get("positions"))
    values: dict[str, Any] = {**arrays, **plain}
    return KINDS[about["kind"]](**values)
