"""Edits of a layer's output, as context managers on any module of any model."""

from neuronwidgets.interventions.completions import completing as completing
from neuronwidgets.interventions.directions import DirectionEdit as DirectionEdit
from neuronwidgets.interventions.directions import ablate as ablate
from neuronwidgets.interventions.directions import steer as steer
from neuronwidgets.interventions.evaluate import evaluate_masks as evaluate_masks
from neuronwidgets.interventions.files import load_intervention as load_intervention
from neuronwidgets.interventions.files import save_intervention as save_intervention
from neuronwidgets.interventions.held_out import Answers as Answers
from neuronwidgets.interventions.held_out import HeldOut as HeldOut
from neuronwidgets.interventions.intervention import Intervention as Intervention
from neuronwidgets.interventions.intervention import applied as applied
from neuronwidgets.interventions.masks import NeuronEdit as NeuronEdit
from neuronwidgets.interventions.masks import To as To
from neuronwidgets.interventions.masks import mask_neurons as mask_neurons
from neuronwidgets.interventions.masks import mask_range as mask_range
from neuronwidgets.interventions.meter import Meter as Meter
from neuronwidgets.interventions.passes import Passes as Passes
from neuronwidgets.interventions.perplexity import check_causal as check_causal
from neuronwidgets.interventions.perplexity import losses as losses
from neuronwidgets.interventions.price import Price as Price
from neuronwidgets.interventions.price import price as price
from neuronwidgets.interventions.report import MaskReport as MaskReport
