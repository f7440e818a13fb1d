"""Toy models whose true features are known, and their training.

Jermyn, Schiefer, Hubinger, *Engineering Monosemanticity in Toy Models* (arXiv 2211.09169); and
the tied model of Elhage et al. 2022, *Toy Models of Superposition*.
"""

from neuronwidgets.toy.budget import steps_within as steps_within
from neuronwidgets.toy.calibration import Calibration as Calibration
from neuronwidgets.toy.calibration import calibrate as calibrate
from neuronwidgets.toy.config import PRESETS as PRESETS
from neuronwidgets.toy.config import Config as Config
from neuronwidgets.toy.display import Comparison as Comparison
from neuronwidgets.toy.display import compare as compare
from neuronwidgets.toy.log import Log as Log
from neuronwidgets.toy.run import Run as Run
from neuronwidgets.toy.tied import Superposition as Superposition
from neuronwidgets.toy.tied import TiedConfig as TiedConfig
from neuronwidgets.toy.tied import superpose as superpose
from neuronwidgets.toy.training import Progress as Progress
from neuronwidgets.toy.training import Training as Training
from neuronwidgets.toy.training import train as train
from neuronwidgets.toy.training import training as training
