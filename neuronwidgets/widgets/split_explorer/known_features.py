"""The part of SplitExplorer that compares its concepts with true features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuronwidgets.core.renamed import former_attribute
from neuronwidgets.widgets.base.widget import Widget
from neuronwidgets.widgets.split_explorer.session import SplitSession

if TYPE_CHECKING:
    import numpy as np

    from neuronwidgets.concepts.concepts import Concepts
    from neuronwidgets.concepts.split import Split
    from neuronwidgets.toy.calibration import Calibration


class KnownFeatures(Widget):
    """What a SplitExplorer with `truth` says of its concepts."""

    _session: SplitSession

    @property
    def split(self) -> Split:
        """The split on the screen."""
        raise NotImplementedError

    @property
    def concepts(self) -> Concepts:
        """The concepts on the screen."""
        raise NotImplementedError

    driving = former_attribute("SplitExplorer", "driving", "driving_features")

    @property
    def driving_features(self) -> np.ndarray | None:
        """The true features that drive the neuron: int64 `F`, rows of `truth`; `None` without.

        For a run of the task "absolute", whose features are signed, `N + i` is the negative of
        feature `i`.
        """
        truth = self._session.truth
        return None if truth is None else truth.drivers(self.split)

    @property
    def calibration(self) -> Calibration | None:
        """`concepts` matched with the true features that drive the neuron; `None` without truth.

        As from `toy.calibrate(explorer.concepts.vectors, truth[explorer.driving_features])`. A
        concept whose samples are all zero has no direction: its cosines are 0.
        """
        truth = self._session.truth
        return None if truth is None else truth.calibration(self.concepts)
