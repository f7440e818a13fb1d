"""Drag a threshold; see a neuron's concepts split and merge."""
