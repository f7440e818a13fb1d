"""Layers by name, hooks as context managers, forward passes and resumed forward passes."""
