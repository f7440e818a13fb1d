"""Running a model on one batch: where it is, in its dtype, however it takes its inputs."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from neuronwidgets.core.modes import own_modes
from neuronwidgets.data.accepted_inputs import accepts
from neuronwidgets.models.misfit import misfit

_KINDS = ("input_ids", "pixel_values", "input_features", "input_values")


def call(model: nn.Module, inputs: Any) -> Any:
    """`inputs`: a mapping (keywords), a tuple (positional) or a single argument.

    An encoder-decoder that is given a text only decodes that text: its position `j` holds the
    state from which token `j` is predicted.

    Raises:
        ValueError: texts alone (or images) for a model that takes both, with the part to read.
        RuntimeError: the inputs do not fit the model's first layer, see `misfit`; what else goes
            wrong is raised as it is.
    """
    try:
        if isinstance(inputs, Mapping):
            return model(**_decoding(model, inputs))
        if isinstance(inputs, tuple):
            return model(*inputs)
        return model(inputs)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        if alone := _alone(model, inputs):
            given, missing, part = alone
            raise ValueError(
                f"{type(model).__name__} could not run on {given} without {missing} ({error}): "
                f"read the part of it that takes them, model.{part}; nw.layers(model.{part}) lists "
                "its layers."
            ) from error
        why = misfit(model, inputs) if isinstance(error, RuntimeError | IndexError) else None
        if why is None:
            raise
        raise RuntimeError(why) from error


def _alone(model: nn.Module, inputs: Any) -> tuple[str, str, str] | None:
    """What the model was given and what was missing, of texts, images and sounds, and the part of
    it that takes the one without the other, if there is one."""
    if not isinstance(inputs, Mapping):
        return None
    takes = accepts(model)
    given = [name for name in _KINDS if name in inputs]
    missing = [name for name in _KINDS if name not in inputs and takes(name)]
    if not given or not missing:
        return None
    for name, part in model.named_modules():
        takes = accepts(part)
        if name and all(map(takes, given)) and not any(map(takes, missing)):
            return given[0], missing[0], name
    return None


def _decoding(model: nn.Module, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    config, ids = getattr(model, "config", None), inputs.get("input_ids")
    given = any(name.startswith("decoder_") or name == "labels" for name in inputs)
    if given or ids is None or not getattr(config, "is_encoder_decoder", False):
        return inputs
    if not accepts(model)("decoder_input_ids"):  # the encoder alone
        return inputs
    known = (getattr(config, f"{name}_token_id", None) for name in ("decoder_start", "bos", "pad"))
    start = next((token for token in known if token is not None), 0)
    first = torch.full_like(ids[:, :1], start)
    return {**inputs, "decoder_input_ids": torch.cat([first, ids[:, :-1]], dim=1)}


def described(inputs: Any) -> str:
    """What a model was given, in a few words: names, shapes and dtypes."""
    if isinstance(inputs, torch.Tensor):
        kind = str(inputs.dtype).removeprefix("torch.")
        return f"{' x '.join(map(str, inputs.shape))} {kind}"
    if isinstance(inputs, Mapping):
        return ", ".join(f"{name} {described(value)}" for name, value in inputs.items())
    if isinstance(inputs, tuple | list):
        return ", ".join(map(described, inputs))
    return type(inputs).__name__


def move(model: nn.Module, inputs: Any) -> Any:
    """`inputs` on the model's device (its first parameter's), floats in its dtype.

    Of a model that is spread over devices, the rest is accelerate's: it moves what it is given.
    """
    there = (p.device for p in model.parameters() if p.device.type != "meta")
    device = next(there, torch.device("cpu"))
    dtype = next((p.dtype for p in model.parameters() if p.is_floating_point()), None)
    return _move(inputs, device, dtype)


@own_modes()
def trainable(model: nn.Module) -> nn.Module:
    """The model, or a copy of it if its weights were made in `torch.inference_mode`, in which they
    stay without gradients for good."""
    weights = (*model.parameters(), *model.buffers())
    return copy.deepcopy(model) if any(w.is_inference() for w in weights) else model


def _move(inputs: Any, device: torch.device, dtype: torch.dtype | None) -> Any:
    if isinstance(inputs, torch.Tensor):
        moved = inputs.to(device)
        if moved.is_inference() and not torch.is_inference_mode_enabled():
            moved = moved.clone()  # else no gradient goes by it, and nothing changes it in place
        return moved.to(dtype) if dtype is not None and moved.is_floating_point() else moved
    if isinstance(inputs, Mapping):
        return {key: _move(value, device, dtype) for key, value in inputs.items()}
    if isinstance(inputs, tuple | list):
        return tuple(_move(value, device, dtype) for value in inputs)
    return inputs
