"""Runs a model on one batch: on its device, in its dtype, with the inputs it takes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from neuronwidgets.core.modes import own_modes
from neuronwidgets.data.accepted_inputs import (
    accepts,
    named_inputs,
    required_inputs,
    takes_one_mapping,
    takes_tensor,
    unfit,
    unwrapped,
)
from neuronwidgets.models.layers import require_module
from neuronwidgets.models.misfit import misfit, stopped_gpu, unknown_ids

_KINDS = ("input_ids", "pixel_values", "input_features", "input_values")
"""Main inputs of transformers models: texts, images, spectrograms, waveforms."""


def call(model: nn.Module, inputs: Any) -> Any:
    """Call the model with a mapping (keywords), a tuple (positional) or a single argument.

    A mapping is a single argument for models whose only required argument has another name. Of
    one tensor, it is opened for models that read no mapping. Of models that know its other names
    (`forward(input, attention_mask=None, **kwargs)`), its token ids are the first argument.

    An encoder-decoder that gets only a text decodes that text: position `j` holds the state from
    which token `j` is predicted.

    Raises:
        ValueError: texts alone (or images alone) for a model that takes both. Names the part of
            the model to read.
        RuntimeError: the inputs do not fit the model's `forward` or its first layer, see `unfit`
            and `misfit`; or a GPU has stopped. Any other error of the model is raised unchanged.
    """
    try:
        if isinstance(inputs, Mapping):
            if takes_one_mapping(model, inputs):
                name, value = next(iter(inputs.items()))
                opened = len(inputs) == 1 and takes_tensor(model, name)
                return model(value if opened else dict(inputs))
            named = {**_decoding(model, inputs), **_no_cache(model, inputs)}
            return model(*_unnamed(model, named), **named)
        if isinstance(inputs, tuple):
            return model(*inputs)
        return model(inputs, **_no_cache(model, inputs))
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        if stopped := stopped_gpu(error):
            raise RuntimeError(stopped) from error
        if unimodal := _unimodal_part(model, inputs):
            given, missing, part = unimodal
            raise ValueError(
                f"{type(model).__name__} could not run on {given} without {missing} ({error}): "
                f"read the part of it that takes them, model.{part}; nw.layers(model.{part}) lists "
                "its layers."
            ) from error
        reason = None
        if isinstance(error, TypeError):
            reason = unfit(model, inputs)
        elif isinstance(error, RuntimeError | IndexError):
            reason = misfit(model, inputs)
        if not reason:
            raise
        raise RuntimeError(reason) from error


def _unimodal_part(model: nn.Module, inputs: Any) -> tuple[str, str, str] | None:
    """For a model that lacks one of its modalities: the given input, the missing input, and the
    name of a part that takes the given one alone. `None` if there is no such part."""
    if not isinstance(inputs, Mapping):
        return None
    takes = accepts(model)
    given = [name for name in _KINDS if name in inputs]
    missing = [name for name in _KINDS if name not in inputs and takes(name)]
    if not given or not missing:
        return None
    for name, part in model.named_modules():
        takes = named_inputs(part).__contains__
        if name and all(map(takes, given)) and not any(map(takes, missing)):
            return given[0], missing[0], name
    return None


def _decoding(model: nn.Module, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The inputs; for an encoder-decoder with `decoder_input_ids`, its `input_ids` shifted."""
    config, ids = getattr(unwrapped(model), "config", None), inputs.get("input_ids")
    given = any(name.startswith("decoder_") or name == "labels" for name in inputs)
    if given or ids is None or not getattr(config, "is_encoder_decoder", False):
        return inputs
    if not accepts(model)("decoder_input_ids"):  # the encoder alone
        return inputs
    known = (getattr(config, f"{name}_token_id", None) for name in ("decoder_start", "bos", "pad"))
    start = next((token for token in known if token is not None), 0)
    first = torch.full_like(ids[:, :1], start)
    return {**inputs, "decoder_input_ids": torch.cat([first, ids[:, :-1]], dim=1)}


