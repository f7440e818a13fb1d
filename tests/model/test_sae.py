"""Autoencoders from files: every architecture against a second implementation, every error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import neuronwidgets as nw

D, M, N = 6, 20, 40
Tensors = dict[str, torch.Tensor]


def tensors_of(architecture: str, seed: int = 0) -> Tensors:
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    weights = {"W_enc": drawn(D, M), "W_dec": drawn(M, D), "b_dec": drawn(D)}
    names = {
        "standard": ("b_enc",), "topk": ("b_enc",), "jumprelu": ("b_enc", "threshold"),
        "gated": ("b_gate", "r_mag", "b_mag"),
    }[architecture]  # fmt: skip
    return weights | {name: drawn(M) / 2 for name in names}


def states(seed: int = 1) -> torch.Tensor:
    return torch.randn(N, D, generator=torch.Generator().manual_seed(seed)) * 3


def encoded(x: torch.Tensor, w: Tensors, config: dict[str, Any]) -> torch.Tensor:
    """SAELens 6: `process_sae_in` and `encode` of each class, in torch."""
    if config.get("normalize_activations") == "constant_norm_rescale":
        x = x * (D**0.5 / x.norm(dim=-1, keepdim=True))
    if config.get("normalize_activations") == "layer_norm":
        x = x - x.mean(dim=-1, keepdim=True)
        x = x / (x.std(dim=-1, keepdim=True) + 1e-5)
    x = x - w["b_dec"] * config.get("apply_b_dec_to_input", True)
    kind = config["architecture"]
    if kind == "gated":
        gate = (x @ w["W_enc"] + w["b_gate"] > 0).float()
        return gate * torch.relu(x @ (w["W_enc"] * w["r_mag"].exp()) + w["b_mag"])
    before = x @ w["W_enc"] + w["b_enc"]
    if kind == "jumprelu":
        return torch.relu(before) * (before > w["threshold"])
    if kind == "standard":
        return torch.relu(before)
    if config.get("rescale_acts_by_decoder_norm"):
        before = before * w["W_dec"].norm(dim=-1)
    values, index = before.topk(config["k"], dim=-1)
    return torch.zeros_like(before).scatter(-1, index, values.relu())


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write weights, and a configuration unless it is `None`; returns the folder."""

    def files(
        weights: Tensors, config: dict[str, Any] | None, name: str = "sae_weights.safetensors"
    ) -> Path:
        save_file(
            {key: value.clone().contiguous() for key, value in weights.items()}, tmp_path / name
        )
        if config is not None:
            (tmp_path / "cfg.json").write_text(json.dumps(config))
        return tmp_path

    return files


CONFIGS: list[dict[str, Any]] = [
    {"architecture": "standard"},
    {"architecture": "standard", "apply_b_dec_to_input": False},
    {"architecture": "standard", "normalize_activations": "constant_norm_rescale"},
    {"architecture": "standard", "normalize_activations": "layer_norm"},
    {"architecture": "topk", "k": 3},
    {"architecture": "topk", "k": 3, "rescale_acts_by_decoder_norm": True},
    {"architecture": "topk", "k": M},
    {"architecture": "jumprelu"},
    {"architecture": "gated"},
    {"architecture": "gated", "normalize_activations": "layer_norm"},
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: "-".join(map(str, c.values())))
def test_features_are_those_of_the_reference(
    config: dict[str, Any], write: Callable[..., Path]
) -> None:
    weights = tensors_of(config["architecture"])
    sae = nw.SAE.load(write(weights, config))
    found = sae.encode(states().numpy())
    expected = encoded(states(), weights, config)
    assert (found > 0).any()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-4)
    assert (len(sae), sae.neurons) == (M, D)


