"""What a NeuronBrowser is opened with: the arguments, checked, and the scores to compute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.scores import SCORES
from neuronwidgets.concepts.scores.registry import chosen
from neuronwidgets.layer_splits.layer_split import LayerSplit
from neuronwidgets.layer_splits.split_layer import DRAWS, split_layer

CHEAP = ("active", "label_entropy", "wasserstein", "kurtosis", "sparsity", "monosemantic_scale")
"""The scores that the browser computes with the trees, which cost little beside them."""
LATE = ("polysemanticity",)
"""The scores that it computes after the first picture: their null takes several times as long as
everything else."""


def acts_of(given: LayerSplit) -> Activations:
    """The activations of a split layer that can be browsed."""
    if given.acts is None:
        raise ValueError(
            "this layer split was loaded without its activations, which the browser shows: use "
            "LayerSplit.load(folder, acts)."
        )
    if given.kind != "neuron":
        raise ValueError(
            "this layer split is of directions, and the browser shows neurons: pass "
            "Activations.from_arrays(acts.project(directions)) to browse directions."
        )
    if not given.blocks:
        raise ValueError("none of the neurons of this layer split is done yet.")
    return given.acts


def planned(
    acts: Activations, given: LayerSplit | None, running: bool, *, top: int | None,
    method: str | None, metric: str | None, min_size: int | None, scores: Sequence[str] | None,
    draws: int | None,
) -> tuple[dict[str, Any], Sequence[str]]:  # fmt: skip
    """The arguments of `split_layer` by which the browser splits, and the scores after them.

    Raises:
        ValueError, TypeError: they cannot be, or were given with a split layer.
    """
    if given is not None:
        refuse_twice(top=top, method=method, metric=metric, min_size=min_size,
                     scores=scores, draws=draws)  # fmt: skip
    at_once, late = planned_scores(acts, scores)
    splitting: dict[str, Any] = {
        "top": top, "method": method or "ward", "metric": metric, "min_size": min_size,
        "scores": at_once, "draws": DRAWS if draws is None else draws,
    }  # fmt: skip
    if given is None and len(acts) > 1 and not running:
        # It refuses what is wrong before the widget is made.
        split_layer(acts, neurons=[0], stream=True, **splitting)
    return splitting, late


def planned_scores(
    acts: Activations, scores: Sequence[str] | None
) -> tuple[Sequence[str], Sequence[str]]:
    """The scores to compute with the trees, and those after them; `scores` as the user gave them.

    A score that the user took out of the registry is left out.
    """
    if scores is not None:
        return scores, ()
    known = [name for name in (*CHEAP, *LATE) if name in SCORES]
    wanted = [name for name in known if acts.labels is not None or not SCORES[name].labels]
    return (
        tuple(name for name in wanted if name in CHEAP),
        tuple(name for name in wanted if name in LATE),
    )


def score_names(
    acts: Activations, given: LayerSplit | None, scores: Sequence[str]
) -> tuple[str, ...]:
    """The columns of scores that the table has, or will have."""
    if given is not None:
        return tuple(name for name in given.scores if name != "concepts")
    return tuple(
        name for score in chosen(acts, scores) for name in score.columns if name != "concepts"
    )


def refuse_twice(**given: Any) -> None:
    """Refuse arguments that a split layer has already."""
    twice = [name for name, value in given.items() if value is not None]
    if twice:
        raise ValueError(
            f"{twice[0]}= is given with a layer split, which has it already: leave it out, or pass "
            "the activations, layer.acts, instead."
        )