def _unnamed(model: nn.Module, inputs: dict[str, Any]) -> list[Any]:
    """The token ids, taken out of `inputs`, if a model's only required argument is the first and
    `inputs` have it by no name of the model's."""
    required = required_inputs(model)
    first = named_inputs(model)[:1]  # none of `forward(**inputs)`
    if "input_ids" not in inputs or not first or required != first or first[0] in inputs:
        return []
    return [inputs.pop("input_ids")]


def _no_cache(model: nn.Module, inputs: Any) -> dict[str, bool]:
    """Tells a transformers model not to keep the keys and values of its layers, which are of use
    to further tokens only. Empty for other models, and where `inputs` say what to do."""
    caches = getattr(getattr(unwrapped(model), "config", None), "use_cache", False)
    said = isinstance(inputs, Mapping) and "use_cache" in inputs
    return {"use_cache": False} if caches and not said and accepts(model)("use_cache") else {}


def described(inputs: Any) -> str:
    """The names, shapes and dtypes of a model's inputs, for messages."""
    if isinstance(inputs, torch.Tensor):
        kind = str(inputs.dtype).removeprefix("torch.")
        return f"{' x '.join(map(str, inputs.shape))} {kind}"
    if isinstance(inputs, Mapping):
        return ", ".join(f"{name} {described(value)}" for name, value in inputs.items())
    if isinstance(inputs, tuple | list):
        return ", ".join(map(described, inputs))
    return type(inputs).__name__


def move(model: nn.Module, inputs: Any) -> Any:
    """`inputs` on the device of the model's first parameter, floats in the model's dtype.

    accelerate moves the inputs further if it has spread the model over several devices.

    Raises:
        RuntimeError: token ids that a model on a GPU would stop at, see `unknown_ids`.
    """
    devices = (p.device for p in model.parameters() if p.device.type != "meta")
    device = next(devices, torch.device("cpu"))
    if device.type != "cpu" and (reason := unknown_ids(model, inputs)):
        title = f"{type(model).__name__} could not run on this data ({described(inputs)})"
        raise RuntimeError(f"{title}: {reason}")
    dtype = next((p.dtype for p in model.parameters() if p.is_floating_point()), None)
    return _move(inputs, device, dtype)


@own_modes()
def trainable(model: nn.Module) -> nn.Module:
    """The model, or a copy if its weights are inference tensors, which never get gradients."""
    model = require_module(model)
    weights = (*model.parameters(), *model.buffers())
    return copy.deepcopy(model) if any(w.is_inference() for w in weights) else model


def _sent(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor on a device. A GPU goes on with the batch before, and `tensor` may then change."""
    ordinary = type(tensor) is torch.Tensor and tensor.layout is torch.strided
    if device.type != "cuda" or tensor.device.type != "cpu" or not ordinary:
        return tensor.to(device)
    if tensor.is_nested or tensor.requires_grad or tensor.is_pinned():
        return tensor.to(device)
    # The copy waits in pinned memory of its own, not for the GPU. What is expanded cannot be there.
    return tensor.contiguous().pin_memory().to(device, non_blocking=True)


def _move(inputs: Any, device: torch.device, dtype: torch.dtype | None) -> Any:
    if isinstance(inputs, torch.Tensor):
        moved = _sent(inputs, device)
        if moved.is_inference() and not torch.is_inference_mode_enabled():
            moved = moved.clone()  # inference tensors take no gradient and no change in place
        return moved.to(dtype) if dtype is not None and moved.is_floating_point() else moved
    if isinstance(inputs, Mapping):
        return {key: _move(value, device, dtype) for key, value in inputs.items()}
    if isinstance(inputs, tuple | list):
        return tuple(_move(value, device, dtype) for value in inputs)
    return inputs
