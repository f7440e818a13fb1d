"""Names of layers -> modules, hooks that end with their `with`, and batches of any data."""

from neuronwidgets.models.batch import Batch as Batch
from neuronwidgets.models.batch import Raw as Raw
from neuronwidgets.models.batch import Source as Source
from neuronwidgets.models.batches import batches as batches
from neuronwidgets.models.classes import class_codes as class_codes
from neuronwidgets.models.classes import class_names as class_names
from neuronwidgets.models.classes import logits_of as logits_of
from neuronwidgets.models.hooks import Reader as Reader
from neuronwidgets.models.hooks import evaluating as evaluating
from neuronwidgets.models.hooks import hooked as hooked
from neuronwidgets.models.hooks import undisturbed as undisturbed
from neuronwidgets.models.layers import Layer as Layer
from neuronwidgets.models.layers import Layers as Layers
from neuronwidgets.models.layers import find_layer as find_layer
from neuronwidgets.models.layers import layers as layers
from neuronwidgets.models.outputs import neuron_axis as neuron_axis
from neuronwidgets.models.outputs import replaced as replaced
from neuronwidgets.models.outputs import tensor_of as tensor_of
from neuronwidgets.models.resume import Resume as Resume
from neuronwidgets.models.run import call as call
from neuronwidgets.models.run import move as move
from neuronwidgets.models.run import positions as positions
from neuronwidgets.models.units import UNITS as UNITS
from neuronwidgets.models.units import Unit as Unit
from neuronwidgets.models.units import read_at as read_at
from neuronwidgets.models.units import reduce as reduce
