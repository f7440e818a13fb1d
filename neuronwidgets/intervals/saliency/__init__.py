"""Which neurons matter for a label: one small file for each method, one entry."""
