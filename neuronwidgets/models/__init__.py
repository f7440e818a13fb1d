"""Layers by name, hooks that end with their `with`, forward passes and resumed ones."""
