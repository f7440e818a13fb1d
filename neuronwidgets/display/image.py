"""One image, from whatever a user has, as pixels that can be shown."""

from __future__ import annotations

from typing import Any

import numpy as np

_ORIENTATION = 0x0112
"""EXIF's tag for how a camera was held."""


def picture(array: Any) -> np.ndarray:
    """One image as uint8 `H x W` or `H x W x 3`, from PIL, `C x H x W` or any value range.

    To be shown, and never for a model: values outside of [0, 1] are stretched, each image by its
    own smallest and largest.
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
            # In float64, in which the largest and smallest float32 can be subtracted.
            out = (out - np.float64(low)) / ((high - low) or 1.0)
        return (out * 255).round().astype(np.uint8)


def is_pil(image: Any) -> bool:
    """Whether this is an image of PIL."""
    return hasattr(image, "getbands") and hasattr(image, "convert")


def upright(image: Any) -> Any:
    """A PIL image as its camera was held: turned or mirrored where its EXIF says so."""
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:
        return image  # EXIF that is damaged, or in a file that was closed, says nothing.
    if orientation not in range(2, 9):
        return image
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)


def laid_out(array: Any) -> np.ndarray:
    """One image as `H x W` or `H x W x 3`, its values as they are, from `H x W [x 1, 3 or 4]` or
    `1 or 3 x H x W`; masked pixels are 0.

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
            f"an array of shape {np.shape(array)} is no image: H x W, H x W x 3 or 3 x H x W is "
            "needed."
        )
    return out


FACE = 128


def face(image: np.ndarray) -> np.ndarray:
    """A picture (see `picture`) as it is kept to be shown: at most 128 pixels a side."""
    if max(image.shape[:2]) <= FACE:
        return image
    from PIL import Image

    small = Image.fromarray(image)
    small.thumbnail((FACE, FACE), Image.Resampling.BOX)
    return np.asarray(small)


def is_ink(image: np.ndarray) -> bool:
    """Whether a picture is a small grey figure on black, as MNIST's and its kin are.

    On a light page such pictures are shown as ink on paper.
    """
    if image.ndim != 2 or max(image.shape) > 32:
        return False
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    return bool(np.median(border) < 32)
