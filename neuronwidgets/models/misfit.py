"""Explains why a model failed on its inputs, by the model's weights and its first layer."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from neuronwidgets.data.accepted_inputs import named_inputs

_INPUTS = ("pixel_values", "input_ids", "inputs", "x")
_PLACEHOLDERS = ("token_id", "token_index")
_OF_TEXTS = re.compile("text|token|ids$")
_CONVOLUTIONS = {nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}


def misfit(model: nn.Module, inputs: Any) -> str | None:
    """A sentence on the input's shape or dtype if it does not fit the model's first layer, or on
    weights that are missing.

    Call it after a failure only: the model may change its inputs before its first layer.
    """
    weights = list(model.parameters())
    if weights and all(weight.is_meta for weight in weights):
        return (
            "the model's weights are on the device 'meta', which holds no numbers: load them "
            "(from_pretrained, or model.to_empty(device='cpu') and load_state_dict)."
        )
    empty = [f"weight {name!r}" for name, weight in model.named_parameters() if weight.is_meta]
    empty += [f"buffer {name!r}" for name, buffer in model.named_buffers() if buffer.is_meta]
    if empty:
        return (
            f"the {empty[0]} is on the device 'meta', which holds no numbers, unlike "
            "others of the model: load it, or compute it anew."
        )
    given = _first_tensor(inputs)
    name, layer = _first_layer(model)
    if given is None or layer is None or given.ndim == 0:
        return None
    title = f"{type(layer).__name__} {name!r}, the model's first layer,"
    if isinstance(layer, nn.Embedding):
        return _of_ids(title, layer, given)
    if not given.is_floating_point():
        if name_of_ids := _argument_of_ids(model, given):
            return (
                f"{title} takes floating point numbers and the data is {_kind(given)}. If they are "
                "token ids, name the argument that takes them, in batches that are mappings: data="
                f"[{{{name_of_ids!r}: ids}}]."
            )
        return (
            f"{title} takes floating point numbers and the data is {_kind(given)} (whole numbers "
            "are read as token ids): pass data.astype('float32'), of pixels divided by 255."
        )
    if isinstance(layer, nn.Linear):
        return _of_vectors(title, layer, given)
    return _of_maps(title, layer, given)


def unknown_ids(model: nn.Module, inputs: Any) -> str | None:
    """A sentence on token ids that the table of a model in transformers lacks.

    Call it before a GPU looks them up: it stops at such an id, for all that the process does later.
    Ids on a GPU are not looked at, nor models of one's own, which may change ids first.
    """
    ids = inputs.get("input_ids") if isinstance(inputs, Mapping) else inputs
    if not isinstance(ids, torch.Tensor) or ids.device.type != "cpu" or not ids.numel():
        return None
    if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
        return None
    settings: Any = getattr(model, "config", None)
    tables: Any = getattr(model, "get_input_embeddings", None)
    if tables is None or not hasattr(settings, "to_dict"):
        return None
    try:
        table = tables()
    except (AttributeError, NotImplementedError):  # as transformers says that there is no one table
        return None
    if not isinstance(table, nn.Embedding):
        return None
    low, high = torch.aminmax(ids)
    if int(low) >= 0 and int(high) < table.num_embeddings:
        return None
    # Where images or sounds go; the model takes these ids out.
    own = settings.to_dict().items()
    placeholders = [n for name, n in own if name.endswith(_PLACEHOLDERS) and _whole(n)]
    name = next((name for name, part in model.named_modules() if part is table), "")
    left = ids[torch.isin(ids, torch.tensor(placeholders, dtype=ids.dtype), invert=True)]
    return _of_ids(f"Embedding {name!r}", table, left) if left.numel() else None


def stopped_gpu(error: Exception) -> str | None:
    """A sentence on a GPU that has stopped at an index outside of its table."""
    if "device-side assert" not in str(error):
        return None
    return (
        "the GPU stopped at an index that its table lacks, most often a token id of another "
        "tokenizer or a position after the model's last. torch cannot use the GPU again in this "
        "process: restart the kernel, and run the model on the CPU, where it names the index."
    )


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _first_tensor(inputs: Any) -> torch.Tensor | None:
    if isinstance(inputs, Mapping):
        named = [inputs[name] for name in _INPUTS if name in inputs]
        inputs = named or list(inputs.values())
    if isinstance(inputs, tuple | list):
        inputs = next((value for value in inputs if isinstance(value, torch.Tensor)), None)
    return inputs if isinstance(inputs, torch.Tensor) else None


def _first_layer(model: nn.Module) -> tuple[str, Any]:
    kinds = (*_CONVOLUTIONS, nn.Linear, nn.Embedding)
    candidates = ((name, part) for name, part in model.named_modules() if isinstance(part, kinds))
    return next(candidates, ("", None))


def _argument_of_ids(model: nn.Module, given: torch.Tensor) -> str | None:
    """The name of a further argument that takes token ids, for a model whose first does not (CLIP
    with towers for images and texts); `None` if it has no such table or no such argument."""
    if given.ndim != 2 or not any(isinstance(part, nn.Embedding) for part in model.modules()):
        return None
    names = named_inputs(model)[1:]
    return next((name for name in names if _OF_TEXTS.search(name)), None)


def _of_ids(what: str, layer: nn.Embedding, given: torch.Tensor) -> str | None:
    if given.is_floating_point():
        return f"{what} takes token ids, whole numbers, and the data is {_kind(given)}."
    low, high = int(given.min()), int(given.max())
    if low < 0 or high >= layer.num_embeddings:
        bad = low if low < 0 else high
        return (
            f"{what} takes the token ids 0 to {layer.num_embeddings - 1:,} and the data holds "
            f"{bad:,}: pass the model's own tokenizer."
        )
    return None


def _of_vectors(what: str, layer: nn.Linear, given: torch.Tensor) -> str | None:
    wide, shape = layer.in_features, tuple(given.shape)
    if shape[-1] == wide:
        return None
    if given.ndim > 2 and math.prod(shape[1:]) == wide:
        return (
            f"{what} takes {wide:,} numbers for each sample, and each has the shape "
            f"{_by(shape[1:])}: flatten them, data.reshape(len(data), -1)."
        )
    return f"{what} takes {wide:,} numbers on the last axis, and the data has {shape[-1]:,}."


def _of_maps(what: str, layer: Any, given: torch.Tensor) -> str | None:
    """For a convolution over one, two or three axes of space."""
    space, channels, shape = layer.weight.ndim - 2, layer.in_channels, tuple(given.shape)
    axes = " x ".join(("T", "HW", "THW")[space - 1])
    takes = f"{what} takes {channels} channel{'s' * (channels > 1)} on axis 1 (B x C x {axes})"
    if given.ndim == space + 2 and shape[1] != channels:
        if shape[-1] == channels:
            return (
                f"{takes}, and the data, {_by(shape)}, has channels on the last axis: move them, "
                "numpy.moveaxis(data, -1, 1)."
            )
        if {shape[1], channels} == {1, 3}:
            mode = "RGB" if channels == 3 else "L"
            return (
                f"{takes}, and the data has {shape[1]}: convert the images, "
                f"image.convert({mode!r})."
            )
        return f"{takes}, and the data, {_by(shape)}, has {shape[1]}."
    if given.ndim == space + 1:
        if channels in (shape[0], shape[-1]) and channels > 1:
            return (
                f"{takes}, and the batch, {_by(shape)}, looks like a single sample: stack samples "
                "to one array, numpy.stack(samples), channels first."
            )
        return f"{takes}, and the data, {_by(shape)}, has no axis of channels: pass data[:, None]."
    if given.ndim != space + 2:
        return f"{takes}, and the data is {_by(shape)}."
    return None


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _kind(given: torch.Tensor) -> str:
    return str(given.dtype).removeprefix("torch.")
