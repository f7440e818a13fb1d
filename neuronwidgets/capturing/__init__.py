"""Reads data through a model into `Activations` or collectors."""
