"""Safetensors and JSON files: whole or not there, and refused by name."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from neuronwidgets.core.tensorfile import (
    map_tensors,
    read_json,
    read_tensors,
    write_json,
    write_tensors,
    write_whole,
)

FORM = "neuronwidgets.test/1"
ARRAYS = {
    "square": np.arange(9, dtype=np.float32).reshape(3, 3),
    "codes": np.arange(5, dtype=np.int64),
    "flags": np.array([True, False]),
    "none": np.zeros((0, 4)),
}


def test_arrays_come_back_with_their_dtypes(tmp_path: Path) -> None:
    path = write_tensors(tmp_path / "new" / "x.safetensors", ARRAYS, {"format": FORM, "a": "ü"})
    arrays, about = read_tensors(path, "write", FORM)
    assert about == {"format": FORM, "a": "ü"}
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype


def test_the_bytes_are_those_of_safetensors(tmp_path: Path) -> None:
    write_tensors(tmp_path / "ours", ARRAYS, {"format": FORM})
    save_file(ARRAYS, tmp_path / "theirs", {"format": FORM})
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_arrays_that_are_not_contiguous(tmp_path: Path) -> None:
    path = write_tensors(tmp_path / "x", {"t": ARRAYS["square"].T[::2]}, {"format": FORM})
    np.testing.assert_array_equal(read_tensors(path, "write", FORM)[0]["t"], [[0, 3, 6], [2, 5, 8]])


def test_mapped_arrays_are_equal_and_cannot_be_changed(tmp_path: Path) -> None:
    kept = {name: ARRAYS[name] for name in ("square", "codes", "none")}
    mapped = map_tensors(write_tensors(tmp_path / "x", kept))
    for name, array in kept.items():
        np.testing.assert_array_equal(mapped[name], array)
    with pytest.raises(ValueError, match="read-only"):
        mapped["square"][0] = 1


@pytest.mark.parametrize("kept", [0, 7, 20, 60, -1])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, kept: int) -> None:
    path = write_tensors(tmp_path / "cut", ARRAYS, {"format": FORM})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"cut is not what Thing\.save wrote: "):
        read_tensors(path, "Thing.save", FORM)
    with pytest.raises(ValueError, match=r"header|it ends at byte|[Uu]nterminated|Expecting"):
        map_tensors(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for read in (read_tensors, read_json):
        with pytest.raises(FileNotFoundError, match=r"none does not exist.*Thing\.save wrote"):
            read(tmp_path / "none", "Thing.save", FORM)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_tensors(tmp_path, "Thing.save", FORM)


def test_another_format_is_refused(tmp_path: Path) -> None:
    path = write_tensors(tmp_path / "x", ARRAYS, {"format": "neuronwidgets.test/2"})
    with pytest.raises(ValueError, match=r"x is in the format '.*/2'; this version reads '.*/1'"):
        read_tensors(path, "Thing.save", FORM)
    with pytest.raises(ValueError, match="in the format None"):
        read_tensors(write_tensors(path, ARRAYS), "Thing.save", FORM)
    with pytest.raises(ValueError, match="in the format None"):
        read_json(write_json(path, {"a": 1}), "Thing.save", FORM)


def test_json_comes_back(tmp_path: Path) -> None:
    about = {"format": FORM, "names": ["naïve 🙂"], "sizes": [1, 2]}
    path = write_json(tmp_path / "new" / "about.json", about)
    assert read_json(path, "Thing.save", FORM) == about
    assert "naïve 🙂" in path.read_text("utf-8")


@pytest.mark.parametrize("text", [b"", b"not json", b"[1, 2]", b"\xff\xfe"])
def test_what_is_no_json_object_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "wrong.json").write_bytes(text)
    with pytest.raises(ValueError, match=r"wrong\.json is not what Thing\.save wrote: "):
        read_json(tmp_path / "wrong.json", "Thing.save", FORM)


def test_a_write_that_fails_keeps_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    write_whole(path, b"first")

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        write_whole(path, b"second")
    assert path.read_bytes() == b"first"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
