"""Clusters of what a neuron does to the model's outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from neuronwidgets.activations.retrieval import normalized
from neuronwidgets.clustering.linkage.engine import linkage
from neuronwidgets.concepts.methods.kmeans import clusters
from neuronwidgets.concepts.methods.method import Clustering, TopSamples
from neuronwidgets.core.checks import one_of


def effect(
    given: TopSamples,
    *,
    model: Any,
    data: Any = None,
    order: str = "first",
    outputs: Callable[[Any], Any] | None = None,
    tokenizer: Any = None,
    transform: Callable[[Any], Any] | None = None,
    batch_size: int = 64,
    max_length: int | None = None,
    neuron_axis: int | None = None,
    call: int | None = None,
    k: int | None = None,
) -> Clustering:
    """Cluster samples by what the neuron does to the model's outputs there.

    The effect on a sample is the change of all outputs between the neuron at its activation and at
    its mean over all samples (see `output_changes` in the file of that name). It is scaled to
    length 1, so that its direction counts: which outputs rise and which fall. Ward's linkage
    clusters the effects; with `k` k-means does. Gandelsman, Efros, Steinhardt, *Interpreting the
    Second-Order Effects of Neurons in CLIP* (2025) describe neurons by such output vectors; here
    they are clustered.

    Args:
        model: the model that the activations were captured from.
        data: the data given to `capture`. Not needed for texts and plain images, which the
            activations hold.
        order: "first": the gradient of each output times the neuron's activation above its mean,
            one backward pass for each output (at most 1,024). "exact": the model is resumed with
            the neuron at its mean, one pass.
        outputs: the model's output -> a tensor `B x O`. Not given: the logits, less their mean over
            classes, which no probability depends on; of a language model those of the sample's
            token, or of the text's last; of an encoder without logits its hidden states at the
            token, or their mean over the text.
        tokenizer, transform, batch_size, max_length, neuron_axis, call: as given to `capture`.
        k: the number of k-means clusters; not given: Ward's tree.

    Raises:
        ValueError: the model gives other activations than those that were captured; the outputs do
            not depend on the layer, or are too many for order="first".
    """
    from neuronwidgets.concepts.methods.output_changes import output_changes

    one_of("order", order, ("first", "exact"))
    points = normalized(
        output_changes(
            given, model, data, order=order, outputs=outputs, processor=tokenizer,
            transform=transform, batch_size=batch_size, max_length=max_length, axis=neuron_axis,
            call=call,
        )
    )  # fmt: skip
    if k is not None:
        return replace(clusters(points, k), points=points)
    return Clustering(linkage(points, "ward"), points)
