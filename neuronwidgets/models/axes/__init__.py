"""Finds the axes of batch, neurons and positions in a layer's output.

`tracker` follows the axes of a model's inputs through one forward pass, `rules` holds what each
torch function does to them, and `layout` reads a layer's batch axis and neuron axis off them.
"""

from neuronwidgets.models.axes.layout import Layout as Layout
from neuronwidgets.models.axes.layout import layout_of as layout_of
from neuronwidgets.models.axes.tracker import Tracker as Tracker
