"""Images -> batches.

What a model is given is on a scale that no image decides: what is shown of it (`picture`) may be
stretched, and never gets here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from neuronwidgets.core.arrays import require_unmasked
from neuronwidgets.data.batch import Batch, which
from neuronwidgets.display.image import is_pil, laid_out, picture, preview, upright

_KINDS = ("u1", "u2", "b1")
"""Arrays of uint8, uint16 and bool are images; all other arrays are what the model takes."""


def is_picture(item: Any) -> bool:
    """A PIL image, or a uint8, uint16 or bool array or tensor of one image."""
    if is_pil(item):
        return True
    if isinstance(item, torch.Tensor):
        # B x D and B x H x W are ready batches, as loaders of one's own give them.
        fits = item.ndim == 3 and (item.shape[0] in (1, 3) or item.shape[2] in (1, 3, 4))
        return fits and item.dtype in (torch.uint8, torch.uint16, torch.bool)
    return isinstance(item, np.ndarray) and item.ndim in (2, 3) and _kind(item) in _KINDS


def _kind(array: np.ndarray) -> str:
    """The dtype in either order of bytes."""
    return array.dtype.str[1:]


def holds_pictures(rows: np.ndarray) -> bool:
    """Whether an array is one of images: uint8, uint16 or bool, `N x H x W [x C]`."""
    return rows.ndim in (3, 4) and _kind(rows) in _KINDS


def looks_like_images(shape: tuple[int, ...]) -> bool:
    """The shape of a batch of images, channels first or last."""
    return len(shape) == 4 and (shape[1] in (1, 3) or shape[3] in (1, 3))


def in_colour(data: Any) -> bool:
    """Whether any image in a list has colours: then all of them are given three channels."""
    if not isinstance(data, list | tuple):
        return False
    for item in data:
        image = item[0] if isinstance(item, tuple) and item else item
        if is_pil(image):
            if not _is_grey(image):
                return True
        elif is_picture(image) and image.ndim == 3 and {*image.shape[::2]} & {3, 4}:
            return True
    return False


def of_images(
    images: Sequence[Any],
    processor: Any,
    transform: Callable[[Any], Any] | None,
    place: np.ndarray | None = None,
    colour: bool = False,
) -> Batch:
    """Images of any kind, prepared by `transform` or `processor`, else float32 in [0, 1],
    `B x C x H x W`.

    `place` says which samples of the data they are; `colour` whether grey ones among them have
    three channels.
    """
    images = [upright(image) if is_pil(image) else image for image in images]
    faces = [preview(picture(image)) for image in images]
    if transform is not None:
        return Batch(transform(images), len(images), images=faces)
    found = [_pixels(image, place, i) for i, image in enumerate(images)]
    if processor is not None or colour or len({pixels.ndim for pixels in found}) > 1:
        found = [p[..., None].repeat(3, 2) if p.ndim == 2 else p for p in found]
    if processor is not None:
        _require_images(processor)
        made = processor(images=[_bytes(pixels) for pixels in found], return_tensors="pt")
        return Batch(dict(made), len(images), images=faces)
    shapes = {pixels.shape for pixels in found}
    if len(shapes) > 1:
        raise ValueError(
            f"the images have different shapes ({', '.join(map(str, sorted(shapes)[:3]))}): pass "
            "tokenizer=<an image processor> or transform=<a function> that brings them to one size."
        )
    same = len({pixels.dtype for pixels in found}) == 1
    stack = _shares(np.stack(found)) if same else np.stack([_shares(pixels) for pixels in found])
    stack = stack[:, None] if stack.ndim == 3 else np.moveaxis(stack, -1, 1)
    return Batch(torch.from_numpy(np.ascontiguousarray(stack)), len(images), images=faces)


def _is_grey(image: Any) -> bool:
    return image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;16")


def _pixels(image: Any, place: np.ndarray | None, i: int) -> np.ndarray:
    """Image `i` of a batch as `H x W` or `H x W x 3`: uint8, uint16, bool, or float32 in [0, 1]."""
    if is_pil(image):
        mode = image.mode
        out = np.asarray(image if _is_grey(image) else image.convert("RGB"))
        if mode == "F":
            return _within(out, 1, f"{which(place, i)} is a picture of floats (mode F)")
        if mode == "I":
            what = f"{which(place, i)} is a picture of 32 bits (mode I)"
            return _within(out, 65535, what).astype(np.uint16)
        return out
    if isinstance(image, np.ma.MaskedArray):
        require_unmasked(image, which(place, i), "pixel")
    out = laid_out(image)
    if _kind(out) not in _KINDS:
        raise TypeError(
            f"{which(place, i)} is an array of {out.dtype} among images of 8 or 16 bits: bring "
            "them to one dtype."
        )
    return out


def _within(pixels: np.ndarray, most: int, what: str) -> np.ndarray:
    low, high = float(pixels.min(initial=0)), float(pixels.max(initial=0))
    if low >= 0 and high <= most:
        return pixels
    bad = np.isnan(pixels).sum()
    reach = f"its values reach from {low:.4g} to {high:.4g}"
    found = f"{bad:,} of its pixels are NaN" if bad else reach
    raise ValueError(
        f"{what}, and {found}; from 0 to {most:,} is needed, so that black and white are the same "
        "for all: pass transform=<a list of images -> the model's input>."
    )


def _shares(pixels: np.ndarray) -> np.ndarray:
    """Pixels as float32 in [0, 1]."""
    most = {"u1": 255, "u2": 65535}.get(_kind(pixels), 1)
    return pixels.astype(np.float32) / np.float32(most)


def _bytes(pixels: np.ndarray) -> np.ndarray:
    """Pixels as uint8, for an image processor."""
    if _kind(pixels) == "u1":
        return pixels
    if _kind(pixels) == "u2":
        return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return (pixels * np.float32(255)).round().astype(np.uint8)


def prepares_images(processor: Any) -> bool:
    """Whether this is an image processor, or has one."""
    return hasattr(getattr(processor, "image_processor", processor), "preprocess")


def _require_images(processor: Any) -> None:
    if hasattr(processor, "convert_tokens_to_ids") and not prepares_images(processor):
        raise ValueError(
            f"data is images, and tokenizer= is a {type(processor).__name__}, which prepares "
            "texts: pass an image processor, or leave it out."
        )


def pictures(values: Any) -> list[np.ndarray]:
    """The images in a batch that came ready for the model, to be shown; none if it holds others."""
    if not isinstance(values, torch.Tensor) or not looks_like_images(tuple(values.shape)):
        return []
    return [preview(picture(row)) for row in values.detach().cpu()]
