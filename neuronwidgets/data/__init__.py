"""Whatever users have as data -> batches that a model accepts, and what each row is."""
