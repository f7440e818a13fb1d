"""User data of any kind as batches that a model accepts."""
