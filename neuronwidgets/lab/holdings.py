"""What a kernel holds: captures, widgets, activations and libraries of concepts."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from neuronwidgets.activations.store.matrix import Stored
from neuronwidgets.widgets.base.feed import Feed
from neuronwidgets.widgets.protocol.lab import (
    BackgroundCapture,
    KernelState,
    LibraryState,
    StoreState,
    WidgetState,
)

MOST = 64
"""Containers of the user with more entries than this are not searched for activations: to read them
four times a second would take time from the user's own code."""


class Holdings:
    """What the user's variables and this package's own lists hold.

    Objects are found by type and identity. No code of theirs is run: a property or an `__eq__` of
    the user may do anything.

    Args:
        namespace: the user's variables.
        hidden: variables that were there before the user's, by name.
    """

    def __init__(self, namespace: dict[str, Any], hidden: Mapping[str, Any] | None = None) -> None:
        self._namespace, self._hidden = namespace, hidden or {}
        self._lock = threading.Lock()
        self._numbers = count()
        self._ids: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
        self._sizes: WeakKeyDictionary[Any, tuple[int, int]] = WeakKeyDictionary()

    def state(self) -> KernelState:
        """All of it."""
        with self._lock:
            named = list(self._expressions())
            names = {id(value): name for name, value in reversed(named)}
            return {
                "type": "kernel.state",
                "captures": [self._capture(each, names) for each in captures()],
                "widgets": list(_open_widgets(names)),
                "stores": [self._store(acts, names) for acts in self._stores(named)],
                "libraries": list(_libraries(named, names)),
            }

    def capture(self, name: str) -> Any:
        """The capture with this id.

        Raises:
            ValueError: it does not exist any more.
        """
        return self._by_id(name, captures(), "capture")

    def store(self, name: str) -> Any:
        """The `Activations` with this id.

        Raises:
            ValueError: no variable holds them any more.
        """
        return self._by_id(name, self._stores(list(self._expressions())), "activations")

    def _by_id(self, name: str, objects: list[Any], what: str) -> Any:
        with self._lock:
            for each in objects:
                if self._ids.get(each) == name:
                    return each
        raise ValueError(f"these {what} do not exist any more." if what.endswith("s") else
                         f"this {what} does not exist any more.")  # fmt: skip

    def _expressions(self) -> Iterator[tuple[str, Any]]:
        """The user's variables, then what their containers and split layers hold."""
        named = [
            (name, value)
            for name, value in self._namespace.copy().items()
            if not name.startswith("_") and self._hidden.get(name, _NO_VALUE) is not value
        ]
        yield from named
        layer_split = loaded("neuronwidgets.layer_splits.layer_split", "LayerSplit")
        for name, value in named:
            kind = type(value)
            if kind in (list, tuple) and len(value) <= MOST:
                yield from ((f"{name}[{i}]", item) for i, item in enumerate(value))
            elif kind is dict and len(value) <= MOST:
                items = value.copy().items()
                yield from ((f"{name}[{k!r}]", v) for k, v in items if type(k) in (str, int))
            elif is_a(value, layer_split) and value.acts is not None:
                yield f"{name}.acts", value.acts

    def _stores(self, named: list[tuple[str, Any]]) -> list[Any]:
        """The activations that variables hold, each once."""
        kind = loaded("neuronwidgets.activations.activations", "Activations")
        return list({id(value): value for _, value in named if is_a(value, kind)}.values())

    def _id(self, item: Any) -> str:
        return self._ids.setdefault(item, f"{type(item).__name__}-{next(self._numbers)}")

    def _capture(self, capturing: Any, names: dict[int, str]) -> BackgroundCapture:
        reading = Feed(capturing, capturing.layers[0]).reading()
        path = capturing.path
        return {
            "id": self._id(capturing),
            "layer": ", ".join(capturing.layers),
            "variable": names.get(id(capturing)),
            "state": reading["state"],
            "samples": reading["samples"],
            "total": reading["total"],
            "left": reading["left"],
            "text": reading["text"],
            "bytes": capturing.nbytes,
            "disk": 0 if path is None else self._on_disk(capturing, path),
            "path": None if path is None else str(path),
        }

    def _on_disk(self, capturing: Any, folder: Path) -> int:
        """Bytes of the finished shards, counted anew whenever there are more samples."""
        samples = capturing.reading.samples
        counted, size = self._sizes.get(capturing, (-1, 0))
        if counted != samples:
            size = sum(file.stat().st_size for file in folder.glob("*/*.safetensors"))
            self._sizes[capturing] = samples, size
        return size

    def _store(self, acts: Any, names: dict[int, str]) -> StoreState:
        values = acts.values
        stored = isinstance(values, Stored)
        return {
            "id": self._id(acts),
            "variable": names.get(id(acts)),
            "layer": str(acts.layer),
            "samples": int(values.shape[0]),
            "neurons": int(values.shape[1]),
            "bytes": memory(acts),
            "disk": int(values.nbytes) if stored else 0,
            "path": str(values.folder) if stored and values.folder is not None else None,
        }


