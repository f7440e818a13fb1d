"""Names for the concepts of a cut, from labels, texts or any callable."""
