"""In which portions NeuronBrowser does its work."""

from __future__ import annotations

from dataclasses import dataclass

from neuronwidgets.widgets.neuron_browser.messages import MOST_BYTES


@dataclass(frozen=True)
class Batches:
    """How a layer is split bit by bit.

    Attributes:
        neurons: that are split by one call, at most.
        values: numbers of their concept vectors, of which there are about three for each neuron,
            and which are in memory together: 400 MB.
        blocks: of a finished split that are read in one step.
        scored: neurons whose late scores are computed in one step: about a second.
        growth: the trees are sent again with so many times the neurons: in all, three times the
            size of the last message.
        most_bytes: of the trees that are sent.
    """

    neurons: int = 1024
    values: int = 1 << 25
    blocks: int = 4
    scored: int = 32
    growth: float = 1.5
    most_bytes: int = MOST_BYTES


BATCHES = Batches()