def test_reconstruction_is_that_of_the_reference(write: Callable[..., Path]) -> None:
    weights = tensors_of("topk")
    config = {"architecture": "topk", "k": 4, "rescale_acts_by_decoder_norm": True}
    sae = nw.SAE.load(write(weights, config))
    features = encoded(states(), weights, config) / weights["W_dec"].norm(dim=-1)
    expected = features @ weights["W_dec"] + weights["b_dec"]
    np.testing.assert_allclose(
        sae.reconstruct(states().numpy()), expected.numpy(), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("normalization", ["none", "constant_norm_rescale", "layer_norm"])
def test_a_perfect_autoencoder_explains_all(normalization: str) -> None:
    both = np.concatenate([np.eye(D), -np.eye(D)]).astype(np.float32)
    sae = nw.SAE(both.T, both, np.zeros(D), np.zeros(2 * D), normalization=normalization, scale=0.5)
    assert sae.explained(states().numpy()) == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(sae.reconstruct(states().numpy()), states().numpy(), atol=1e-3)


def test_rows_and_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = {name: value.numpy() for name, value in tensors_of("jumprelu").items()}
    sae = nw.SAE(**weights, architecture="jumprelu")
    whole = sae.encode(states().numpy())
    monkeypatch.setattr("neuronwidgets.effects.sae.sae.CHUNK_VALUES", 3 * (D + M))
    np.testing.assert_allclose(sae.encode(states().numpy()), whole, atol=1e-5)
    np.testing.assert_allclose(sae.encode(states().numpy(), [7, 2]), whole[[7, 2]], atol=1e-5)


def test_older_saelens_says_topk_by_the_activation_function(write: Callable[..., Path]) -> None:
    config = {
        "architecture": "standard", "activation_fn_str": "topk",
        "activation_fn_kwargs": {"k": 5}, "hook_point": "blocks.3.hook_resid_pre",
        "normalize_activations": False,
    }  # fmt: skip
    sae = nw.SAE.load(write(tensors_of("topk"), config))
    assert (sae.architecture, sae.k, sae.hook) == ("topk", 5, "blocks.3.hook_resid_pre")
    assert "topk, k=5, 6 neurons of 'blocks.3.hook_resid_pre', 20 features" in repr(sae)


def test_sparsify_has_other_names(write: Callable[..., Path]) -> None:
    weights = tensors_of("topk")
    renamed = {
        "encoder.weight": weights["W_enc"].T, "encoder.bias": weights["b_enc"],
        "W_dec": weights["W_dec"], "b_dec": weights["b_dec"],
    }  # fmt: skip
    folder = write(renamed, {"k": 4, "d_in": D, "expansion_factor": 3}, "sae.safetensors")
    sae = nw.SAE.load(folder)
    assert (sae.architecture, sae.k) == ("topk", 4)
    np.testing.assert_array_equal(sae.W_enc, weights["W_enc"].numpy())
    linear = {**renamed, "decoder.weight": weights["W_dec"].T, "bias": weights["b_dec"]}
    del linear["W_dec"], linear["b_dec"]
    path = write(linear, None, "linear.safetensors") / "linear.safetensors"
    np.testing.assert_array_equal(nw.SAE.load(path).W_dec, sae.W_dec)


def test_a_file_alone_tells_what_it_can(write: Callable[..., Path]) -> None:
    file = write(tensors_of("jumprelu"), None) / "sae_weights.safetensors"
    assert nw.SAE.load(file).architecture == "jumprelu"
    file = write(tensors_of("gated"), None) / "sae_weights.safetensors"
    assert nw.SAE.load(file).architecture == "gated"
    file = write(tensors_of("standard"), None) / "sae_weights.safetensors"
    with pytest.raises(ValueError, match="do not tell 'standard' from 'topk': pass"):
        nw.SAE.load(file)
    assert nw.SAE.load(file, architecture="standard").k is None
    assert nw.SAE.load(file, k=2).k == 2


def test_bfloat16_and_batchtopk(write: Callable[..., Path]) -> None:
    weights = {name: value.bfloat16() for name, value in tensors_of("jumprelu").items()}
    sae = nw.SAE.load(write(weights, {"architecture": "batchtopk", "k": 3}))
    assert (sae.architecture, sae.k) == ("jumprelu", None)
    np.testing.assert_array_equal(sae.W_enc, weights["W_enc"].float().numpy())


def test_a_scale_that_no_file_has(write: Callable[..., Path]) -> None:
    config = {"architecture": "standard", "normalize_activations": "expected_average_only_in"}
    weights = tensors_of("standard")
    folder = write(weights, config)
    with pytest.raises(ValueError, match="factor is in no file: pass scale="):
        nw.SAE.load(folder)
    found = nw.SAE.load(folder, scale=0.25).encode(states().numpy())
    expected = encoded(states() * 0.25, weights, {"architecture": "standard"})
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-4)


