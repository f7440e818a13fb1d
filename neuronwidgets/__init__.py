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
    from neuronwidgets import toy as toy
    from neuronwidgets.activations import Activations as Activations
    from neuronwidgets.activations import Samples as Samples
    from neuronwidgets.activations import StoreError as StoreError
    from neuronwidgets.capture import CaptureError as CaptureError
    from neuronwidgets.capture import Capturing as Capturing
    from neuronwidgets.capture import Coactivation as Coactivation
    from neuronwidgets.capture import Collector as Collector
    from neuronwidgets.capture import Histogram as Histogram
    from neuronwidgets.capture import Moments as Moments
    from neuronwidgets.capture import Reservoir as Reservoir
    from neuronwidgets.capture import Rows as Rows
    from neuronwidgets.capture import Top as Top
    from neuronwidgets.capture import capture as capture
    from neuronwidgets.concepts import Concepts as Concepts
    from neuronwidgets.concepts import LayerSplit as LayerSplit
    from neuronwidgets.concepts import Split as Split
    from neuronwidgets.concepts import label_entropy as label_entropy
    from neuronwidgets.concepts import linkage as linkage
    from neuronwidgets.concepts import singular_directions as singular_directions
    from neuronwidgets.concepts import split as split
    from neuronwidgets.concepts import split_layer as split_layer
    from neuronwidgets.concepts.scores import SCORES as SCORES
    from neuronwidgets.concepts.scores import Neurons as Neurons
    from neuronwidgets.concepts.scores import score as score
    from neuronwidgets.concepts.scores import scores as scores
    from neuronwidgets.interventions import MaskReport as MaskReport
    from neuronwidgets.interventions import ablate as ablate
    from neuronwidgets.interventions import applied as applied
    from neuronwidgets.interventions import evaluate_masks as evaluate_masks
    from neuronwidgets.interventions import load_intervention as load_intervention
    from neuronwidgets.interventions import mask_neurons as mask_neurons
    from neuronwidgets.interventions import mask_range as mask_range
    from neuronwidgets.interventions import price as price
    from neuronwidgets.interventions import save_intervention as save_intervention
    from neuronwidgets.interventions import steer as steer
    from neuronwidgets.models import layers as layers
    from neuronwidgets.ranges import Ranges as Ranges
    from neuronwidgets.ranges import ranges as ranges
    from neuronwidgets.ranges import salient as salient
    from neuronwidgets.ranges import salient_overlap as salient_overlap
    from neuronwidgets.widgets.range_explorer import RangeExplorer as RangeExplorer
    from neuronwidgets.widgets.split_explorer import SplitExplorer as SplitExplorer
    from neuronwidgets.widgets.toy_lab import ToyLab as ToyLab

__version__ = "0.1.0"

_HOME = {
    "Activations": "neuronwidgets.activations",
    "CaptureError": "neuronwidgets.capture",
    "Capturing": "neuronwidgets.capture",
    "Coactivation": "neuronwidgets.capture",
    "Collector": "neuronwidgets.capture",
    "Concepts": "neuronwidgets.concepts",
    "Histogram": "neuronwidgets.capture",
    "LayerSplit": "neuronwidgets.concepts",
    "MaskReport": "neuronwidgets.interventions",
    "Moments": "neuronwidgets.capture",
    "Neurons": "neuronwidgets.concepts.scores",
    "RangeExplorer": "neuronwidgets.widgets.range_explorer",
    "Ranges": "neuronwidgets.ranges",
    "Reservoir": "neuronwidgets.capture",
    "Rows": "neuronwidgets.capture",
    "SCORES": "neuronwidgets.concepts.scores",
    "Samples": "neuronwidgets.activations",
    "Split": "neuronwidgets.concepts",
    "StoreError": "neuronwidgets.activations",
    "SplitExplorer": "neuronwidgets.widgets.split_explorer",
    "Top": "neuronwidgets.capture",
    "ToyLab": "neuronwidgets.widgets.toy_lab",
    "ablate": "neuronwidgets.interventions",
    "applied": "neuronwidgets.interventions",
    "capture": "neuronwidgets.capture",
    "evaluate_masks": "neuronwidgets.interventions",
    "label_entropy": "neuronwidgets.concepts",
    "layers": "neuronwidgets.models",
    "linkage": "neuronwidgets.concepts",
    "load_intervention": "neuronwidgets.interventions",
    "mask_neurons": "neuronwidgets.interventions",
    "mask_range": "neuronwidgets.interventions",
    "price": "neuronwidgets.interventions",
    "ranges": "neuronwidgets.ranges",
    "salient": "neuronwidgets.ranges",
    "salient_overlap": "neuronwidgets.ranges",
    "save_intervention": "neuronwidgets.interventions",
    "score": "neuronwidgets.concepts.scores",
    "scores": "neuronwidgets.concepts.scores",
    "singular_directions": "neuronwidgets.concepts",
    "split": "neuronwidgets.concepts",
    "split_layer": "neuronwidgets.concepts",
    "steer": "neuronwidgets.interventions",
}

_ROOMS = ("datasets", "toy")

__all__ = [*_HOME, *_ROOMS, "__version__"]


def __getattr__(name: str) -> object:
    if name in _ROOMS:
        return importlib.import_module(f"neuronwidgets.{name}")
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
