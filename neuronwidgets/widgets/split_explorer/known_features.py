"""The part of SplitExplorer that compares its concepts with true features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuronwidgets.core.renamed import former_attribute
from neuronwidgets.widgets.split_explorer.on_screen import OnScreen

if TYPE_CHECKING:
    import numpy as np

    from neuronwidgets.toy.calibration import Calibration


class KnownFeatures(OnScreen):
    """What a SplitExplorer with `truth` says of its concepts."""

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
