"""Opens images that the data names by their paths."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from neuronwidgets.data.images import in_colour, prepares_images
from neuronwidgets.data.records import IMAGE_COLUMNS, TEXT_COLUMNS

_ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""Endings of names that are read as images. The data may also name other files, as texts."""
_COLUMNS = (*IMAGE_COLUMNS, "image_path", "path", "file_name", "filename", "file")
"""Columns of records that may name an image."""


def names_image(sample: Any, processor: Any) -> bool:
    """Whether a sample is the path of an image, alone or with its label: a pair or a mapping.

    With a tokenizer, paths that are strings are texts.
    """
    if isinstance(sample, Mapping) and any(column in sample for column in TEXT_COLUMNS):
        return False
    texts = hasattr(processor, "convert_tokens_to_ids") and not prepares_images(processor)
    path = _path(sample)
    return path is not None and not (texts and isinstance(path, str))


def files_in_colour(samples: Iterable[Any]) -> bool:
    """Whether any of the images has colours, by the heads of their files."""
    return any(map(_has_colour, samples))


def opened(samples: Iterable[Any]) -> Iterator[Any]:
    """The samples with images of PIL in place of their paths. Records have it as "image".

    Raises:
        TypeError: a sample that names no image, unlike those before.
        FileNotFoundError: no such file.
    """
    for index, sample in enumerate(samples):
        path = _path(sample)
        if path is None:
            raise TypeError(
                f"sample {index:,} of data is {sample!r:.60}, unlike the first one: no path of an "
                "image."
            )
        image = _open(path, index)
        if isinstance(sample, Mapping):
            rest = {name: value for name, value in sample.items() if value is not path}
            yield {"image": image, **rest}
        else:
            yield (image, *sample[1:]) if isinstance(sample, tuple | list) else image


def _path(sample: Any) -> Any:
    """The path in a sample; `None` if it has none."""
    if isinstance(sample, Mapping):
        sample = next((sample[name] for name in _COLUMNS if name in sample), None)
    elif isinstance(sample, tuple | list):
        if len(sample) != 2 or (isinstance(sample, list) and _path(sample[1]) is not None):
            return None  # a list of paths is a batch of them
        sample = sample[0]
    if not isinstance(sample, str | os.PathLike) or not os.fspath(sample):
        return None
    return sample if str(os.fspath(sample)).lower().endswith(_ENDINGS) else None


def _has_colour(sample: Any) -> bool:
    from PIL import Image

    # What cannot be opened is said when it is read.
    with suppress(OSError), Image.open(_path(sample)) as image:
        return in_colour([image])
    return False


def _open(path: Any, index: int) -> Any:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            image.load()
            return image
    except UnidentifiedImageError as error:
        raise ValueError(f"sample {index:,} of data, {str(path)!r}, is no image: {error}") from None
    except OSError as error:
        kind = FileNotFoundError if isinstance(error, FileNotFoundError) else OSError
        where = "" if os.path.isabs(path) else f", seen from {os.getcwd()!r}"
        raise kind(
            f"sample {index:,} of data is the path of an image, {str(path)!r}, that cannot be "
            f"opened{where}: {error.strerror or error}. Pass paths that exist, or the images."
        ) from None
