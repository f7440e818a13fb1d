"""Overviews of a layer: a row for each neuron, a map, and search."""
