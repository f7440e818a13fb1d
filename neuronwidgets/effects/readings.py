"""What a layer makes of new texts and images, pooled as its `Activations` are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.retrieval import normalized
from neuronwidgets.capturing.reader import LayerReader
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.control import draws_of
from neuronwidgets.core.checks import one_of
from neuronwidgets.core.text import well_formed
from neuronwidgets.data.batch import Batch, Raw
from neuronwidgets.data.batches import batches
from neuronwidgets.models.content import content_of
from neuronwidgets.models.hooks import evaluating, undisturbed
from neuronwidgets.models.layers import find_layer, layer_name
from neuronwidgets.models.pooling import POOLINGS, Pool, without_positions

MAX_TOKENS = 1024
"""Tokens that are read of a text, at most: so many can be read again while somebody types."""
CHARACTERS = 16
"""Characters for each token that may be read; the rest of an endless text is not tokenized."""

SMALL = 20_000_000
"""Parameters of a model that one thread runs: two would wait for each other, many times as long if
other work uses the processor too."""


@dataclass(frozen=True, eq=False)
class Reading:
    """What a layer makes of one text or image.

    Attributes:
        text: the text; empty for an image.
        tokens: `T` tokens as they stand in the text, special tokens as "". Empty for an image.
        spans: int32 `T x 2`, the `(start, end)` characters of each token in the text.
        activations: float32 `T`, the neuron's activation on each token (of an image: on each
            position of the map). Empty for a layer with one vector for each sample.
        shares: float32 `T x K`, the dot product of each token's difference from the layer's mean
            with each concept's direction (see `Axes`).
        counts: bool `T`, whether pooling reads the token.
        peak: the token (or position) that counts and activates the neuron most; -1 without any.
        pooled: the neuron's activation on the whole, pooled as the activations of the data set are.
            For pooling "token" it is the peak token's.
        pooled_shares: float32 `K`, the same of the whole's pooled vector.
        control: float32 `K`, the same with a random direction for each concept (`Axes.control`);
            empty without any.
        unread: characters at the end that are beyond the model's limit.
        vectors: float32 `T x D`, the layer on each token, if it was asked for (`Axes.vectors`).
    """

    text: str
    tokens: tuple[str, ...]
    spans: np.ndarray
    activations: np.ndarray
    shares: np.ndarray
    counts: np.ndarray
    peak: int
    pooled: float
    pooled_shares: np.ndarray
    control: np.ndarray
    unread: int = 0
    vectors: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def __repr__(self) -> str:
        token = self.tokens[self.peak].strip() if self.tokens and self.peak >= 0 else ""
        peak = f", peak {token!r}" if token else ""
        return f"Reading({len(self.activations):,} positions, pooled {self.pooled:.4g}{peak})"


@dataclass(frozen=True, eq=False)
class Axes:
    """The directions that a reading is projected on.

    Shares are taken about the layer's mean, as `split` clusters samples by "cosine" and
    `Concepts.retrieve` compares them: without it, what all samples of a layer share (the positive
    outputs of a ReLU) gives every concept and every random direction the same large share.

    Attributes:
        target: a neuron's number, or a direction of unit length (`D`).
        mean: float64 `D`, the layer's mean; none where there are no concepts.
        concepts: float32 `K x D`, of unit length: from the layer's mean to each concept's.
        control: float32 `K x D`, of unit length: from the layer's mean to that of random top
            samples, as many as the concept has. (A median of random samples would be that of the
            most frequent concept.)
        vectors: whether readings keep the layer's vectors of the tokens.
    """

    target: int | np.ndarray
    mean: np.ndarray = field(default_factory=lambda: np.zeros(0))
    concepts: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    control: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    vectors: bool = False

    @classmethod
    def of(
        cls, target: int | np.ndarray, concepts: Concepts, mean: np.ndarray, seed: int = 0
    ) -> Axes:
        """The axes of a neuron's or direction's concepts.

        Args:
            target: the neuron or direction.
            concepts: its concepts.
            mean: `D`, the layer's mean.
            seed: of the random samples of the control, drawn from the same top samples.
        """
        top = concepts.top_vectors
        at_random = [top[draws_of(len(top), int(n), 1, seed)[0]] for n in concepts.sizes]
        members = [top[group] for group in concepts.groups]
        return cls(target, mean, _directions(members, mean), _directions(at_random, mean))

    def project(self, vectors: torch.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The activations (float32 `N`), the shares and those of the control (`N x K`) of `N x D`
        vectors."""
        if isinstance(self.target, np.ndarray):
            activations = _dot(vectors, self.target[None])[:, 0]
        else:
            activations = vectors[:, self.target].float().cpu().numpy()
        if len(self.mean):
            vectors = vectors.float()
            vectors = vectors - torch.as_tensor(self.mean).to(vectors)
        return activations, _dot(vectors, self.concepts), _dot(vectors, self.control)


