"""What each row of an activation matrix was, and how to show it to a person."""

from __future__ import annotations

import base64
import hashlib
import html
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from neuronwidgets.core.text import well_formed
from neuronwidgets.display.image import is_ink, picture

_NEEDED = "texts or images (arrays or PIL) are what can be shown"

SHOWN = 24


@dataclass(frozen=True, repr=False)
class Samples:
    """`S` samples: images, texts, or tokens of texts, or nothing that can be shown.

    Attributes:
        count: `S`.
        images: one uint8 array per item, `H x W` or `H x W x 3`.
        texts: one string per item; lone surrogates become U+FFFD.
        spans: for each text an int32 array `T x 2`: where in the text each token stands.
        item: int64 `S`, the text or image that a sample belongs to; `None` when it is one each.
        token: int32 `S`, which of the text's tokens a sample is; `None` for whole texts.
        origin: int64, for each text, of which text of the data it is a window; `None` where texts
            were not split.
        place: int64, increasing, which samples of the data the texts or images are; `None` where
            they are all of them from the first on (not so while reading, or where it was stopped).
    """

    count: int
    images: Sequence[np.ndarray] = field(default_factory=list)
    texts: Sequence[str] = field(default_factory=list)
    spans: Sequence[np.ndarray] = field(default_factory=list)
    item: np.ndarray | None = None
    token: np.ndarray | None = None
    origin: np.ndarray | None = None
    place: np.ndarray | None = None

    def __post_init__(self) -> None:
        # What a file holds is well formed, and is read when it is asked for.
        if isinstance(self.texts, list | tuple):
            object.__setattr__(self, "texts", [well_formed(text) for text in self.texts])

    @property
    def kind(self) -> Literal["image", "text", "none"]:
        return "image" if len(self.images) else "text" if len(self.texts) else "none"

    def __len__(self) -> int:
        return self.count

    def __repr__(self) -> str:
        what = {"image": "images", "text": "texts", "none": "samples"}[self.kind]
        if self.token is not None and self.item is not None:
            units = "tokens" if self.kind == "text" else "positions"
            items = len(self.texts) or len(self.images) or int(self.item.max(initial=-1)) + 1
            return f"Samples({self.count:,} {units} of {items:,} {what})"
        return f"Samples({self.count:,} {what})"

    def item_of(self, sample: int) -> int:
        """The text or image that `sample` belongs to."""
        return int(sample if self.item is None else self.item[sample])

    def place_of(self, sample: int) -> tuple[int, int]:
        """Which sample of the data, and which token of it (or -1): the same however much of the
        data was read."""
        item, token = self.item_of(sample), self.token_of(sample)
        place = item if self.place is None else int(self.place[item])
        return place, -1 if token is None else token

    def places(self, rows: Any) -> np.ndarray:
        """`place_of` of many: int64 `n x 2`."""
        rows = np.asarray(rows, np.int64)
        item = rows if self.item is None else self.item[rows]
        token = np.full(len(rows), -1) if self.token is None else self.token[rows]
        return np.stack([item if self.place is None else self.place[item], token], axis=1)

    def rows_at(self, places: np.ndarray) -> np.ndarray:
        """The row of each of `n x 2` places (see `places`): int64 `n`, -1 where there is none."""
        if self.item is None and self.place is None:
            there = (places[:, 0] < self.count) & (places[:, 1] == -1)
            return np.where(there, places[:, 0], -1)
        mine = self.places(np.arange(self.count))
        near = np.flatnonzero(np.isin(mine[:, 0], places[:, 0]))
        at = dict(zip(map(tuple, mine[near].tolist()), near.tolist(), strict=True))
        return np.array([at.get(place, -1) for place in map(tuple, places.tolist())], np.int64)

    def token_of(self, sample: int) -> int | None:
        """Which token of its text `sample` is; `None` for a whole text."""
        return None if self.token is None else int(self.token[sample])

    def take(self, rows: Sequence[int] | np.ndarray) -> Samples:
        """Some of the samples, to look at: in a notebook it shows them."""
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
            place=None if self.place is None else self.place[items],
        )

    def marks(self) -> list[int]:
        """A 64-bit mark of each text or image, equal for equal ones; empty if nothing shows."""
        faces = self.images if len(self.images) else self.texts
        data = (f.encode() if isinstance(f, str) else f.tobytes() for f in faces)
        return [int.from_bytes(hashlib.blake2b(d, digest_size=8).digest(), "little") for d in data]

    def _repr_html_(self) -> str:
        shown = range(min(len(self), SHOWN))
        if self.kind == "image":
            style = "width:56px;height:56px;margin:2px;object-fit:contain;image-rendering:pixelated"
            images = [self.images[self.item_of(i)] for i in shown]
            if 2 * sum(map(is_ink, images)) > len(images):
                style += ";filter:invert(1)"
            faces = "".join(
                f"<img alt='sample {i}' style='{style}' src='{_url(image)}'>"
                for i, image in enumerate(images)
            )
        elif self.kind == "text":
            texts = [self.texts[self.item_of(i)] for i in shown]
            lines = "".join(
                f"<li><bdi dir='auto'>{html.escape(t[:200])}{'…' * (len(t) > 200)}</bdi></li>"
                for t in texts
            )
            faces = f"<ol style='margin:0'>{lines}</ol>"
        else:
            faces = ""
        more = f", the first {SHOWN} shown" if len(self) > SHOWN else ""
        return f"<p>{html.escape(repr(self))}{more}</p><div>{faces}</div>"

    @classmethod
    def of(cls, samples: Any, count: int) -> Samples:
        """Make `Samples` from what users have: texts, images, an existing `Samples`, or `None`."""
        if samples is None:
            return cls(count)
        if not isinstance(samples, Samples):
            if isinstance(samples, str) or not hasattr(samples, "__iter__"):
                raise TypeError(f"samples is a {type(samples).__name__}; {_NEEDED}.")
            samples = samples.to_pylist() if hasattr(samples, "to_pylist") else list(samples)
        found = len(samples)
        if found != count:
            raise ValueError(
                f"samples has {found:,} entries and values has {count:,} rows: one per row is "
                "needed."
            )
        if isinstance(samples, Samples):
            return samples
        first = samples[0] if count else None
        if isinstance(first, str):
            _require(samples, lambda item: isinstance(item, str), "texts")
            return cls(count, texts=[str(text) for text in samples])
        if count and not _is_image(first):
            raise TypeError(f"samples holds a {type(first).__name__}; {_NEEDED}.")
        _require(samples, _is_image, "images")
        return cls(count, images=[picture(image) for image in samples])


def _is_image(item: Any) -> bool:
    return getattr(item, "ndim", None) in (2, 3) or hasattr(item, "getbands")


def _require(samples: Sequence[Any], fits: Callable[[Any], bool], kind: str) -> None:
    for i, item in enumerate(samples):
        if not fits(item):
            raise TypeError(f"samples[{i}] is a {type(item).__name__} among {kind}.")


def _url(image: np.ndarray) -> str:
    from PIL import Image

    out = io.BytesIO()
    small = Image.fromarray(image)
    small.thumbnail((112, 112))
    small.save(out, "PNG")
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
