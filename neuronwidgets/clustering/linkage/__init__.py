"""Hierarchical clustering. README.md leads through the algorithm."""