def _directions(groups: Sequence[np.ndarray], mean: np.ndarray) -> np.ndarray:
    """From the layer's mean to that of each group (`n x D`), of unit length: float32 `K x D`."""
    if not groups:
        return np.zeros((0, len(mean)), np.float32)
    return normalized(np.stack([group.mean(axis=0, dtype=np.float64) - mean for group in groups]))


def _dot(vectors: torch.Tensor, onto: np.ndarray) -> np.ndarray:
    """Dot products of `N x D` vectors with `K x D` directions: float32 `N x K`."""
    if not len(onto):
        return np.zeros((len(vectors), 0), np.float32)
    products: np.ndarray = (vectors @ torch.as_tensor(onto).to(vectors).T).float().cpu().numpy()
    return products


class SampleReader:
    """Runs a model on new texts or images up to the layer that `acts` were captured from.

    Args:
        acts: activations of the layer. Their pooling, call and place (`at`) are used, and whether
            first tokens count.
        model: the model.
        layer: a name or module of the model; not given: the layer of `acts`.
        tokenizer: a tokenizer, image processor or processor, as for `capture`.
        pooling: not given: that of `acts`.
        transform, max_length, neuron_axis: as for `capture`.

    Raises:
        ValueError: the model has no such layer, or nothing says how rows were pooled.
    """

    def __init__(
        self, acts: Activations, model: nn.Module, layer: Any = None, tokenizer: Any = None,
        pooling: str | None = None, *, transform: Callable[[Any], Any] | None = None,
        max_length: int | None = None, neuron_axis: int | None = None,
    ) -> None:  # fmt: skip
        self.model, self._width = model, acts.shape[1]
        self.layer = layer_name(model, acts.layer if layer is None else layer)
        module = find_layer(model, self.layer)
        if pooling is None and not acts.pooling:
            raise ValueError(
                "acts do not say how a row was made of tokens, since no capture made them: pass "
                "pooling='mean', 'max', 'last', 'cls' or 'token'."
            )
        self.pooling = one_of("pooling", pooling or acts.pooling, POOLINGS)
        self._first, self._tokenizer = acts.first, tokenizer
        self._transform, self._max_length = transform, max_length
        self._reader = LayerReader(
            model, {self.layer: module}, neuron_axis, None, acts.call or 0, acts.at
        )
        self._text_batch: Callable[[Raw], Batch] | None = None
        self._axes_known = False
        weights = list(model.parameters())
        on_cpu = all(weight.device.type == "cpu" for weight in weights)
        self._small = on_cpu and sum(weight.numel() for weight in weights) < SMALL

    def texts(self, texts: Sequence[str], axes: Axes) -> list[Reading]:
        """Read texts in one forward pass.

        Raises:
            ValueError: a text without a token that counts, or a layer of another width than `acts`.
            RuntimeError: the model could not run.
        """
        shown = [well_formed(text) for text in texts]
        return self._read(self._of_texts(shown), shown, axes)

    def image(self, image: np.ndarray, axes: Axes) -> Reading:
        """Read an image, uint8 `H x W` or `H x W x 3`. Raises as `texts`."""
        source = batches(
            [image, image], model=self.model, processor=self._tokenizer,
            transform=self._transform, batch_size=2,
        )  # fmt: skip
        return self._read(next(source.batches), [""], axes)[0]

    def _of_texts(self, texts: list[str]) -> Batch:
        if self._text_batch is None:
            options: dict[str, Any] = {"model": self.model, "processor": self._tokenizer}
            self._text_batch = batches(["a"], max_length=self._max_length, **options).make
        most = CHARACTERS * (self._max_length or MAX_TOKENS)
        rows = [text[:most] for text in texts]
        # The axes of samples and tokens cannot be told apart in a batch of one.
        batch = self._text_batch(Raw(rows if self._axes_known or len(rows) > 1 else rows * 2))
        if batch.mask is not None and batch.mask.shape[1] > MAX_TOKENS and not self._max_length:
            options = {"model": self.model, "processor": self._tokenizer}
            self._text_batch = batches(["a"], max_length=MAX_TOKENS, **options).make
            batch = self._text_batch(Raw(rows))
        self._axes_known |= batch.size > 1 and batch.mask is not None and batch.mask.shape[1] > 1
        return batch

    def _read(self, batch: Batch, texts: list[str], axes: Axes) -> list[Reading]:
        readings: list[Reading] = []

        def take(_name: str, values: torch.Tensor) -> None:
            if values.shape[-1] != self._width:
                raise ValueError(
                    f"layer {self.layer!r} of {type(self.model).__name__} has "
                    f"{values.shape[-1]:,} neurons, and acts have {self._width:,}: pass the model "
                    "and the layer that acts were captured from."
                )
            readings.extend(self._made(batch, values, texts, axes))

        with undisturbed(), evaluating(self.model), _few_threads(self._small):
            self._reader(batch, take)
        return readings

    def _made(
        self, batch: Batch, values: torch.Tensor, texts: list[str], axes: Axes
    ) -> list[Reading]:
        """The readings of a batch from the layer's output: `B x D`, or `B x P x D`."""
        content = content_of(self.model, batch, values, self._first)
        counts = whole = None
        if values.ndim == 2:
            whole = axes.project(without_positions(values, self.pooling, self.layer))
        else:
            pool = Pool(self.pooling, batch.mask, content, values)
            counts = pool.read.cpu()
            # With "token", each token is a row of its own, and there is no pooled vector.
            if self.pooling != "token":
                whole = axes.project(pool.rows(values, self.layer))
        readings = []
        for i, text in enumerate(texts):
            spans = batch.spans[i] if batch.spans else np.zeros((0, 2), np.int32)
            own_vectors = values[i] if values.ndim == 3 else values[:0]
            activations, shares, at_random = axes.project(own_vectors)
            counted = np.zeros(0, bool) if counts is None else counts[i].numpy()
            # Padding at the end, which a longer text of the batch asked for.
            mask = batch.mask
            if mask is not None and mask.shape[1] == len(activations) == len(spans):
                own = mask[i].cpu().numpy()
                activations, shares, at_random = activations[own], shares[own], at_random[own]
                own_vectors = own_vectors[torch.as_tensor(own).to(own_vectors.device)]
                counted, spans = counted[own], spans[own]
            peak = -1
            if counted.any():
                peak = int(np.where(counted, activations, -np.inf).argmax())
            if whole is not None:
                pooled_value, pooled_shares, control = (part[i] for part in whole)
            elif peak >= 0:
                pooled_value, pooled_shares, control = (
                    part[peak] for part in (activations, shares, at_random)
                )
            else:
                raise ValueError(f"layer {self.layer!r}: the text has no token that counts.")
            if not np.isfinite(pooled_value):
                raise ValueError(f"layer {self.layer!r}: the activation is {pooled_value}.")
            readable = batch.texts[i] if batch.texts else ""
            tokens = tuple(readable[start:end] for start, end in spans.tolist())
            end = int(spans[:, 1].max(initial=0))
            unread = len(text) - end if text[end:].strip() else 0
            kept = own_vectors if axes.vectors else own_vectors[:0]
            readings.append(
                Reading(
                    text, tokens, spans, activations, shares, counted, peak, float(pooled_value),
                    pooled_shares, control, unread, kept.float().cpu().numpy(),
                )
            )  # fmt: skip
        return readings


@contextmanager
def _few_threads(small: bool) -> Iterator[None]:
    before = torch.get_num_threads()
    if not small or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
