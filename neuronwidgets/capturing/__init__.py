"""Model + data -> Activations, or what collectors keep."""
