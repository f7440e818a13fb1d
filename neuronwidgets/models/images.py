"""Images -> batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from neuronwidgets.models.batch import Batch
from neuronwidgets.picture import face, picture


def is_picture(item: Any) -> bool:
    """A PIL image or a uint8 array of one image."""
    if hasattr(item, "getbands") and hasattr(item, "convert"):
        return True
    return isinstance(item, np.ndarray) and item.dtype == np.uint8 and item.ndim in (2, 3)


def looks_like_images(shape: tuple[int, ...]) -> bool:
    """The shape of a batch of images, channels first or last."""
    return len(shape) == 4 and (shape[1] in (1, 3) or shape[3] in (1, 3))


def of_images(images: list[Any], processor: Any, transform: Callable[[Any], Any] | None) -> Batch:
    """Images of any kind, prepared by `transform` or `processor`, else float in [0, 1]."""
    if transform is not None:
        made = transform(images)
        return Batch(made, len(images), images=[face(picture(image)) for image in images])
    pictures = [picture(image) for image in images]
    faces = [face(image) for image in pictures]
    if processor is not None:
        made = processor(
            images=[np.atleast_3d(p).repeat(3, 2) if p.ndim == 2 else p for p in pictures],
            return_tensors="pt",
        )
        return Batch(dict(made), len(images), images=faces)
    shapes = {p.shape for p in pictures}
    if len(shapes) > 1:
        raise ValueError(
            f"the images have different shapes ({', '.join(map(str, sorted(shapes)[:3]))}): pass "
            "tokenizer=<an image processor> or transform=<a function> that brings them to one size."
        )
    stack = np.stack(pictures).astype(np.float32) / 255
    stack = stack[:, None] if stack.ndim == 3 else np.moveaxis(stack, -1, 1)
    return Batch(torch.from_numpy(np.ascontiguousarray(stack)), len(images), images=faces)


def pictures(values: Any) -> list[np.ndarray]:
    """The images in a batch that came ready for the model, to be shown; none if it holds others."""
    if not isinstance(values, torch.Tensor) or not looks_like_images(tuple(values.shape)):
        return []
    return [face(picture(row)) for row in values.detach().float().cpu().numpy()]
