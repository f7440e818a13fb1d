"""`SAE`: a sparse autoencoder that somebody trained, read from its file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import CHUNK_VALUES, Activations
from neuronwidgets.activations.retrieval import normalized
from neuronwidgets.core.arrays import number_array
from neuronwidgets.core.checks import integer, number, one_of
from neuronwidgets.core.modes import own_modes
from neuronwidgets.effects.sae.files import ARCHITECTURES, NORMALIZATIONS, read

SMALL = 1e-5
"""Added to the standard deviation of "layer_norm", as SAELens does."""
SHARED = ("W_enc", "W_dec", "b_dec")
"""The tensors that every architecture has."""
NEEDED = {
    "standard": ("b_enc",), "topk": ("b_enc",), "jumprelu": ("b_enc", "threshold"),
    "gated": ("b_gate", "r_mag", "b_mag"),
}  # fmt: skip
"""Architecture -> the tensors, `m` each, that it has beside W_enc, W_dec and b_dec."""


@dataclass(frozen=True, repr=False, eq=False)
class SAE:
    """A sparse autoencoder of `m` features of a layer with `d` neurons.

    With `x` a sample of the layer, `z = (x - b_dec) @ W_enc + b_enc`, the features are

    - "standard": `relu(z)` (Bricken et al. 2023);
    - "topk": the `k` largest of `z`, if positive, all others 0 (Gao et al. 2024, arXiv 2406.04093);
    - "jumprelu": `relu(z)` where `z > threshold`, else 0 (Rajamanoharan et al. 2024, arXiv
      2407.14435);
    - "gated": `relu((x - b_dec) @ (W_enc * exp(r_mag)) + b_mag)` where
      `(x - b_dec) @ W_enc + b_gate > 0`, else 0 (arXiv 2404.16014),

    and the reconstruction is `features @ W_dec + b_dec`. All as in SAELens 6.

    Attributes:
        W_enc: float32 `d x m`.
        W_dec: float32 `m x d`.
        b_dec: float32 `d`.
        b_enc: float32 `m`; `None` if gated.
        threshold: float32 `m` of "jumprelu".
        b_gate, r_mag, b_mag: float32 `m` of "gated".
        architecture: "standard", "topk", "jumprelu" or "gated".
        k: of "topk".
        subtract_b_dec: whether `b_dec` is subtracted from `x` (`apply_b_dec_to_input`).
        decoder_norm: whether the "topk" are chosen by `z` times the length of the feature's row of
            `W_dec`, by which the features are then multiplied, too
            (`rescale_acts_by_decoder_norm`).
        normalization: of `x`, first of all: "none"; "constant_norm_rescale", to the length
            `sqrt(d)`; "layer_norm".
        scale: a number by which `x` is multiplied.
        hook: where the model was read, as its configuration says; "" if it does not.
    """

    W_enc: np.ndarray
    W_dec: np.ndarray
    b_dec: np.ndarray
    b_enc: np.ndarray | None = None
    threshold: np.ndarray | None = None
    b_gate: np.ndarray | None = None
    r_mag: np.ndarray | None = None
    b_mag: np.ndarray | None = None
    architecture: str = "standard"
    k: int | None = None
    subtract_b_dec: bool = True
    decoder_norm: bool = False
    normalization: str = "none"
    scale: float = 1.0
    hook: str = ""

    @classmethod
    def load(
        cls, path: str | Path, *, architecture: str | None = None, k: int | None = None,
        scale: float | None = None,
    ) -> SAE:  # fmt: skip
        """Read an autoencoder from safetensors. No library of autoencoders is needed.

        Args:
            path: a folder with `sae_weights.safetensors` (SAELens), `sae.safetensors` (sparsify) or
                one other `*.safetensors`, and `cfg.json` or `config.json`; or the file of weights,
                with the configuration beside it if there is one. Tensors: `W_enc` (`d x m`),
                `W_dec` (`m x d`), `b_enc`, `b_dec`, `threshold`, `b_gate`, `r_mag`, `b_mag`, or the
                names of linear modules (`encoder.weight`, `m x d` ...).
            architecture: not given: what the configuration or the names of the tensors say.
            k: of "topk", if the configuration has none.
            scale: see there; needed if the configuration has `normalize_activations`
                "expected_average_only_in".

        Raises:
            FileNotFoundError: no such file.
            ValueError: a damaged file, an architecture that is not known, a tensor that is missing,
                not known or of another shape, a setting that is missing.
        """
        saved = read(path, architecture, k, scale)
        unknown = set(saved.tensors).difference(SHARED, *NEEDED.values())
        if unknown:
            raise ValueError(
                f"{path} holds {', '.join(map(repr, sorted(unknown)))}, which no autoencoder of "
                f"the architectures {', '.join(ARCHITECTURES)} has."
            )
        missing = set(SHARED) - set(saved.tensors)
        if missing:
            raise ValueError(
                f"{path} lacks {', '.join(map(repr, sorted(missing)))}; it holds "
                f"{', '.join(map(repr, sorted(saved.tensors))) or 'no tensors'}."
            )
        fields: dict[str, Any] = {**saved.tensors, **saved.settings}
        return cls(**fields)

    def __post_init__(self) -> None:
        one_of("architecture", self.architecture, ARCHITECTURES)
        one_of("normalization", self.normalization, NORMALIZATIONS)
        number("scale", self.scale, above=0)
        if np.ndim(self.W_enc) != 2 or 0 in np.shape(self.W_enc):
            raise ValueError(
                f"W_enc must be neurons x features, got the shape {np.shape(self.W_enc)}."
            )
        neurons, features = np.shape(self.W_enc)
        shapes: dict[str, tuple[int, ...]] = {"W_dec": (features, neurons), "b_dec": (neurons,)}
        shapes |= dict.fromkeys(NEEDED[self.architecture], (features,))
        for name, shape in {"W_enc": (neurons, features), **shapes}.items():
            given = getattr(self, name)
            if given is None:
                raise ValueError(
                    f"{name} is missing: an autoencoder with the architecture "
                    f"{self.architecture!r} has {', '.join(NEEDED[self.architecture])}."
                )
            array = number_array(given, name).astype(np.float32, copy=False)
            if array.shape != shape:
                raise ValueError(
                    f"{name} must have the shape {shape}, since W_enc is {neurons} neurons x "
                    f"{features} features, got {array.shape}."
                )
            if not np.isfinite(array).all():
                raise ValueError(f"{name} must be finite, got NaN or infinite values.")
            object.__setattr__(self, name, array)
        extra = [
            name for names in NEEDED.values() for name in names
            if name not in shapes and getattr(self, name) is not None
        ]  # fmt: skip
        if extra:
            raise ValueError(
                f"{extra[0]} must not be given for the architecture {self.architecture!r}, which "
                f"has {', '.join(NEEDED[self.architecture])} only."
            )
        if self.architecture == "topk":
            k = integer("k", self.k, 1)
            if k > features:
                raise ValueError(f"k must be at most the {features:,} features, got {k:,}.")
        elif self.k is not None or self.decoder_norm:
            name = "decoder_norm" if self.k is None else "k"
            raise ValueError(
                f"{name} must not be given for the architecture {self.architecture!r}: only 'topk' "
                "has it."
            )

    def __len__(self) -> int:
        return self.W_enc.shape[1]

    @property
    def neurons(self) -> int:
        """How many neurons its layer has: `d`."""
        return self.W_enc.shape[0]

    def check_layer(self, acts: Activations) -> None:
        """Refuse activations of another width.

        Raises:
            ValueError: they have another number of neurons.
        """
        if acts.shape[1] != self.neurons:
            where = f" (it reads {self.hook!r})" if self.hook else ""
            raise ValueError(
                f"acts must have {self.neurons:,} neurons as the autoencoder{where}, got "
                f"{acts.shape[1]:,} of layer {acts.layer!r}: capture the layer that it was trained "
                "on."
            )

    @own_modes()
    def encode(self, acts: Any, rows: Any = None) -> np.ndarray:
        """The features of samples: float32 `n x m`.

        Args:
            acts: activations of the autoencoder's layer, or a plain `S x d` array. One row per
                token, as in training: maxima over tokens are no states of the layer.
            rows: the samples. Not given: all, which takes `4 S m` bytes.

        Raises:
            ValueError: activations of another width.
        """
        acts = Activations.of(acts)
        self.check_layer(acts)
        index = np.arange(len(acts)) if rows is None else np.asarray(rows, np.int64)
        features = np.empty((len(index), len(self)), np.float32)
        step = max(1, CHUNK_VALUES // (len(self) + self.neurons))
        for start in range(0, len(index), step):
            part = slice(start, start + step)
            features[part] = self._features(self._normalized(acts.rows(index[part]))[0])
        return features

    @own_modes()
    def reconstruct(self, acts: Any, rows: Any = None) -> np.ndarray:
        """What the features of samples stand for: float32 `n x d`. Arguments as in `encode`."""
        acts = Activations.of(acts)
        self.check_layer(acts)
        index = np.arange(len(acts)) if rows is None else np.asarray(rows, np.int64)
        states = np.empty((len(index), self.neurons), np.float32)
        step = max(1, CHUNK_VALUES // (len(self) + self.neurons))
        for start in range(0, len(index), step):
            part = slice(start, start + step)
            values, factor, shift = self._normalized(acts.rows(index[part]))
            features = self._features(values)
            if self.decoder_norm:
                length = np.linalg.norm(self.W_dec, axis=1)
                features = features / np.where(length > 0, length, 1)
            states[part] = ((features @ self.W_dec + self.b_dec) * factor + shift) / self.scale
        return states

    def explained(self, acts: Any, rows: Any = None) -> float:
        """The share of the samples' variance that the reconstruction has: 1 minus the mean squared
        error divided by the variance. Near 0 or below it, the autoencoder belongs to another layer.
        Arguments as in `encode`."""
        acts = Activations.of(acts)
        values = np.asarray(acts.values if rows is None else acts.rows(rows), np.float64)
        error = ((values - self.reconstruct(acts, rows)) ** 2).sum()
        total = ((values - values.mean(axis=0)) ** 2).sum()
        return float(1 - error / total) if total else float("nan")

    def _normalized(self, values: np.ndarray) -> tuple[np.ndarray, Any, Any]:
        """What the encoder reads, float32 `n x d`, and what takes the decoder's output back:
        `values * scale = read * factor + shift`."""
        values = np.asarray(values, np.float32) * np.float32(self.scale)
        if self.normalization == "constant_norm_rescale":
            length = np.linalg.norm(values, axis=1, keepdims=True) / np.sqrt(self.neurons)
            length = np.where(length > 0, length, 1).astype(np.float32)
            return values / length, length, np.float32(0)
        if self.normalization == "layer_norm":
            mean = values.mean(axis=1, keepdims=True)
            # torch's `std` divides by n - 1.
            spread = values.std(axis=1, keepdims=True, ddof=min(1, self.neurons - 1))
            return (values - mean) / (spread + np.float32(SMALL)), spread, mean
        return values, np.float32(1), np.float32(0)

    def _features(self, values: np.ndarray) -> np.ndarray:
        if self.subtract_b_dec:
            values = values - self.b_dec
        if self.b_gate is not None and self.r_mag is not None:
            shared = values @ self.W_enc
            size = np.maximum(shared * np.exp(self.r_mag) + self.b_mag, 0)
            return np.where(shared + self.b_gate > 0, size, 0)
        before = values @ self.W_enc + self.b_enc
        if self.threshold is not None:
            return np.where(before > self.threshold, np.maximum(before, 0), 0)
        if self.k is None:
            return np.maximum(before, 0)
        if self.decoder_norm:
            before = before * np.linalg.norm(self.W_dec, axis=1)
        order = np.argpartition(-before, self.k - 1, axis=1)[:, : self.k]
        best = np.maximum(np.take_along_axis(before, order, 1), 0)
        features = np.zeros_like(before)
        np.put_along_axis(features, order, best, axis=1)
        return features

    def agreement(self, other: SAE) -> np.ndarray:
        """float64 `m`: of each feature, the largest cosine of its row of `W_dec` with a row of
        another autoencoder's, trained with another seed or on other data (mutual features, arXiv
        2411.01220).

        Raises:
            ValueError: an autoencoder of another width.
        """
        if not isinstance(other, SAE):
            raise TypeError(f"other must be an SAE, got a {type(other).__name__}.")
        if other.neurons != self.neurons:
            raise ValueError(
                f"other must be of a layer with {self.neurons:,} neurons, got {other.neurons:,}."
            )
        return largest_cosines(self.W_dec, other.W_dec)

    def __repr__(self) -> str:
        k = f", k={self.k}" if self.k else ""
        hook = f" of {self.hook!r}" if self.hook else ""
        return (
            f"SAE({self.architecture}{k}, {self.neurons:,} neurons{hook}, {len(self):,} features)"
        )


def largest_cosines(vectors: np.ndarray, others: np.ndarray) -> np.ndarray:
    """float64 `n`: of each row, the largest cosine with a row of the others."""
    one, two = normalized(vectors), normalized(others)
    step = max(1, CHUNK_VALUES // len(two))
    parts = [(one[start : start + step] @ two.T).max(axis=1) for start in range(0, len(one), step)]
    return np.concatenate(parts).astype(np.float64)
