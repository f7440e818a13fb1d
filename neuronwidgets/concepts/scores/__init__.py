"""Scores of neurons, in one registry."""

from neuronwidgets.concepts.scores import activation as activation
from neuronwidgets.concepts.scores import polysemanticity as polysemanticity
from neuronwidgets.concepts.scores import semantics as semantics
from neuronwidgets.concepts.scores.labels import entropy as entropy
from neuronwidgets.concepts.scores.labels import label_entropy as label_entropy
from neuronwidgets.concepts.scores.labels import majority as majority
from neuronwidgets.concepts.scores.labels import most_mixed as most_mixed
from neuronwidgets.concepts.scores.neurons import Neurons as Neurons
from neuronwidgets.concepts.scores.registry import SCORES as SCORES
from neuronwidgets.concepts.scores.registry import Column as Column
from neuronwidgets.concepts.scores.registry import score as score
from neuronwidgets.concepts.scores.registry import scores as scores

# The order of columns in a table: the most used scores first.
for _name in (
    "polysemanticity",
    "concepts",
    "active",
    "label_entropy",
    "wasserstein",
    "kurtosis",
    "sparsity",
    "monosemantic_scale",
    "clarity",
    "redundancy",
    "similarity",
):
    SCORES[_name] = SCORES.pop(_name)
