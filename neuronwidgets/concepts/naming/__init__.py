"""Names for the concepts of a cut: from labels, from text, from any callable."""