_NO_VALUE = object()
"""Is no variable's value."""


def captures() -> list[Any]:
    """The captures in the background that exist."""
    living = loaded("neuronwidgets.capturing.background", "CAPTURES")
    return [] if living is None else living.all()


def loaded(module: str, name: str) -> Any:
    """A name of a module of ours if that has been imported, else `None`.

    An object of a class exists only if its module was imported, which may take seconds.
    """
    return getattr(sys.modules.get(module), name, None)


def is_a(value: Any, kind: Any) -> bool:
    """Whether `value` is of the type `kind`; not if that is `None`.

    `isinstance` would ask `value` itself for its class.
    """
    return kind is not None and issubclass(type(value), kind)


def memory(acts: Any) -> int:
    """Bytes in memory of the arrays of `Activations`: values, labels, indices and images.

    Texts are not counted, nor what is mapped from disk.
    """
    samples = acts.samples
    arrays = [
        acts.labels, acts.excluded, samples.item, samples.token, samples.origin,
        samples.dataset_index,
    ]  # fmt: skip
    values, images = acts.values, samples.images
    kept = values.resident if isinstance(values, Stored) else _bytes(values)
    if isinstance(images, np.ndarray):
        kept += _bytes(images)
    elif type(images) in (list, tuple) and images:
        # To add up a million images four times a second would take too long; most data sets have
        # images of one size.
        kept += len(images) * _bytes(images[0])
    return kept + sum(_bytes(array) for array in arrays)


def _bytes(array: Any) -> int:
    return array.nbytes if isinstance(array, np.ndarray) and not _mapped(array) else 0


def _mapped(array: np.ndarray) -> bool:
    """Whether an array, or the one that it is a view of, is mapped from a file."""
    base: Any = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            return True
        base = base.base
    return False


def _open_widgets(names: dict[int, str]) -> Iterator[WidgetState]:
    """The widgets that pages can show; embedded ones only if a cell shows them by themselves."""
    living = loaded("neuronwidgets.widgets.base.widget", "WIDGETS")
    widgets = [] if living is None else [w for w in living.all() if w.comm is not None]
    parts = {id(widget): widget._parts() for widget in widgets}
    embedded = {id(part) for each in parts.values() for part in each}
    for widget in widgets:
        cell = widget._presence.cell
        if id(widget) in embedded and cell is None:
            continue
        pinned = [n for each in (widget, *parts[id(widget)]) for n in getattr(each, "pinned", ())]
        yield {
            "id": widget.comm.comm_id,
            "kind": type(widget).__name__,
            "title": title(widget),
            "variable": names.get(id(widget)),
            "cell": cell,
            "pinned": pinned,
            "layer": _layer(widget),
        }


def _layer(widget: Any) -> str:
    if widget.has_trait("layer"):
        return str(widget.layer)
    # A widget that is being made has no activations yet.
    return str(getattr(getattr(widget, "acts", None), "layer", ""))


OF_A_LAYER = ("Explorer", "NeuronBrowser")
"""Widgets of a whole layer: without a neuron, none is chosen. In others it is a direction then."""


def title(widget: Any) -> str:
    """What a widget shows: "neuron 17 of relu2"."""
    layer, kind = _layer(widget), type(widget).__name__
    if not layer:
        return kind
    if not widget.has_trait("neuron"):
        return layer
    neuron = None if kind == "NeuronBrowser" else widget.neuron
    if neuron is None:
        return f"neurons of {layer}" if kind in OF_A_LAYER else f"direction of {layer}"
    return f"neuron {neuron} of {layer}"


def _libraries(named: list[tuple[str, Any]], names: dict[int, str]) -> Iterator[LibraryState]:
    kind = loaded("neuronwidgets.libraries.library", "Library")
    found = {id(value): value for _, value in named if is_a(value, kind)}
    for library in found.values():
        entries = list(library.entries)
        yield {
            "variable": names.get(id(library)),
            "concepts": len(entries),
            "names": [str(entry.name) for entry in entries],
        }
