"""Sizes of the workshop notebooks' long steps, for the speed of this machine.

A notebook promises that no step takes much longer than half a minute. `sizes` measures once how
fast this machine is, and chooses the largest size of each step that keeps the promise. Each size
shows what the notebook says.
"""

from neuronwidgets.workshop.notebooks import Size as Size
from neuronwidgets.workshop.sizing import Sizes as Sizes
from neuronwidgets.workshop.sizing import sizes as sizes
