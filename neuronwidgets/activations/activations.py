"""A layer's activations: samples x neurons, with the samples' previews and labels."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.activations.samples import Samples
from neuronwidgets.activations.store.matrix import Stored
from neuronwidgets.activations.topk import largest
from neuronwidgets.core.arrays import number_array
from neuronwidgets.core.checks import integer, is_integer
from neuronwidgets.core.labels import encode_labels
from neuronwidgets.core.layer_place import At
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.renamed import former_names

CHUNK_VALUES = 1 << 24
"""Values that one step of a pass over a layer reads: 64 MiB of float32."""


@dataclass(frozen=True, repr=False, eq=False)
class Activations:
    """The activations of a layer on a data set.

    Attributes:
        layer: the layer's name.
        values: `S x D` (samples x neurons), float32 or float64, finite. On disk it is a `Stored`,
            which is indexed like an array and reads the rows that are asked for.
        samples: the text, image or token of each row.
        labels: int64 `S`, an index into `label_names`, -1 where unlabelled; or `None`.
        label_names: the labels' names.
        pooling: the one that gave a row: "mean", "max", "last", "cls", "token"; "" if the values
            were not captured by this package.
        tokens: `tokens(rows, direction)` runs the model again on the texts of `rows` and returns
            each token's activation (float32 `T`) along `direction` (`D`); `None` without a model.
        excluded: int64 `E x 2`, the sample and position of rows that were left out because they
            held NaN or infinite values. The position is -1 where a row is a whole sample.
        call: which of the layer's calls in a pass was read, from 0; `None` if not captured here.
        first: whether the texts' first tokens count. False where they are attention sinks, which
            are left out of means, maxima and tokens.
        at: whether the values are the layer's "output" or its "input".
    """

    layer: str
    values: np.ndarray | Stored
    samples: Samples
    labels: np.ndarray | None = None
    label_names: tuple[str, ...] = ()
    pooling: str = ""
    tokens: Callable[[Sequence[int], np.ndarray], list[np.ndarray]] | None = field(default=None)
    excluded: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    call: int | None = None
    first: bool = True
    at: At = "output"

    @classmethod
    @own_modes()
    def from_arrays(
        cls,
        values: Any,
        samples: Any = None,
        labels: Any = None,
        layer: str = "values",
        label_names: Sequence[str] | Mapping[Any, str] | None = None,
    ) -> Activations:
        """Make `Activations` from plain arrays, without a model.

        Args:
            values: `S x D`, an array, tensor or list of rows. float32 and float64 are kept, all
                other numbers become float32.
            samples: `S` texts or images (uint8 `H x W [x 3]`, `3 x H x W` or PIL), or `None`.
            labels: `S` strings, or whole numbers (indices into `label_names` if those are given);
                `None`, -1 and the missing values of NumPy, pandas and Arrow mark an unlabelled
                sample.
            layer: a name to show.
            label_names: the names of numeric labels: a list, or a dict such as `id2label`.

        Raises:
            ValueError: `values` is not two-dimensional, empty, NaN or infinite, or its length
                differs from that of `samples` or `labels`.
        """
        if not isinstance(layer, str):
            kind = type(layer).__name__
            raise TypeError(f"layer must be a name, got {layer!r:.40} ({kind}).")
        matrix = _matrix(values)
        codes, names = encode_labels(labels, len(matrix), label_names)
        return cls(layer, matrix, Samples.of(samples, len(matrix)), codes, names)

    @classmethod
    def of(cls, acts: Any) -> Activations:
        """`acts` itself, or an `S x D` array as `Activations`.

        Raises:
            TypeError: a running capture, a split layer, or several layers.
        """
        if isinstance(acts, cls):
            return acts
        if hasattr(acts, "so_far"):
            raise TypeError(
                f"acts is {acts!r}: pass what it has read so far, acts.so_far(), or all that it "
                "will read, acts.result()."
            )
        if isinstance(acts, Mapping):
            names = list(map(repr, acts))
            first = f": pass one of them, acts[{names[0]}]" if names else ""
            raise TypeError(f"acts holds {len(names)} layers ({', '.join(names[:3])}){first}.")
        if hasattr(acts, "concept_vectors"):
            raise TypeError(
                f"acts is {acts!r}: pass one neuron of it, layer.split(neuron), or its "
                "activations, layer.acts."
            )
        return cls.from_arrays(acts)

    @classmethod
    def load(cls, path: str | Path, layer: str | None = None) -> Activations:
        """Open a store that `capture(..., out=...)` or `save` wrote. Values are read on demand.

        A store that is still being written, or was cut off, opens with its finished shards.

        Args:
            path: the folder.
            layer: the layer to open, if the store holds several.

        Raises:
            StoreError: (a `ValueError` and `OSError`) no store, another format, a damaged file, or
                an unknown layer.
        """
        from neuronwidgets.activations.io import load

        return cls(**load(path, layer))

    def save(self, path: str | Path, dtype: str = "float32") -> Path:
        """Write a store that `load` opens. Returns its folder. docs/explanation/store.md has the
        format.

        Args:
            path: an empty or new folder.
            dtype: "float32", "float16", "bfloat16" or "int8"; see `activations.store.encode` for
                their errors. float64 values become float32.

        Raises:
            StoreError: (a `ValueError` and `OSError`) a folder that cannot be written or is not
                empty.
            ValueError: values that do not fit in float32, or in `dtype`.
        """
        from neuronwidgets.activations.io import save

        return save(self, path, dtype)

    if not TYPE_CHECKING:
        __getattr__ = former_names("Activations", unit="pooling")

    def __post_init__(self) -> None:
        # The values of a store were checked when it was written.
        if not isinstance(self.values, Stored):
            require_finite(self.values, self.layer)

    @property
    def shape(self) -> tuple[int, int]:
        """Samples, neurons."""
        return self.values.shape[0], self.values.shape[1]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def label_titles(self) -> tuple[str, ...]:
        """The labels' names as headings: "label 7" for the name "7"."""
        return tuple(f"label {n}" if n.isdecimal() else n for n in self.label_names)

    @cached_property
    def labels_of_texts(self) -> bool:
        """Whether samples are tokens (or map positions), and all of a text (or image) share their
        label."""
        item = self.samples.item
        if self.labels is None or item is None or self.samples.token is None:
            return False
        _, first, group = np.unique(item, return_index=True, return_inverse=True)
        grouped = len(first) < len(item)
        return grouped and bool((self.labels == self.labels[first][group]).all())

    @cached_property
    def mean(self) -> np.ndarray:
        """float64 `D`: the mean of all samples, about which concepts are centred."""
        total = np.zeros(self.shape[1])
        step = max(1, CHUNK_VALUES // max(1, self.shape[1]))
        for start in range(0, len(self), step):
            total += self.values[start : start + step].sum(axis=0, dtype=np.float64)
        return total / len(self)

    def neuron(self, neuron: int) -> np.ndarray:
        """The activations of one neuron on all samples: `S`."""
        return self.values[:, self.check_neuron(neuron)]

    def rows(self, index: Any) -> np.ndarray:
        """The activations of all neurons on the samples at `index`: `len(index) x D`."""
        return self.values[np.asarray(index)]

    def top(self, neuron: Any, k: int = 100) -> np.ndarray:
        """The `k` top-activating samples of a neuron or direction, strongest first.

        Returns int64 `k`, indices of rows. Ties go to the smaller index.
        """
        k = self.check_top(k)
        return largest(self.along(neuron), k)

    def along(self, neuron: Any) -> np.ndarray:
        """One neuron's activations, or all samples' projections on a direction (`D`): `S`."""
        if np.ndim(neuron) == 0:
            return self.neuron(neuron)
        return self.project(self.check_direction(neuron)[None])[:, 0]

    @own_modes()
    def project(self, vectors: np.ndarray) -> np.ndarray:
        """Dot products of all samples with `K x D` vectors: `S x K`, in the dtype of `values`."""
        return project(self.values, vectors)

    def check_neuron(self, neuron: Any) -> int:
        """`neuron` as an int, refused if the layer does not have it."""
        if not is_integer(neuron):
            raise TypeError(
                f"neuron must be a whole number or a direction ({self.shape[1]} numbers), got "
                f"{neuron!r}."
            )
        if not 0 <= neuron < self.shape[1]:
            raise IndexError(
                f"neuron {neuron} is not in layer {self.layer!r}, which has {self.shape[1]:,} "
                f"neurons: 0 to {self.shape[1] - 1:,}."
            )
        return int(neuron)

    @own_modes()
    def check_direction(self, direction: Any) -> np.ndarray:
        """`direction` normalized: float64 `D`. Refused if it has another length or is zero."""
        given = number_array(direction, "the direction", form="a list of numbers")
        vector = given.astype(np.float64).ravel()
        if given.shape != (self.shape[1],):
            raise ValueError(
                f"the direction must have one number for each of the {self.shape[1]:,} neurons of "
                f"layer {self.layer!r}, got shape {given.shape}."
            )
        norm = float(np.linalg.norm(vector))
        if not np.isfinite(norm) or norm == 0:
            raise ValueError("the direction must be finite and not zero.")
        return vector / norm

    def check_top(self, top: Any) -> int:
        """`top` as an int, refused if it is not from 1 to the number of samples."""
        top = integer("top", top, 1)
        if top > len(self):
            raise ValueError(
                f"top must be at most {len(self):,}, got {top:,}: layer {self.layer!r} was read on "
                f"{len(self):,} samples."
            )
        return top

    def __repr__(self) -> str:
        labels = f", {len(self.label_names)} labels" if self.labels is not None else ""
        kind = str(self.values.dtype)
        if isinstance(self.values, Stored):
            kind = f"{self.values.stored_dtype} on disk"
        at = "" if self.at == "output" else ", at='input'"
        return (
            f"Activations(layer={self.layer!r}{at}, {self.shape[0]:,} samples x {self.shape[1]:,} "
            f"neurons, {kind}{labels}, {self.samples!r})"
        )

    def _range(self) -> str:
        """The values' dtype, with their range or their size on disk."""
        if isinstance(self.values, Stored):
            return f"{self.values.stored_dtype} on disk, {self.values.nbytes / 1e6:,.1f} MB"
        return f"{self.values.dtype}, {self.values.min():.4g} to {self.values.max():.4g}"

    def _repr_html_(self) -> str:
        rows = {
            "layer": f"<code>{html.escape(self.layer)}</code>"
            + (" (its input)" if self.at == "input" else ""),
            "samples": f"{self.shape[0]:,}"
            + (f" ({self.pooling} of each)" if self.pooling else ""),
            "neurons": f"{self.shape[1]:,}",
            "values": self._range(),
            "labels": html.escape(", ".join(self.label_names[:14])) or "none",
        }
        cells = "".join(
            f"<tr><th style='text-align:left'>{k}</th>"
            f"<td style='text-align:left' dir='auto'>{v}</td></tr>"
            for k, v in rows.items()
        )
        return f"<table><caption>Activations</caption>{cells}</table>"


def _matrix(values: Any) -> np.ndarray:
    matrix = number_array(values, "values", np.float32)
    if matrix.dtype not in (np.float32, np.float64):
        matrix = matrix.astype(np.float32)
    if matrix.ndim != 2:
        raise ValueError(
            f"values must be samples x neurons, got shape {matrix.shape}. Average or pick over "
            "tokens or space first; capture(..., pooling=...) does it for you."
        )
    if 0 in matrix.shape:
        raise ValueError(f"values must not be empty, got shape {matrix.shape}.")
    return matrix


def project(
    values: np.ndarray | Stored, vectors: np.ndarray, chunk_values: int = CHUNK_VALUES
) -> np.ndarray:
    """`values @ vectors.T`: `S x K` of `S x D` and `K x D`, in the dtype of `values`.

    `chunk_values` is the number of values that one step reads.
    """
    vectors = np.asarray(vectors).astype(values.dtype, copy=False)
    projections = np.empty((len(values), len(vectors)), values.dtype)
    step = max(1, chunk_values // max(1, values.shape[1]))
    for start in range(0, len(values), step):
        projections[start : start + step] = values[start : start + step] @ vectors.T
    return projections


def require_finite(values: np.ndarray, layer: str, chunk_values: int = CHUNK_VALUES) -> None:
    """Refuse NaN and infinite values, of which the message names the first.

    Args:
        values: `S x D`.
        layer: the layer's name, for the message.
        chunk_values: values that are looked at in one step.
    """
    step = max(1, chunk_values // max(1, values.shape[1]))
    for start in range(0, len(values), step):
        chunk = values[start : start + step]
        with np.errstate(over="ignore", invalid="ignore"):
            total = chunk.sum(dtype=np.float64)
        if np.isfinite(total):
            continue
        bad = ~np.isfinite(chunk)
        if not bad.any():
            continue
        row, neuron = (int(i) for i in np.argwhere(bad)[0])
        kind = "NaN" if np.isnan(chunk[row, neuron]) else "infinite"
        raise ValueError(
            f"layer {layer!r}: the activation of sample {start + row}, neuron {neuron} is {kind} "
            "(the first that is not finite). Leave such samples out, e.g. "
            "values[np.isfinite(values).all(axis=1)]; for a model in float16, try bfloat16 or "
            "float32."
        )
