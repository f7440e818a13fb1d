"""One image, from whatever a user has, as pixels that can be shown."""

from __future__ import annotations

from typing import Any

import numpy as np


def picture(array: Any) -> np.ndarray:
    """One image as uint8 `H x W` or `H x W x 3`, from PIL, `C x H x W` or any value range."""
    if hasattr(array, "getbands"):
        plain = ("L", "RGB", "F", "I", "I;16")
        array = np.asarray(array if array.mode in plain else array.convert("RGB"))
    elif hasattr(array, "detach"):
        array = array.detach().cpu()
        array = array.float().numpy() if array.is_floating_point() else array.numpy()
    out = np.asarray(array)
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
    if out.dtype == np.uint8:
        return out
    out = np.nan_to_num(out.astype(np.float32))
    low, high = float(out.min()), float(out.max())
    if low < 0 or high > 1:
        out = (out - low) / ((high - low) or 1.0)
    return (out * 255).round().astype(np.uint8)


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
