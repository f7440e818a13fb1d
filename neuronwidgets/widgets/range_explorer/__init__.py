"""Drag a range of a neuron's activation; see what masking it costs the model."""
