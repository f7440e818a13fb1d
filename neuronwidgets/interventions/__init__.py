"""Edits of a layer's output as context managers, and what they cost the model."""
