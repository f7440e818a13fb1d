"""The arguments of SplitExplorer, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from neuronwidgets.concepts.split import Split
from neuronwidgets.widgets.base.given import given
from neuronwidgets.widgets.split_explorer.model_use import ModelUse
from neuronwidgets.widgets.split_explorer.recipe import Recipe, taken_by

if TYPE_CHECKING:
    from neuronwidgets.widgets.split_explorer.truth import Truth


def recipe_of(
    shown: Split | None,
    about_model: Mapping[str, Any],
    own: Mapping[str, Any],
    distinct: str | None,
    **fixed: Any,
) -> Recipe:
    """How the explorer splits.

    Args:
        shown: the split that is opened; `None`: neurons are split anew.
        about_model: the arguments of `ModelUse.of`.
        own: the method's settings.
        distinct: which samples count once; "vector" if it was not given.
        fixed: neuron, top, method, metric, layer, min_size and band, which a split has already.

    Raises:
        ValueError: an argument is given with a split that has it.
    """
    if shown is not None:
        twice = [name for name, value in {**fixed, **own}.items() if value is not None]
        twice += [] if distinct == "vector" else ["distinct"]
        if twice:
            raise ValueError(
                f"{twice[0]}= is given with a split, which has it already: leave it out, or "
                "pass the activations, split.acts, instead of the split."
            )
        # A method that ran the model says how.
        known = {name: shown.settings.get(name) for name in about_model}
        given_now = {name: value for name, value in about_model.items() if value is not None}
        return Recipe.of(shown, ModelUse.of(**{**known, **given_now}))
    method = fixed["method"] or "ward"
    settings = {**own, **({} if fixed["metric"] is None else {"metric": fixed["metric"]})}
    if about_model["model"] is None:
        # A method of the user's own may take data without a model.
        mine = {n: v for n, v in about_model.items() if v is not None and n in taken_by(method)}
        settings |= mine
        about_model = {n: v for n, v in about_model.items() if n not in mine}
    use = ModelUse.of(**about_model)
    return Recipe(method, settings, fixed["min_size"], fixed["band"], distinct, use)


def truth_of(truth: Any, names: Any, neurons: int) -> Truth | None:
    """The true features, if any.

    Raises:
        ValueError: names are given without them.
    """
    if truth is None:
        if names is not None:
            raise ValueError("truth_names is given without truth: there is nothing to name.")
        return None
    # Imported here: it needs torch, which an explorer of plain arrays does not.
    from neuronwidgets.widgets.split_explorer.truth import Truth

    return Truth.of(truth, names, neurons)


def written(recipe: Recipe, about_model: Mapping[str, Any], **named: Any) -> str:
    """The arguments of the explorer that no trait has, as code."""
    own = {name: value for name, value in recipe.settings.items() if name != "metric"}
    code = given("acts", min_size=recipe.min_size, **named, **{**about_model, **own})
    return code if recipe.distinct == "vector" else f"{code}, distinct={recipe.distinct!r}"
