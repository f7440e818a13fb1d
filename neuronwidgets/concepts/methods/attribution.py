"""Clusters of what the layer below contributed: PURE's idea (arXiv 2404.06453)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from neuronwidgets.clustering.linkage.engine import linkage
from neuronwidgets.concepts.methods.kmeans import clusters
from neuronwidgets.concepts.methods.method import Clustering, TopSamples
from neuronwidgets.concepts.retrieval import normalized


def attribution(
    given: TopSamples,
    *,
    model: Any,
    below: str,
    data: Any = None,
    tokenizer: Any = None,
    transform: Callable[[Any], Any] | None = None,
    batch_size: int = 64,
    max_length: int | None = None,
    neuron_axis: int | None = None,
    call: int | None = None,
    k: int | None = None,
) -> Clustering:
    """Samples that fire a neuron for the same reason are together, however they look in its layer.

    Dreyer, Purelku, Vielhaben, Samek, Lapuschkin, *PURE: Turning Polysemantic Neurons Into Pure
    Features by Identifying Relevant Circuits* (2024). What is measured: `contributions`, in the
    file of that name. Here each sample's are brought to length 1 (PURE: to a sum of absolute values
    of 1) and clustered by Ward's linkage, so that the threshold can be dragged; with `k=2` by
    k-means, as in PURE.

    Args:
        model: that the activations were captured from.
        below: a layer that the neuron's own depends on, a name from `named_modules()`.
        data: what `capture` was given; not needed for texts and plain images, which the activations
            hold themselves.
        tokenizer, transform, batch_size, max_length, neuron_axis, call: as `capture` was given.
        k: how many clusters k-means makes; not given: Ward's tree.

    Raises:
        ValueError: the model does not answer as it did when the activations were captured; the
            neuron does not depend on `below`, or no gradient can be taken.
    """
    from neuronwidgets.concepts.methods.contributions import contributions

    points = normalized(
        contributions(
            given, model, below, data, processor=tokenizer, transform=transform,
            batch_size=batch_size, max_length=max_length, axis=neuron_axis, call=call,
        )
    )  # fmt: skip
    if k is not None:
        return replace(clusters(points, k), points=points)
    return Clustering(linkage(points, "ward"), points)
