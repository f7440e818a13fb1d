"""neuronwidgets: look inside neurons, in a notebook.

The public names load lazily: ``import neuronwidgets`` imports neither torch nor any widget.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neuronwidgets import datasets as datasets
    from neuronwidgets.activations import Activations as Activations
    from neuronwidgets.activations import Samples as Samples
    from neuronwidgets.capture import capture as capture
    from neuronwidgets.concepts import Concepts as Concepts
    from neuronwidgets.concepts import Split as Split
    from neuronwidgets.concepts import label_entropy as label_entropy
    from neuronwidgets.concepts import linkage as linkage
    from neuronwidgets.concepts import split as split
    from neuronwidgets.models import layers as layers
    from neuronwidgets.widgets.split_explorer import SplitExplorer as SplitExplorer

__version__ = "0.1.0"

_HOME = {
    "Activations": "neuronwidgets.activations",
    "Concepts": "neuronwidgets.concepts",
    "Samples": "neuronwidgets.activations",
    "Split": "neuronwidgets.concepts",
    "SplitExplorer": "neuronwidgets.widgets.split_explorer",
    "capture": "neuronwidgets.capture",
    "label_entropy": "neuronwidgets.concepts",
    "layers": "neuronwidgets.models",
    "linkage": "neuronwidgets.concepts",
    "split": "neuronwidgets.concepts",
}

__all__ = [*_HOME, "__version__", "datasets"]


def __getattr__(name: str) -> object:
    if name == "datasets":
        return importlib.import_module("neuronwidgets.datasets")
    if name not in _HOME:
        raise AttributeError(f"module 'neuronwidgets' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """`neuronwidgets.capture` is a room and a function: the function is the public name.

    The import system binds a room to its name in the package; here, not over a public name.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
