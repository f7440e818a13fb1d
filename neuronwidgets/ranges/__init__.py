"""Activations + labels -> Ranges: per-class intervals of every neuron, saliency, overlap.

Haider, Rizwan, Sajjad, Ju, Siddique, *Neurons Speak in Ranges* (arXiv 2502.06809).
"""

from neuronwidgets.ranges.ranges import Ranges as Ranges
from neuronwidgets.ranges.ranges import labelled as labelled
from neuronwidgets.ranges.ranges import ranges as ranges
from neuronwidgets.ranges.saliency import Salient as Salient
from neuronwidgets.ranges.saliency import salient as salient
from neuronwidgets.ranges.saliency import salient_overlap as salient_overlap
