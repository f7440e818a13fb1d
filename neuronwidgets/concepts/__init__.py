"""Activations -> Split -> Concepts: linkage, cut, concept vectors, scores."""

from neuronwidgets.concepts.concepts import Concepts as Concepts
from neuronwidgets.concepts.layer import LayerSplit as LayerSplit
from neuronwidgets.concepts.layer import split_layer as split_layer
from neuronwidgets.concepts.linkage import linkage as linkage
from neuronwidgets.concepts.methods import METHODS as METHODS
from neuronwidgets.concepts.methods import Clustering as Clustering
from neuronwidgets.concepts.methods import TopSamples as TopSamples
from neuronwidgets.concepts.scores import label_entropy as label_entropy
from neuronwidgets.concepts.singular import SingularDirections as SingularDirections
from neuronwidgets.concepts.singular import singular_directions as singular_directions
from neuronwidgets.concepts.split import Split as Split
from neuronwidgets.concepts.split import split as split
from neuronwidgets.concepts.tree import Tree as Tree
