"""Splits of neurons, their cuts into concepts, and the names and scores of these."""

from typing import Any


def __getattr__(name: str) -> Any:
    if name not in ("METHODS", "Clustering", "TopSamples"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from neuronwidgets.concepts.methods import registry
    from neuronwidgets.core.renamed import renamed

    renamed(f"{__name__}.{name}", f"neuronwidgets.{name}")
    return getattr(registry, name)
