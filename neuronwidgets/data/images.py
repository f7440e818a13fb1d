"""Images -> batches.

Pixels are scaled by their dtype alone, never by the values of an image. `picture` may stretch the
contrast of an image for display; such images never reach the model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from neuronwidgets.core.arrays import require_unmasked
from neuronwidgets.data.batch import Batch, row_title
from neuronwidgets.display.image import is_pil, laid_out, picture, preview, upright

_KINDS = ("u1", "u2", "b1")
"""Dtypes of images, without their byte order: uint8, uint16, bool. Arrays of other dtypes reach
the model as they are."""


def is_picture(item: Any) -> bool:
    """Whether `item` is one image: PIL, or a uint8, uint16 or bool array or tensor."""
    if is_pil(item):
        return True
    if isinstance(item, torch.Tensor):
        # B x D and B x H x W are ready batches, as a user's own loader gives them.
        fits = item.ndim == 3 and (item.shape[0] in (1, 3) or item.shape[2] in (1, 3, 4))
        return fits and item.dtype in (torch.uint8, torch.uint16, torch.bool)
    return isinstance(item, np.ndarray) and item.ndim in (2, 3) and _kind(item) in _KINDS


def is_one_picture(data: Any) -> bool:
    """Whether `data` is a single image, where a list or array of images must be: PIL, or a uint8
    array with colours, `H x W x 3` or `H x W x 4`. `3 x H x W` may be three grey images."""
    shape = tuple(getattr(data, "shape", ()))
    if is_pil(data) or len(shape) != 3:
        return is_pil(data)
    return "uint8" in str(data.dtype) and shape[2] in (3, 4) and min(shape[:2]) > shape[2]


def described(image: Any) -> str:
    """The size and the kind of an image, for messages."""
    if is_pil(image):
        return f"{image.width} x {image.height} pixels, mode {image.mode}"
    return f"{' x '.join(map(str, image.shape))} {str(image.dtype).removeprefix('torch.')}"


def _kind(array: np.ndarray) -> str:
    """The dtype without its byte order."""
    return array.dtype.str[1:]


def holds_pictures(rows: np.ndarray) -> bool:
    """Whether an array holds images: uint8, uint16 or bool, `N x H x W [x C]`."""
    return rows.ndim in (3, 4) and _kind(rows) in _KINDS


def looks_like_images(shape: tuple[int, ...]) -> bool:
    """Whether a shape is that of a batch of images, channels first or last."""
    return len(shape) == 4 and (shape[1] in (1, 3) or shape[3] in (1, 3))


def in_colour(data: Any) -> bool:
    """Whether any image of a list has colours. If so, all images get three channels."""
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
    dataset_index: np.ndarray | None = None,
    colour: bool = False,
) -> Batch:
    """Make a batch of images.

    `transform` or `processor` prepares them; else they are float32 `B x C x H x W` in [0, 1].

    Args:
        images: PIL images or arrays.
        processor: an image processor; takes uint8.
        transform: a function from the list of images to the model's input.
        dataset_index: int64 `B`, each image's index in the data, for messages.
        colour: whether grey images get three channels.
    """
    images = [upright(image) if is_pil(image) else image for image in images]
    previews = [preview(picture(image)) for image in images]
    if transform is not None:
        return Batch(transform(images), len(images), images=previews)
    arrays = [_pixels(image, dataset_index, i) for i, image in enumerate(images)]
    if processor is not None or colour or len({pixels.ndim for pixels in arrays}) > 1:
        arrays = [p[..., None].repeat(3, 2) if p.ndim == 2 else p for p in arrays]
    if processor is not None:
        _require_images(processor)
        inputs = processor(images=[_bytes(pixels) for pixels in arrays], return_tensors="pt")
        return Batch(dict(inputs), len(images), images=previews)
    shapes = {pixels.shape for pixels in arrays}
    if len(shapes) > 1:
        raise ValueError(
            f"the images have different shapes ({', '.join(map(str, sorted(shapes)[:3]))}): pass "
            "tokenizer=<an image processor> or transform=<a function> that brings them to one size."
        )
    one_dtype = len({pixels.dtype for pixels in arrays}) == 1
    stack = _scaled(np.stack(arrays)) if one_dtype else np.stack([_scaled(p) for p in arrays])
    stack = stack[:, None] if stack.ndim == 3 else np.moveaxis(stack, -1, 1)
    return Batch(torch.from_numpy(np.ascontiguousarray(stack)), len(images), images=previews)


def _is_grey(image: Any) -> bool:
    return image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;16")


def _pixels(image: Any, dataset_index: np.ndarray | None, i: int) -> np.ndarray:
    """Image `i` of a batch as `H x W` or `H x W x 3`: uint8, uint16, bool, or float32 in [0, 1]."""
    if is_pil(image):
        mode = image.mode
        pixels = np.asarray(image if _is_grey(image) else image.convert("RGB"))
        if mode == "F":
            return _within(
                pixels, 1, f"{row_title(dataset_index, i)} is an image of floats (mode F)"
            )
        if mode == "I":
            title = f"{row_title(dataset_index, i)} is an image of 32 bits (mode I)"
            return _within(pixels, 65535, title).astype(np.uint16)
        return pixels
    if isinstance(image, np.ma.MaskedArray):
        require_unmasked(image, row_title(dataset_index, i), "pixel")
    pixels = laid_out(image)
    if _kind(pixels) not in _KINDS:
        raise TypeError(
            f"{row_title(dataset_index, i)} is an array of {pixels.dtype} among images of 8 or 16 "
            "bits: bring them to one dtype."
        )
    return pixels


def _within(pixels: np.ndarray, white: int, what: str) -> np.ndarray:
    """`pixels`, refused unless all are from 0 to `white`."""
    low, high = float(pixels.min(initial=0)), float(pixels.max(initial=0))
    if low >= 0 and high <= white:
        return pixels
    nan_count = np.isnan(pixels).sum()
    values = f"its values reach from {low:.4g} to {high:.4g}"
    problem = f"{nan_count:,} of its pixels are NaN" if nan_count else values
    raise ValueError(
        f"{what}, and {problem}. Its values must be from 0 to {white:,}, so that black and white "
        "are the same in all images: pass transform=<a list of images -> the model's input>."
    )


def _scaled(pixels: np.ndarray) -> np.ndarray:
    """Pixels as float32 in [0, 1]."""
    white = {"u1": 255, "u2": 65535}.get(_kind(pixels), 1)
    return pixels.astype(np.float32) / np.float32(white)


def _bytes(pixels: np.ndarray) -> np.ndarray:
    """Pixels as uint8, for an image processor."""
    if _kind(pixels) == "u1":
        return pixels
    if _kind(pixels) == "u2":
        return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return (pixels * np.float32(255)).round().astype(np.uint8)


def prepares_images(processor: Any) -> bool:
    """Whether `processor` is or has an image processor."""
    return hasattr(getattr(processor, "image_processor", processor), "preprocess")


def _require_images(processor: Any) -> None:
    if hasattr(processor, "convert_tokens_to_ids") and not prepares_images(processor):
        raise ValueError(
            f"data holds images, and tokenizer= is a {type(processor).__name__}, which prepares "
            "texts: pass an image processor, or no tokenizer=."
        )


def pictures(values: Any) -> list[np.ndarray]:
    """The images of a ready batch, for display; none if it holds something else."""
    if not isinstance(values, torch.Tensor) or not looks_like_images(tuple(values.shape)):
        return []
    return [preview(picture(row)) for row in values.detach().cpu()]
