"""Every neuron of a layer, split in one call."""

from neuronwidgets.concepts.layer.layer import split_layer as split_layer
from neuronwidgets.concepts.layer.result import LayerSplit as LayerSplit
