"""Which axis of a layer's output is the batch, which the neurons, which positions.

`tracker` follows the axes of a model's inputs through one forward pass, `rules` says what each
torch function does to them, `layout` reads off where a layer's batch and neurons are.
"""

from neuronwidgets.models.axes.layout import Layout as Layout
from neuronwidgets.models.axes.layout import layout_of as layout_of
from neuronwidgets.models.axes.tracker import Tracker as Tracker
