"""Reads and writes safetensors files of arrays, and the JSON files that describe them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from neuronwidgets.core.modes import own_modes

DTYPE_NAMES = {
    "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int8": "I8", "uint8": "U8",
    "int32": "I32", "int64": "I64", "float64": "F64",
}  # fmt: skip
"""NumPy's and torch's names of dtypes -> those of safetensors."""
_DTYPES = {name: np.dtype(kind) for kind, name in DTYPE_NAMES.items() if kind != "bfloat16"}
_DTYPES["BF16"] = np.dtype(np.uint16)  # which NumPy has not


def stem_of(path: str | Path) -> Path:
    """The path that a safetensors file and its JSON file share, without the ending of either."""
    path = Path(path)
    return path.with_suffix("") if path.suffix in (".safetensors", ".json") else path


def write_tensors(
    path: str | Path, arrays: Mapping[str, np.ndarray], about: Mapping[str, str] | None = None
) -> Path:
    """Write arrays to a safetensors file, with `about` in its header. Returns the path.

    The folder is made if it is not there. The file appears whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    from safetensors.numpy import save

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_whole(path, save(contiguous, None if about is None else dict(about)))
    return path


@own_modes()
def read_tensors(
    path: str | Path, writer: str, form: str
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays of a safetensors file, and the strings in its header.

    Args:
        writer: the function that wrote it, for messages.
        form: the format that `about["format"]` must name.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or in another format.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise _missing(path, writer)
    try:
        with safe_open(str(path), "numpy") as file:
            about = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is not what {writer} wrote: {error}") from None
    _check_format(path, about.get("format"), form)
    return arrays, about


def write_json(path: str | Path, value: Any) -> Path:
    """Write JSON, UTF-8, indented by one space. Returns the path.

    The folder is made if it is not there. The file appears whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(value, indent=1, ensure_ascii=False).encode())
    return path


def read_json(path: str | Path, writer: str, form: str) -> dict[str, Any]:
    """What `write_json` wrote, with the same arguments and errors as `read_tensors`."""
    try:
        about: dict[str, Any] = json.loads(Path(path).read_text("utf-8"))
        written_format = about.get("format")
    except FileNotFoundError:
        raise _missing(path, writer) from None
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{path} is not what {writer} wrote: {error}") from None
    _check_format(path, written_format, form)
    return about


@own_modes()
def map_tensors(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file, memory-mapped and read-only; bfloat16 as uint16.

    Raises:
        OSError: it cannot be opened.
        ValueError, KeyError: it is damaged; the message says how, and names no file.
    """
    import torch

    size = path.stat().st_size
    if size < 8:
        raise ValueError("it has no header")
    # Unlike `np.memmap`, torch closes the file: a store may have more shards than a process may
    # have files open. (Arrow closes it too, and has all of it read ahead.)
    storage: Any = torch.UntypedStorage.from_file(str(path), shared=False, nbytes=size)
    mapped = torch.empty(0, dtype=torch.uint8).set_(storage).numpy()
    mapped.flags.writeable = False
    length = int.from_bytes(mapped[:8].tobytes(), "little")
    if not 0 < length < size:
        raise ValueError("it has no header")
    header: dict[str, Any] = json.loads(mapped[8 : 8 + length].tobytes())
    arrays = {}
    for name, about in header.items():
        if name == "__metadata__":
            continue
        start, end = about["data_offsets"]
        if 8 + length + end > size:
            raise ValueError(f"it ends at byte {size:,} and should have {8 + length + end:,}")
        data = mapped[8 + length + start : 8 + length + end]
        arrays[name] = data.view(_DTYPES[about["dtype"]]).reshape(tuple(about["shape"]))
    return arrays


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all.

    Raises:
        OSError: it cannot be written; what was there before is kept.
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(data)
            sync(file)
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def sync(file: Any) -> None:
    """Return when all that was written to an open file is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def _missing(path: str | Path, writer: str) -> FileNotFoundError:
    return FileNotFoundError(f"{path} does not exist. Give the path that {writer} wrote.")


def _check_format(path: str | Path, found: object, form: str) -> None:
    if found != form:
        raise ValueError(f"{path} is in the format {found!r}; this version reads {form!r}.")
