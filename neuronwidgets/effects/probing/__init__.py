"""Linear probes on a few neurons, and what these neurons do to the model."""
