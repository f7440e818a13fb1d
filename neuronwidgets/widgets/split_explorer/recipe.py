"""How SplitExplorer splits neurons: one recipe for all that it shows."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.band_samples import check_band
from neuronwidgets.clustering.linkage.engine import METRICS
from neuronwidgets.concepts.defaults import default_min_size
from neuronwidgets.concepts.methods.registry import METHODS, ready
from neuronwidgets.concepts.split import Split, split
from neuronwidgets.widgets.split_explorer.model_use import ModelUse
from neuronwidgets.widgets.split_explorer.sae import SAEFeatures


@dataclass(frozen=True)
class Recipe:
    """How neurons are split.

    Attributes:
        method, settings: how top samples are clustered. The settings go with this method only.
        min_size: the size of the smallest concept; `None`: the default.
        band: the quantiles of the activation between which the samples lie; `None`: the top.
        distinct: which samples count once, see `neuronwidgets.split`.
        use: the model, for methods that run it; `None` without.
        sae: features beside the concepts of every split; `None` without.
    """

    method: str = "ward"
    settings: Mapping[str, Any] = field(default_factory=dict)
    min_size: int | None = None
    band: tuple[float, float] | None = None
    distinct: str | None = "vector"
    use: ModelUse | None = None
    sae: SAEFeatures | None = None

    @classmethod
    def of(cls, split: Split, use: ModelUse | None = None) -> Recipe:
        """The recipe by which `split` was made."""
        settings = dict(split.settings)
        if not settings and split.method in METRICS:
            settings["metric"] = split.metric
        usual = default_min_size(len(split.index))
        plain = split.min_size == usual or (split.chosen is not None and split.min_size < usual)
        min_size = None if plain else split.min_size
        return cls(split.method, settings, min_size, split.band, split.distinct, use)

    def banded(self, band: Any) -> Recipe:
        """The same recipe for another band, two quantiles or `None`.

        Raises:
            ValueError: they are no increasing quantiles from 0 to 1.
        """
        return replace(self, band=None if band is None else check_band(band))

    def beside(self, sae: Any) -> Recipe:
        """The same recipe, with an autoencoder or features beside the concepts.

        Raises:
            ValueError: `sae` is neither.
        """
        return replace(self, sae=SAEFeatures.of(sae))

    def methods(self, shown: str, layer: str) -> list[str]:
        """The method on the screen and all others whose settings are known, in order."""
        able = [name for name in METHODS if name == shown or ready(name, self._known(name, layer))]
        return able if shown in METHODS else [*able, shown]

    def make(
        self, acts: Activations, neuron: Any, top: Any, method: str, metric: str | None
    ) -> Split:
        """Split a neuron, or a direction, by a method."""
        settings = self._known(method, acts.layer)
        if method == self.method:
            settings |= self.settings
        if metric is not None:
            settings["metric"] = metric
        made = split(
            acts, neuron, top, method, min_size=self.min_size, distinct=self.distinct,
            band=self.band, **settings,
        )  # fmt: skip
        # A neuron at rest has no samples: other neurons keep how they were chosen.
        kept = replace(made, band=self.band, distinct=self.distinct)
        return kept if made.at_rest else made

    def _known(self, method: str, layer: str) -> dict[str, Any]:
        """The settings of a method that say how the model runs."""
        return {} if self.use is None else self.use.settings(taken_by(method), layer)


def taken_by(method: str) -> Collection[str]:
    """The names of a method's settings; none of an unknown one."""
    return inspect.signature(METHODS[method]).parameters if method in METHODS else ()
