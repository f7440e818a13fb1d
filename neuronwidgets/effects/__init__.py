"""What neurons tell apart, and what samples and words do to a layer."""
