"""Names for the concepts of a cut: from labels, from text, from any callable."""

from neuronwidgets.concepts.naming.naming import Naming as Naming
from neuronwidgets.concepts.naming.naming import named as named
from neuronwidgets.concepts.naming.plan import Plan as Plan
from neuronwidgets.concepts.naming.plan import plan as plan
