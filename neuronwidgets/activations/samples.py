"""The text, image or token behind each row of activations, and its display."""

from __future__ import annotations

import base64
import hashlib
import html
import io
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from neuronwidgets.core.renamed import former_names
from neuronwidgets.core.subsample import evenly_spaced
from neuronwidgets.core.text import well_formed
from neuronwidgets.display.image import is_ink, is_print, picture

_ACCEPTED = "texts or images (arrays or PIL)"

SHOWN = 24
"""Samples in a notebook's display of `Samples`: two lines of thumbnails."""
JUDGED = 100
"""Images by which the background of all is judged: a few milliseconds."""


@dataclass(frozen=True, repr=False)
class Samples:
    """`S` samples: images, texts, tokens of texts, or nothing that can be shown.

    Attributes:
        count: `S`.
        images: one uint8 array per item, `H x W` or `H x W x 3`.
        texts: one string per item; lone surrogates become U+FFFD.
        spans: one int32 array per text, `T x 2`: the `(start, end)` characters of each token.
        item: int64 `S`, the text or image of each sample; `None` if sample `i` is item `i`.
        token: int32 `S`, the token of its text that a sample is; `None` for whole texts.
        origin: int64, for each text, the text of the data that it is a window of; `None` if texts
            were not split.
        dataset_index: int64, increasing, for each text or image its index into the data set;
            `None` if they are all samples from the first on. A capture that still runs or was
            stopped, and one that left out empty texts, may have gaps.
    """

    count: int
    images: Sequence[np.ndarray] = field(default_factory=list)
    texts: Sequence[str] = field(default_factory=list)
    spans: Sequence[np.ndarray] = field(default_factory=list)
    item: np.ndarray | None = None
    token: np.ndarray | None = None
    origin: np.ndarray | None = None
    dataset_index: np.ndarray | None = None

    def __post_init__(self) -> None:
        # Texts on disk are well formed already, and are read on demand.
        if isinstance(self.texts, list | tuple):
            object.__setattr__(self, "texts", [well_formed(text) for text in self.texts])

    if not TYPE_CHECKING:
        __getattr__ = former_names(
            "Samples",
            place="dataset_index",
            places="dataset_indices",
            rows_at="rows_of",
            marks="fingerprints",
        )

    @property
    def kind(self) -> Literal["image", "text", "none"]:
        """What can be shown of a sample."""
        return "image" if len(self.images) else "text" if len(self.texts) else "none"

    @property
    def source(self) -> np.ndarray:
        """int64 `S`: the text or image that each sample is of. Tokens, positions and windows of one
        text are of that text."""
        return self.sources(np.arange(self.count))

    def sources(self, rows: np.ndarray) -> np.ndarray:
        """`source` of some samples."""
        item = rows if self.item is None else np.asarray(self.item)[rows]
        return item if self.origin is None else np.asarray(self.origin)[item]

    @cached_property
    def background(self) -> Literal["black", "white"] | None:
        """What most images are small grey figures on, as those of MNIST are on black; else `None`.

        Figures on black are shown inverted on a light page. It is one of all images: each looks the
        same wherever it is shown, and beside whichever others.
        """
        judged = evenly_spaced(np.arange(len(self.images)), JUDGED)
        images = [self.images[i] for i in judged.tolist()]
        if 2 * sum(map(is_ink, images)) > len(images):
            return "black"
        return "white" if 2 * sum(map(is_print, images)) > len(images) else None

    def __len__(self) -> int:
        return self.count

    def __repr__(self) -> str:
        noun = {"image": "images", "text": "texts", "none": "samples"}[self.kind]
        if self.token is not None and self.item is not None:
            part = "tokens" if self.kind == "text" else "positions"
            items = len(self.texts) or len(self.images) or int(self.item.max(initial=-1)) + 1
            return f"Samples({self.count:,} {part} of {items:,} {noun})"
        return f"Samples({self.count:,} {noun})"

    def item_of(self, sample: int) -> int:
        """The index of the sample's text or image."""
        return int(sample if self.item is None else self.item[sample])

    def dataset_index_of(self, sample: int) -> tuple[int, int]:
        """A sample's index into the data set, and its token or -1.

        The pair stays the same however much of the data is read.
        """
        item, token = self.item_of(sample), self.token_of(sample)
        index = item if self.dataset_index is None else int(self.dataset_index[item])
        return index, -1 if token is None else token

    def dataset_indices(self, rows: Any) -> np.ndarray:
        """`dataset_index_of` for many rows: int64 `n x 2`."""
        rows = np.asarray(rows, np.int64)
        item = rows if self.item is None else self.item[rows]
        token = np.full(len(rows), -1) if self.token is None else self.token[rows]
        index = item if self.dataset_index is None else self.dataset_index[item]
        return np.stack([index, token], axis=1)

    def rows_of(self, pairs: np.ndarray) -> np.ndarray:
        """The rows of `dataset_indices` pairs (`n x 2`): int64 `n`, -1 for pairs without a row."""
        if self.item is None and self.dataset_index is None:
            present = (pairs[:, 0] < self.count) & (pairs[:, 1] == -1)
            return np.where(present, pairs[:, 0], -1)
        own_pairs = self.dataset_indices(np.arange(self.count))
        candidates = np.flatnonzero(np.isin(own_pairs[:, 0], pairs[:, 0]))
        keys = map(tuple, own_pairs[candidates].tolist())
        row_of = dict(zip(keys, candidates.tolist(), strict=True))
        return np.array([row_of.get(pair, -1) for pair in map(tuple, pairs.tolist())], np.int64)

    def token_of(self, sample: int) -> int | None:
        """The token of its text that `sample` is; `None` for a whole text."""
        return None if self.token is None else int(self.token[sample])

    def take(self, rows: Sequence[int] | np.ndarray) -> Samples:
        """The samples at `rows`. A notebook displays them."""
        items = [self.item_of(int(row)) for row in rows]
        return Samples(
            len(items),
            images=[self.images[i] for i in items] if len(self.images) else [],
            texts=[self.texts[i] for i in items] if len(self.texts) else [],
            spans=[self.spans[i] for i in items] if len(self.spans) else [],
            item=np.arange(len(items)),
            token=None
            if self.token is None
            else np.asarray(self.token)[np.asarray(rows, np.int64)],
            origin=None if self.origin is None else self.origin[items],
            dataset_index=None if self.dataset_index is None else self.dataset_index[items],
        )

    def fingerprints(self) -> list[int]:
        """A 64-bit hash of each text or image; empty if there are none."""
        previews = self.images if len(self.images) else self.texts
        data = (f.encode() if isinstance(f, str) else f.tobytes() for f in previews)
        return [int.from_bytes(hashlib.blake2b(d, digest_size=8).digest(), "little") for d in data]

    def _repr_html_(self) -> str:
        shown = range(min(len(self), SHOWN))
        if self.kind == "image":
            style = "width:56px;height:56px;margin:2px;object-fit:contain;image-rendering:pixelated"
            images = [self.images[self.item_of(i)] for i in shown]
            if self.background == "black":
                style += ";filter:invert(1)"
            previews = "".join(
                f"<img alt='sample {i}' style='{style}' src='{_url(image)}'>"
                for i, image in enumerate(images)
            )
        elif self.kind == "text":
            texts = [self.texts[self.item_of(i)] for i in shown]
            lines = "".join(
                f"<li><bdi dir='auto'>{html.escape(t[:200])}{'…' * (len(t) > 200)}</bdi></li>"
                for t in texts
            )
            previews = f"<ol style='margin:0'>{lines}</ol>"
        else:
            previews = ""
        more = f", the first {SHOWN} shown" if len(self) > SHOWN else ""
        return f"<p>{html.escape(repr(self))}{more}</p><div>{previews}</div>"

    @classmethod
    def of(cls, samples: Any, count: int) -> Samples:
        """Make `Samples` of texts, images, an existing `Samples`, or `None`.

        Raises:
            TypeError: anything else.
            ValueError: not `count` samples.
        """
        if samples is None:
            return cls(count)
        if not isinstance(samples, Samples):
            # A set has no order, so its texts would be beside other rows.
            if isinstance(samples, str | Set | Mapping) or not hasattr(samples, "__iter__"):
                raise TypeError(f"samples must be {_ACCEPTED}, got a {type(samples).__name__}.")
            samples = samples.to_pylist() if hasattr(samples, "to_pylist") else list(samples)
        if len(samples) != count:
            raise ValueError(
                f"samples must have one entry for each of the {count:,} rows of values, got "
                f"{len(samples):,}."
            )
        if isinstance(samples, Samples):
            return samples
        first = samples[0] if count else None
        if isinstance(first, str):
            _require(samples, lambda item: isinstance(item, str), "texts")
            return cls(count, texts=[str(text) for text in samples])
        if count and not _is_image(first):
            raise TypeError(f"samples must hold {_ACCEPTED}, got a {type(first).__name__}.")
        _require(samples, _is_image, "images")
        return cls(count, images=[picture(image) for image in samples])


def _is_image(item: Any) -> bool:
    return getattr(item, "ndim", None) in (2, 3) or hasattr(item, "getbands")


def _require(samples: Sequence[Any], fits: Callable[[Any], bool], kind: str) -> None:
    for i, item in enumerate(samples):
        if not fits(item):
            raise TypeError(f"samples[{i}] is a {type(item).__name__} among {kind}.")


def _url(image: np.ndarray) -> str:
    """A thumbnail as a data URL."""
    from PIL import Image

    out = io.BytesIO()
    small = Image.fromarray(image)
    small.thumbnail((112, 112))
    small.save(out, "PNG")
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
