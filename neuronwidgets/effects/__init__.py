"""What samples and words do to a layer."""
