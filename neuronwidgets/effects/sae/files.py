"""Reads the weights and the configuration of a sparse autoencoder from safetensors and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neuronwidgets.core.checks import nearest
from neuronwidgets.core.modes import own_modes

ARCHITECTURES = ("standard", "topk", "jumprelu", "gated")
SAVED_AS_JUMPRELU = ("batchtopk", "matryoshka_batchtopk")
"""Trained by the best k of a batch; for one sample they have a threshold, as SAELens saves them."""
NORMALIZATIONS = ("none", "constant_norm_rescale", "layer_norm")
NEEDS_SCALE = "expected_average_only_in"
"""The layer's activations are multiplied by one number, which is in neither file."""
WEIGHTS = ("sae_weights.safetensors", "sae.safetensors")
"""What SAELens and sparsify call the file of weights."""
CONFIGS = ("cfg.json", "config.json")
FROM_LINEAR = {
    "encoder.weight": ("W_enc", True), "encoder.bias": ("b_enc", False),
    "decoder.weight": ("W_dec", True), "decoder.bias": ("b_dec", False), "bias": ("b_dec", False),
    "thresholds": ("threshold", False),
}  # fmt: skip
"""Names of torch's linear modules and others -> our name, and whether the matrix is transposed."""


@dataclass(frozen=True, eq=False)
class Saved:
    """What two files say of an autoencoder: the arguments of `SAE`."""

    tensors: dict[str, np.ndarray]
    settings: dict[str, Any]


@own_modes()
def read(
    path: str | Path, architecture: str | None = None, k: int | None = None,
    scale: float | None = None,
) -> Saved:  # fmt: skip
    """Read a folder or a file, see `SAE.load`."""
    weights, config_path = _files(Path(path))
    tensors = _tensors(weights)
    config = _config(config_path)
    kind = architecture or config.get("architecture") or _kind_of(tensors, config, k, weights)
    kind = str(kind).lower()
    if kind in SAVED_AS_JUMPRELU:
        kind = "jumprelu"
    if kind not in ARCHITECTURES:
        raise ValueError(
            f"{config_path or weights} has the architecture {kind!r}, which must be one of "
            f"{', '.join(map(repr, ARCHITECTURES))}.{nearest(kind, ARCHITECTURES)}"
        )
    function = config.get("activation_fn", config.get("activation_fn_str"))
    more = config.get("activation_fn_kwargs")
    more = more if isinstance(more, Mapping) else {}
    if kind == "standard" and function == "topk" and architecture is None:
        # SAELens before version 6 has it so.
        kind = "topk"
    if kind == "topk" and k is None:
        k = config.get("k", more.get("k"))
    return Saved(
        tensors,
        {
            "architecture": kind,
            "k": k if kind == "topk" else None,
            "subtract_b_dec": bool(config.get("apply_b_dec_to_input", True)),
            "decoder_norm": kind == "topk" and bool(config.get("rescale_acts_by_decoder_norm")),
            **_normalization(config, scale, config_path),
            "hook": _hook(config),
        },
    )


def _files(path: Path) -> tuple[Path, Path | None]:
    """The file of weights, and the configuration beside it if there is one."""
    if path.is_dir():
        candidates = [path / name for name in WEIGHTS if (path / name).is_file()]
        candidates = candidates or sorted(path.glob("*.safetensors"))
        if len(candidates) != 1:
            names = ", ".join(sorted(file.name for file in candidates)) or "none"
            raise ValueError(
                f"{path} must hold one file of weights, {WEIGHTS[0]!r} or any *.safetensors, got "
                f"{names}. Give the path of the file."
            )
        path = candidates[0]
    elif not path.is_file():
        raise FileNotFoundError(f"{path} does not exist. Give a folder or a .safetensors file.")
    config = next((path.with_name(n) for n in CONFIGS if path.with_name(n).is_file()), None)
    return path, config


def _tensors(path: Path) -> dict[str, np.ndarray]:
    """float32, by the names that `SAE` has."""
    from safetensors import SafetensorError, safe_open

    tensors: dict[str, np.ndarray] = {}
    try:
        # NumPy has no bfloat16.
        with safe_open(str(path), "pt") as file:
            for name in file.keys():  # noqa: SIM118
                own, transposed = FROM_LINEAR.get(name, (name, False))
                tensor = file.get_tensor(name).float().numpy()
                if own in tensors:
                    raise ValueError(f"{path} holds {own!r} twice, as {name!r} also means it.")
                tensors[own] = np.ascontiguousarray(tensor.T if transposed else tensor)
    except SafetensorError as error:
        raise ValueError(f"{path} is no file in the safetensors format: {error}") from None
    factor = tensors.pop("scaling_factor", None)
    if factor is not None and not np.allclose(factor, 1):
        raise ValueError(
            f"{path} holds a scaling_factor that is not 1: fold it into W_dec, and leave it out."
        )
    return tensors


def _config(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        config = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from None
    if not isinstance(config, dict):
        raise ValueError(f"{path} must hold a JSON object, got a {type(config).__name__}.")
    return config


def _kind_of(
    tensors: Mapping[str, Any], config: Mapping[str, Any], k: int | None, path: Path
) -> str:
    """The architecture that the names of the tensors tell."""
    if "threshold" in tensors:
        return "jumprelu"
    if "b_gate" in tensors or "r_mag" in tensors:
        return "gated"
    if k is not None or "k" in config:
        return "topk"
    if config:
        return "standard"
    raise ValueError(
        f"{path} has no cfg.json beside it, and its weights do not tell 'standard' from 'topk': "
        "pass architecture='standard', or architecture='topk' and k=."
    )


def _normalization(
    config: Mapping[str, Any], scale: float | None, path: Path | None
) -> dict[str, Any]:
    kind = config.get("normalize_activations") or "none"
    # SAELens before version 2 has true and false.
    kind = NEEDS_SCALE if kind is True else kind
    if kind == NEEDS_SCALE:
        if scale is None:
            raise ValueError(
                f"{path} has normalize_activations {kind!r}, and the factor is in no file: pass "
                "scale=, the square root of d_in divided by the mean length of the layer's "
                "activations, or scale=1 if the weights have it already."
            )
        kind = "none"
    if kind not in NORMALIZATIONS:
        raise ValueError(
            f"{path} has normalize_activations {kind!r}, which must be one of "
            f"{', '.join(map(repr, (*NORMALIZATIONS, NEEDS_SCALE)))}."
        )
    return {"normalization": kind, "scale": 1.0 if scale is None else scale}


def _hook(config: Mapping[str, Any]) -> str:
    """Where the autoencoder reads the model, if the configuration says so."""
    for part in (config, config.get("metadata")):
        if isinstance(part, Mapping):
            for key in ("hook_name", "hook_point", "hookpoint"):
                if part.get(key):
                    return str(part[key])
    return ""
