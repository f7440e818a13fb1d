"""Clusters of the contributions of a lower layer, after PURE (arXiv 2404.06453)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from neuronwidgets.activations.retrieval import normalized
from neuronwidgets.clustering.linkage.engine import linkage
from neuronwidgets.concepts.methods.kmeans import clusters
from neuronwidgets.concepts.methods.method import Clustering, TopSamples


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
    """Cluster samples by the reasons for which they activate the neuron.

    Dreyer, Purelku, Vielhaben, Samek, Lapuschkin, *PURE: Turning Polysemantic Neurons Into Pure
    Features by Identifying Relevant Circuits* (2024). The reasons are the `contributions` of a
    lower layer (see the file of that name). Here each sample's contributions are scaled to length 1
    (PURE: to a sum of absolute values of 1) and clustered by Ward's linkage, so that the threshold
    can be dragged; with `k=2` they are clustered by k-means, as in PURE.

    Args:
        model: the model that the activations were captured from.
        below: a layer that the neuron's layer depends on, a name from `named_modules()`.
        data: the data given to `capture`. Not needed for texts and plain images, which the
            activations hold.
        tokenizer, transform, batch_size, max_length, neuron_axis, call: as given to `capture`.
        k: the number of k-means clusters; not given: Ward's tree.

    Raises:
        ValueError: the model gives other activations than those that were captured; the neuron does
            not depend on `below`, or no gradient can be taken.
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