def broken(change: Callable[[Tensors], Any], architecture: str = "jumprelu") -> Tensors:
    weights = tensors_of(architecture)
    change(weights)
    return weights


@pytest.mark.parametrize(
    ("weights", "config", "words"),
    [
        (broken(lambda w: w.pop("W_dec")), {}, "lacks 'W_dec'; it holds 'W_enc', 'b_dec', 'b_enc'"),
        (broken(lambda w: w.pop("b_enc")), {}, "b_enc is missing: .* 'jumprelu' has b_enc, thresh"),
        (broken(lambda w: w.pop("threshold")), {"architecture": "batchtopk"}, "threshold is missi"),
        (
            broken(lambda w: w.update(W_dec=w["W_dec"].T)), {},
            r"W_dec must have the shape \(20, 6\), .* got \(6, 20\)",
        ),
        (broken(lambda w: w.update(W_skip=w["b_dec"])), {}, "holds 'W_skip', which no autoencoder"),
        (broken(lambda w: w.update(scaling_factor=w["b_enc"])), {}, "scaling_factor that is not 1"),
        (broken(lambda w: w["b_enc"].fill_(np.nan)), {}, "b_enc must be finite"),
        (broken(lambda w: None, "topk"), {"architecture": "topk"}, "k must be a positive integer"),
        (broken(lambda w: None, "topk"), {"architecture": "topk", "k": 21}, "at most the 20 feat"),
        (broken(lambda w: None), {"architecture": "standard"}, "threshold must not be given for"),
        (broken(lambda w: None), {"architecture": "jumprelus"}, "Nearest: 'jumprelu'"),
        (broken(lambda w: None), {"normalize_activations": "batch"}, "activations .batch., which"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(
    weights: Tensors, config: dict[str, Any], words: str, write: Callable[..., Path]
) -> None:
    with pytest.raises(ValueError, match=words):
        nw.SAE.load(write(weights, config))


def test_wrong_files(tmp_path: Path, write: Callable[..., Path]) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        nw.SAE.load(tmp_path / "nothing")
    with pytest.raises(ValueError, match=r"must hold one file of weights, .* got none"):
        nw.SAE.load(tmp_path)
    (tmp_path / "a.safetensors").write_bytes(b"no")
    with pytest.raises(ValueError, match="no file in the safetensors format"):
        nw.SAE.load(tmp_path)
    (tmp_path / "b.safetensors").write_bytes(b"no")
    with pytest.raises(ValueError, match=r"got a.safetensors, b.safetensors"):
        nw.SAE.load(tmp_path)
    folder = write(tensors_of("standard"), None)
    (folder / "cfg.json").write_text("[1]")
    with pytest.raises(ValueError, match="must hold a JSON object, got a list"):
        nw.SAE.load(folder)
    (folder / "cfg.json").write_text("{")
    with pytest.raises(ValueError, match="is no JSON"):
        nw.SAE.load(folder)


def test_another_layer_is_refused() -> None:
    sae = nw.SAE(np.eye(D), np.eye(D), np.zeros(D), np.zeros(D), hook="resid")
    with pytest.raises(ValueError, match=r"must have 6 neurons as the autoencoder \(it reads 'res"):
        sae.encode(np.ones((3, 7)))


def test_features_of_another_seed_agree() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(M, D)).astype(np.float32)
    zeros = np.zeros(D), np.zeros(M)
    one, other = nw.SAE(rows.T, rows, *zeros), nw.SAE(rows.T, 2 * rows[::-1], *zeros)
    np.testing.assert_allclose(one.agreement(other), 1, atol=1e-5)
    few = nw.SAE(rows[:3].T, rows[:3], zeros[0], zeros[1][:3])
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    expected = (unit @ unit[:3].T).max(axis=1)
    np.testing.assert_allclose(one.agreement(few), expected, atol=1e-5)
    with pytest.raises(ValueError, match="other must be of a layer with 6 neurons, got 2"):
        one.agreement(nw.SAE(np.eye(2), np.eye(2), np.zeros(2), np.zeros(2)))
    with pytest.raises(TypeError, match="other must be an SAE, got a list"):
        one.agreement([1])  # type: ignore[arg-type]
