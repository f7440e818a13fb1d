"""Compares what widgets send with the schema."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import anywidget
import numpy as np

from neuronwidgets.widgets.protocol import schema
from neuronwidgets.widgets.protocol.binary import Binary, Elements
from neuronwidgets.widgets.protocol.buffers import unpack

FILES = ("image", "other_image")
"""Traits that are files, not messages."""
SCHEMAS = {widget.name: widget for widget in schema.WIDGETS}
JSON_TYPES: dict[Any, tuple[type, ...]] = {
    int: (int,), float: (int, float), str: (str,), bool: (bool,), type(None): (type(None),),
}  # fmt: skip


def mismatches(value: Any, hint: Any, where: str) -> Iterator[str]:
    """How a JSON value differs from its type; nothing where it does not."""
    plain, _ = schema.about(hint)
    origin, inner = get_origin(plain), get_args(plain)
    if typing.is_typeddict(plain):
        yield from _object(value, plain, where)
    elif origin is typing.Annotated:
        (names,) = (mark.names for mark in inner[1:] if isinstance(mark, Elements))
        if isinstance(value, list) and len(value) != len(names):
            yield f"{where} has {len(value)} elements, not {names}"
        yield from mismatches(value, inner[0], where)
    elif origin is Literal:
        if value not in inner:
            yield f"{where} is {value!r}, not one of {inner}"
    elif origin is list:
        yield from _items(value, inner[0], where)
    elif origin is dict:
        if not isinstance(value, dict):
            yield f"{where} is a {type(value).__name__}, not a dict"
            return
        for key, item in value.items():
            yield from mismatches(key, inner[0], f"a key of {where}")
            yield from mismatches(item, inner[1], f"{where}[{key!r}]")
    elif len(members := schema.alternatives(plain)) > 1:
        each = [list(mismatches(value, member, where)) for member in members]
        if all(each):
            yield min(each, key=len)[0]
    elif type(value) not in JSON_TYPES[plain]:
        yield f"{where} is a {type(value).__name__}, not {plain.__name__}"


def _object(value: Any, shape: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is a {type(value).__name__}, not {shape.__name__}"
        return
    known = {name: (hint, required) for name, hint, _, required in schema.fields(shape)}
    yield from (f"{where} has the unknown key {name!r}" for name in value if name not in known)
    for name, (hint, required) in known.items():
        if name in value:
            yield from mismatches(value[name], hint, f"{where}.{name}")
        elif required:
            yield f"{where} lacks {name!r}"


def _items(value: Any, hint: Any, where: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{where} is a {type(value).__name__}, not a list"
        return
    for i, item in enumerate(value):
        yield from mismatches(item, hint, f"{where}[{i}]")


def strict(text: str) -> Any:
    """JSON as browsers read it: NaN and Infinity are refused."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def binary_mismatches(data: bytes, binary: Binary) -> Iterator[str]:
    """How a binary message differs from its description."""
    arrays, meta = unpack(data)
    yield from mismatches(strict(json.dumps(meta)), binary.meta, "meta")
    runs = [str(r) for r in range(len(meta["runs"]))] if binary.per_run else [""]
    known = {f"{name}{run}" for name in binary.arrays for run in runs}
    yield from (f"the array {name!r} is unknown" for name in arrays if name not in known)
    for run in runs:
        own = {n: arrays[f"{n}{run}"] for n in binary.arrays if f"{n}{run}" in arrays}
        yield from array_mismatches(own, binary)


def array_mismatches(arrays: dict[str, np.ndarray], binary: Binary) -> Iterator[str]:
    sizes: dict[str, int] = {}
    shapes = {name: binary.arrays[name].shape.strip("()").split(",") for name in binary.arrays}
    shapes = {name: [part.strip() for part in parts if part] for name, parts in shapes.items()}
    for name, array in arrays.items():
        sizes |= {part: size for part, size in zip(shapes[name], array.shape, strict=False)
                  if part.isalpha()}  # fmt: skip
    for name, about in binary.arrays.items():
        if name not in arrays:
            if not about.absent:
                yield f"the array {name!r} is absent"
            continue
        array = arrays[name]
        if array.dtype != np.dtype(about.dtype):
            yield f"{name} is {array.dtype}, not {about.dtype}"
        # Sizes such as "2 * n - 1" follow from those that stand alone elsewhere.
        known = all(part.strip("0123456789*+- ") in {"", *sizes} for part in shapes[name])
        wanted = tuple(eval(part, {}, sizes) for part in shapes[name]) if known else array.shape
        if array.shape != wanted:
            yield f"{name} has the shape {array.shape}, not {about.shape} = {wanted}"


def widget_mismatches(widget: Any) -> list[str]:
    """How the traits and binary messages of a widget differ from its schema."""
    about = SCHEMAS[type(widget).__name__]
    state = widget.get_state()
    foreign = {*anywidget.AnyWidget.class_trait_names(sync=True), "_esm", "_css", "_anywidget_id"}
    state = {name: value for name, value in state.items() if name not in foreign}
    found: list[str] = []
    json_traits = {}
    for name, hint, *_ in schema.fields(about.traits):
        if name in FILES:
            assert state.pop(name)[:4] in (b"", b"\x89PNG")
        elif hint is bytes:
            carried = [m for m in about.messages.values() if m.trait == name]
            assert len(carried) == 1, f"{name} carries {len(carried)} messages"
            if data := bytes(state.pop(name)):
                found += binary_mismatches(data, carried[0])
        elif name in state:
            json_traits[name] = state.pop(name)
    found += [f"the trait {name!r} is unknown" for name in state]
    told = [(name, hint) for name, hint, *_ in schema.fields(about.traits) if hint is not bytes]
    found += [f"the trait {name!r} is absent" for name, _ in told if name not in json_traits]
    for name, hint in told:
        if name in json_traits:
            found += mismatches(strict(json.dumps(json_traits[name])), hint, name)
    return found
