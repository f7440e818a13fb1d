"""What a model loses when a concept of a neuron is taken out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.core.checks import integer, number, one_of
from neuronwidgets.core.progress import progress_line
from neuronwidgets.effects.concept_edits import ConceptEdits
from neuronwidgets.effects.concept_effects import ConceptEffects
from neuronwidgets.effects.trial import Trial

OWN = ("label", "retrieved")


def causes(
    concepts: Concepts, model: nn.Module, data: Any, labels: Any = None, *,
    edit: str | Sequence[Any] = "direction", kl: float | None = 0.01, own: str | None = None,
    k: int = 20, draws: int = 3, tau: float = 2.0, top: float = 0.3, seed: int = 0,
    tokenizer: Any = None, transform: Callable[[Any], Any] | None = None,
    predict: Callable[[Any], Any] | None = None,
    classes: Sequence[str] | Mapping[Any, str] | None = None, batch_size: int = 64,
    max_length: int | None = None, neuron_axis: int | None = None, progress: bool = True,
) -> ConceptEffects:  # fmt: skip
    """Take each concept of a neuron out of the model, and measure what held-out samples lose.

    An edit moves the layer's activations at every position, `h + s (edit(h) - h)`. The strength `s`
    is searched for until the mean divergence KL(edited || plain) over other samples is `kl`: of
    those that belong to none of the concepts, or of the siblings' where all belong to some.
    Concepts and controls then cost the rest of the data the same. Beside each concept stand the
    whole neuron (mean ablation) and `draws` random edits of the same kind. The layers below run
    once.

    Args:
        concepts: `split.cut()`.
        model: a classifier or a causal language model.
        data: what `capture` takes, except an iterator. It must not hold the samples that were
            split; texts and images are checked.
        labels: one per sample: the right answers of a classifier. Not given: the data's own;
            without any, the plain model's answers count as right. A language model's right answers
            are the next tokens.
        edit: what is taken out. "direction": the component along the concept's difference from the
            layer's mean becomes the mean's, as `nw.ablate` does. "range": the neuron's activations
            within `tau` standard deviations of the concept's mean become the neuron's mean.
            "members": the same on the concept's `top` salient neurons. Or one `SpanEdit` or
            `DirectionEdit` for each concept, or several of different layers, which then act
            together with one strength.
        kl: the cost, in nats per prediction; `None`: every edit as it is, at strength 1.
        own: a concept's own samples. "label": those of the label that more than half of its top
            samples carry; all others are other samples. "retrieved": the `k` that score highest by
            "cosine"; other samples are the half that scores lowest. A random direction is then
            compared on the samples that it retrieves itself. Not given: by label, where there is
            one.
        k: samples that a concept retrieves.
        draws: random edits. Few leave wide intervals of `above_random`, and one tells nothing.
        tau, top: of "range" and "members", see `nw.mask_range`.
        seed: of the random edits and of the bootstrap.
        tokenizer, transform, batch_size, max_length, neuron_axis: see `capture`.
        predict: the model's output -> logits. Not given: the output's `.logits` or `["logits"]`,
            or the output.
        classes: the names of the model's outputs, see `evaluate_masks`.
        progress: show a line with the progress and the time left.

    Returns:
        A `ConceptEffects`. Its `findings` name the concepts that are not clearly above random
        edits.

    Raises:
        TypeError: something else than concepts.
        ValueError: no concepts, data that hold samples that were split, labels that are no class,
            or a concept to which all samples belong.
    """
    if not isinstance(concepts, Concepts):
        raise TypeError(
            f"concepts must be Concepts, such as split.cut(), got a {type(concepts).__name__}."
        )
    split = concepts.require_split("causes")
    if not len(concepts):
        raise ValueError("the cut has no concepts: take a higher threshold, or a smaller min_size.")
    settings = checked(kl, own, k, draws)
    edits = ConceptEdits(concepts, edit, tau, top, seed)
    trial = Trial(
        model, data, labels, split.acts, edits.layers, **settings, seed=seed, classes=classes,
        tokenizer=tokenizer, transform=transform, predict=predict, batch_size=batch_size,
        max_length=max_length, neuron_axis=neuron_axis,
    )  # fmt: skip
    total = len(concepts) * (2 + draws)
    with progress_line("taking out", total, "edits", progress) as line:
        return trial.measured(concepts, edits, lambda: line.update(1))


def checked(kl: float | None, own: str | None, k: int, draws: int) -> dict[str, Any]:
    """The settings of a `Trial`, checked."""
    if kl is not None:
        kl = number("kl", kl, above=0)
    return {
        "kl": kl, "own": None if own is None else one_of("own", own, OWN),
        "k": integer("k", k, 1), "draws": integer("draws", draws, 1),
    }  # fmt: skip
