"""The concept graph that opens from a card: what feeds a concept, as traits and steps."""
