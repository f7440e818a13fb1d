"""States that recur in a layer: templates of given samples, and a dictionary of all samples."""
