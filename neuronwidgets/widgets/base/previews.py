"""Previews of samples, packed for a view: small images in one atlas, texts cut into tokens."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from neuronwidgets.activations.samples import Samples

TILE = 96
"""The longest side of a preview, in pixels."""
SEGMENTS = 64
"""The most tokens of a text that are shown, around its peak."""
CHARACTERS = 400
"""The most characters of a text that are shown without its tokens."""


@dataclass(frozen=True)
class Text:
    """A text as it is shown.

    Attributes:
        segments: its tokens; joined, they are the text.
        values: the activation of each token; empty if not known.
        peak: which segment is the peak; -1 if none is.
        cut: whether they are a part of a longer text.
    """

    segments: list[str]
    values: list[float]
    peak: int
    cut: bool = False


def pack_previews(
    samples: Samples, rows: Sequence[int], texts: Mapping[int, Text]
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Tensors and metadata that show `rows`; `texts` holds those already read token by token."""
    face = np.asarray(rows, np.int32)
    if samples.kind == "image" and len(face):
        images = [samples.images[samples.item_of(row)] for row in rows]
        atlas, meta = _atlas(images, samples.background)
        return {"face": face, "atlas": atlas}, {"kind": "image", "tile": meta}
    if samples.kind == "text" and len(face):
        return pack_texts(
            rows, [texts.get(int(row)) or plain_text(samples, int(row)) for row in rows]
        )
    return {"face": face[:0]}, {"kind": samples.kind}


def pack_texts(
    rows: Sequence[int], shown: Sequence[Text]
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Tensors and metadata that show the texts of `rows`."""
    values = [np.asarray(text.values, np.float32) for text in shown]
    tensors = {
        "face": np.asarray(rows, np.int32),
        "value": np.concatenate([np.zeros(0, np.float32), *values]),
    }
    return tensors, {
        "kind": "text",
        "segments": [text.segments for text in shown],
        "values": [len(text.values) for text in shown],
        "peaks": [text.peak for text in shown],
        "cut": [text.cut for text in shown],
    }


def plain_text(samples: Samples, row: int, *, whole: bool = False) -> Text:
    """A sample's text without activations; for a token, the token is the peak. See `cut_text`."""
    text = samples.texts[samples.item_of(row)]
    token = samples.token_of(row)
    if token is not None and len(samples.spans):
        return cut_text(text, samples.spans[samples.item_of(row)], None, token, whole=whole)
    cut = not whole and len(text) > CHARACTERS
    return Text([text[:CHARACTERS] + "…" if cut else text], [], -1, cut)


def cut_text(
    text: str,
    spans: np.ndarray,
    values: np.ndarray | None,
    peak: int | None = None,
    *,
    whole: bool = False,
) -> Text:
    """Cut a text into its tokens, each with the space before it.

    Tokens that share a character (bytes of one emoji) become one segment. A token without
    characters joins its neighbour. Unless `whole`, at most `SEGMENTS` around the peak are kept.
    """
    most, characters = (len(spans), len(text)) if whole else (SEGMENTS, CHARACTERS)
    if values is not None and peak is None and len(values):
        peak = _peak(spans, values)
    segments: list[str] = []
    numbers: list[float] = []
    written_to, peak_segment = 0, -1
    for i, (start, end) in enumerate(spans[: len(values)] if values is not None else spans):
        if end <= start:
            continue
        value = 0.0 if values is None else float(values[i])
        if end > written_to:
            gap = max(written_to, int(start) - characters)
            segments.append(text[gap:end])
            numbers.append(value)
            written_to = int(end)
        elif numbers:
            numbers[-1] = max(numbers[-1], value)
        if i == peak:
            peak_segment = len(segments) - 1
    if not segments:
        return Text([text[:characters]], [], -1, len(text) > characters)
    first = 0
    if peak_segment >= 0:
        first = max(0, min(peak_segment - most // 2, len(segments) - most))
    last = first + most
    tail = text[written_to:] if last >= len(segments) else "…"
    cut = first > 0 or last < len(segments) or len(tail) > characters
    shown = segments[first:last]
    numbers = numbers[first:last]
    peak_segment -= first
    if first:
        shown, numbers, peak_segment = ["…", *shown], [0.0, *numbers], peak_segment + 1
    if tail:
        shown, numbers = [*shown, tail[:characters]], [*numbers, 0.0]
    return Text(shown, numbers if values is not None else [], peak_segment, cut)


def _peak(spans: np.ndarray, values: np.ndarray) -> int:
    count = min(len(spans), len(values))
    shown = spans[:count, 1] > spans[:count, 0]
    return int(np.where(shown, values[:count], -np.inf).argmax()) if count else -1


def _atlas(
    images: list[np.ndarray], background: Literal["black", "white"] | None
) -> tuple[np.ndarray, dict[str, int]]:
    """Images side by side in one PNG or JPEG, each at most 96 pixels, their aspect kept."""
    from PIL import Image

    # Tiles are no larger than the largest image.
    side = min(TILE, max(max(image.shape[:2]) for image in images))
    color = any(image.ndim == 3 for image in images)
    columns = math.ceil(math.sqrt(len(images)))
    ink, print_ = background == "black", background == "white"
    size = columns * side, -(-len(images) // columns) * side
    sheet = Image.new("RGB", size) if color else Image.new("L", size, 255 if print_ else 0)
    for i, array in enumerate(images):
        image = Image.fromarray(array)
        if max(image.size) > side:
            image.thumbnail((side, side), Image.Resampling.LANCZOS)
        x = (i % columns) * side + (side - image.width) // 2
        y = (i // columns) * side + (side - image.height) // 2
        sheet.paste(image, (x, y))
    out = io.BytesIO()
    if color and side > 40:
        sheet.save(out, "JPEG", quality=88)
    else:
        sheet.save(out, "PNG")
    meta = {
        "side": side,
        "columns": columns,
        "rows": -(-len(images) // columns),
        "ink": ink,
        "print": print_,
    }
    return np.frombuffer(out.getvalue(), np.uint8), meta
