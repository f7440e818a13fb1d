"""Packs what the layer makes of the boxes for a view."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from neuronwidgets.display.image import laid_out, picture, upright
from neuronwidgets.effects.readings import Reading
from neuronwidgets.widgets.live_probe.states import TokenStates
from neuronwidgets.widgets.live_probe.subject import Subject
from neuronwidgets.widgets.protocol.buffers import pack

MOST_BYTES = 1 << 25
"""Bytes of an image file that is opened: 32 MiB, far above any photograph."""
SIDE = 1024
"""Pixels of the longer side of an image, where the data set's images have no common size."""


def pieces_of(reading: Reading) -> tuple[list[str], list[int]]:
    """The pieces in which a text is shown, and the token that each one stands for.

    Tokens that share a character (bytes of one emoji) are one piece, which stands for the one that
    activates the neuron most. A gap between tokens joins the piece after it.
    """
    pieces: list[str] = []
    tokens: list[int] = []
    written = 0
    for token, (start, end) in enumerate(reading.spans.tolist()):
        if end <= start:
            continue
        if end > written:
            pieces.append(reading.text[written:end])
            tokens.append(token)
            written = end
        elif tokens and reading.activations[token] > reading.activations[tokens[-1]]:
            tokens[-1] = token
    return pieces, tokens


def pack_readings(
    slots: Sequence[tuple[Reading | None, str, str]], subject: Subject, about: dict[str, Any],
    states: Sequence[TokenStates] = (),
) -> bytes:  # fmt: skip
    """The message `readings`.

    Args:
        slots: for each box what was read, the text that was asked for, and a note.
        subject: the neuron.
        about: the rest of the metadata.
        states: for each box its tokens beside chunks and a template; not given: without any.
    """
    concepts = subject.concepts
    values, shares, metas, control = [], [], [], []
    compared: list[dict[str, np.ndarray]] = []
    for box, (reading, asked, note) in enumerate(slots):
        meta: dict[str, Any] = {
            "text": asked, "segments": [], "values": 0, "grid": 0, "peak": -1, "pooled": None,
            "percentile": None, "shares": [], "note": note,
        }  # fmt: skip
        if reading is not None:
            each, each_share = reading.activations, reading.shares
            if asked or reading.tokens:
                pieces, tokens = pieces_of(reading)
                # A layer may have one vector for the whole, or positions that are no tokens.
                kept = tokens if len(each) == len(reading.tokens) else []
                each, each_share = each[kept], each_share[kept]
                compared += [one.tensors(kept) for one in states[box : box + 1]]
                peak = kept.index(reading.peak) if reading.peak in kept else -1
                meta |= {"segments": pieces, "peak": peak}
            else:
                counted = reading.counts
                grid = math.isqrt(int(counted.sum()))
                if grid * grid == counted.sum() and grid > 1:
                    each, each_share = each[counted], each_share[counted]
                    meta |= {"grid": grid, "peak": int(each.argmax())}
                else:
                    each, each_share = each[:0], each_share[:0]
            meta |= {
                "values": len(each), "pooled": reading.pooled,
                "percentile": subject.percentile(reading.pooled),
                "shares": reading.pooled_shares.tolist(),
            }  # fmt: skip
            values.append(each)
            shares.append(each_share)
        metas.append(meta)
        control.append([] if reading is None else reading.control.tolist())
    count = 0 if concepts is None else len(concepts)
    tensors = {
        "value": np.concatenate([np.zeros(0, np.float32), *values]),
        "share": np.concatenate([np.zeros((0, count), np.float32), *shares]),
    }
    for name in compared[0] if compared else ():
        tensors[name] = np.concatenate([one[name] for one in compared if name in one])
    named = [] if concepts is None else zip(concepts.names, concepts.colors, strict=True)
    return pack(tensors, {
        **about,
        "name": subject.name,
        "concepts": [{"name": name, "color": color} for name, color in named],
        "control": control,
        "slots": metas,
    })  # fmt: skip


def as_png(image: Any) -> bytes:
    """An image (PIL, or an array as `Samples` take them) as a PNG file."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture(image)).save(out, "PNG")
    return out.getvalue()


def opened(data: bytes, like: np.ndarray | None) -> tuple[np.ndarray, str]:
    """An image file as the data set's images are: uint8 `H x W` or `H x W x 3`.

    Args:
        data: the file.
        like: an image of the data set, whose size and channels it gets; `None` keeps its own.

    Returns:
        the image, and a sentence on what had to be changed; empty where nothing was.

    Raises:
        ValueError: the file is no image, or too large.
    """
    from PIL import Image, UnidentifiedImageError

    if len(data) > MOST_BYTES:
        raise ValueError(f"the file has {len(data) / 1e6:,.0f} MB: pass an image of at most 32 MB.")
    try:
        image = upright(Image.open(io.BytesIO(data)))
        image.load()
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError):
        raise ValueError("the file is no image that Pillow can read: pass a PNG or JPEG.") from None
    width, height = image.size
    changes = []
    grey = like is not None and like.ndim == 2
    pixels = picture(image)
    # A canvas of the browser has colours, also where all of them are grey.
    if grey and pixels.ndim == 3 and bool((pixels != pixels[..., :1]).any()):
        changes.append("made grey")
    image = Image.fromarray(pixels).convert("L" if grey else "RGB")
    size = None if like is None else (like.shape[1], like.shape[0])
    if size is None and max(image.size) > SIDE:
        scale = SIDE / max(image.size)
        size = max(1, round(width * scale)), max(1, round(height * scale))
    if size is not None and image.size != size:
        smaller = size[0] < width
        image = image.resize(size, Image.Resampling.BOX if smaller else Image.Resampling.BICUBIC)
        changes.insert(0, f"resized from {width} × {height} to {size[0]} × {size[1]}")
    note = f"The image was {' and '.join(changes)}, as the data set's are." if changes else ""
    return laid_out(np.asarray(image)), note
