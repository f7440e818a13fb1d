"""The noun that every room speaks: a layer's activations, and what each row of them was."""

from neuronwidgets.activations.activations import Activations as Activations
from neuronwidgets.activations.choose import how_many as how_many
from neuronwidgets.activations.samples import Samples as Samples
from neuronwidgets.activations.store.shards import StoreError as StoreError
