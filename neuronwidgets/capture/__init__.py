"""Model + data -> Activations."""

from neuronwidgets.capture.capture import capture as capture
