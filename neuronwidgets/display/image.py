"""Converts an image as a user has it into pixels that can be shown."""

from __future__ import annotations

from typing import Any

import numpy as np

_ORIENTATION = 0x0112
"""The EXIF tag for how the camera was held."""


def picture(array: Any) -> np.ndarray:
    """One image as uint8 `H x W` or `H x W x 3`, for people and never for a model.

    Values outside of [0, 1] are scaled by the image's own minimum and maximum.

    Args:
        array: an image of PIL, or an array or tensor that `laid_out` takes.

    Raises:
        ValueError: an array that is no image.
    """
    if is_pil(array):
        array = upright(array)
        plain = array.mode in ("L", "RGB", "F", "I") or array.mode.startswith("I;16")
        array = np.asarray(array if plain else array.convert("RGB"))
    out = laid_out(array)
    if out.dtype == np.uint8:
        return out
    with np.errstate(over="ignore", under="ignore"):
        out = np.nan_to_num(out.astype(np.float32))
        low, high = float(out.min()), float(out.max())
        if low < 0 or high > 1:
            # In float64 the largest and the smallest float32 can be subtracted.
            out = (out - np.float64(low)) / ((high - low) or 1.0)
        return (out * 255).round().astype(np.uint8)


def is_pil(image: Any) -> bool:
    """Whether `image` is an image of PIL."""
    return hasattr(image, "getbands") and hasattr(image, "convert")


def upright(image: Any) -> Any:
    """A PIL image, rotated and mirrored as its EXIF orientation says."""
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:
        return image  # The EXIF is damaged, or its file was closed.
    if orientation not in range(2, 9):
        return image
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)


def laid_out(array: Any) -> np.ndarray:
    """One image with its channels last: `H x W` or `H x W x 3`, values and dtype unchanged.

    Masked pixels become 0 and a fourth channel (alpha) is dropped.

    Args:
        array: an array or tensor, `H x W`, `H x W x C` with 1, 3 or 4 channels, or `C x H x W` with
            1 or 3.

    Raises:
        ValueError: any other shape.
    """
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        array = array.float().numpy() if array.is_floating_point() else array.numpy()
    out = np.ma.filled(array, 0) if isinstance(array, np.ma.MaskedArray) else np.asarray(array)
    if out.ndim == 3 and out.shape[0] in (1, 3) and out.shape[2] not in (1, 3):
        out = np.moveaxis(out, 0, -1)
    if out.ndim == 3 and out.shape[2] == 1:
        out = out[..., 0]
    if out.ndim == 3 and out.shape[2] == 4:
        out = out[..., :3]
    if 0 in out.shape or not (out.ndim == 2 or (out.ndim == 3 and out.shape[2] == 3)):
        raise ValueError(
            f"an image must have the shape H x W, H x W x 3 or 3 x H x W, got {np.shape(array)}."
        )
    return out


PREVIEW_SIDE = 128
"""Pixels of a preview's longer side: enough for a card, and few enough to keep thousands."""


def preview(image: np.ndarray) -> np.ndarray:
    """The result of `picture`, reduced to at most `PREVIEW_SIDE` pixels a side: uint8."""
    if max(image.shape[:2]) <= PREVIEW_SIDE:
        return image
    from PIL import Image

    small = Image.fromarray(image)
    small.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE), Image.Resampling.BOX)
    return np.asarray(small)


def is_ink(image: np.ndarray) -> bool:
    """Whether an image is a small grey figure on black, as those of MNIST are.

    A light page shows such images inverted, as ink on paper.
    """
    return _is_figure(image) and bool(np.median(_border(image)) < 32)


def is_print(image: np.ndarray) -> bool:
    """Whether an image is a small grey figure on white, as print on paper.

    A dark page shows such images inverted.
    """
    return _is_figure(image) and bool(np.median(_border(image)) > 223)


def _is_figure(image: np.ndarray) -> bool:
    return image.ndim == 2 and max(image.shape) <= 32


def _border(image: np.ndarray) -> np.ndarray:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
