"""Random bands as a control: does it matter where on the axis a mask is?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neuronwidgets.interventions.masks import HasRanges, NeuronEdit


def random_edit(ranges: HasRanges, edit: NeuronEdit, draw: int) -> NeuronEdit:
    """A mask of the same neurons that replaces as many samples' values, elsewhere on each axis.

    Args:
        ranges: those that `edit` is from.
        edit: a range mask.
        draw: the seed of the places. A neuron's place does not depend on the edit.
    """
    bands = ranges.random_bands(edit.neurons, edit.low, edit.high, draw)
    low, high = np.moveaxis(bands, -1, 0)
    return replace(edit, low=low, high=high)
