"""Which neurons matter for a label. Each method has its file and an entry in `registry`."""
