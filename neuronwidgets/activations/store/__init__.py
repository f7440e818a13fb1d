"""Activations on disk: shards of values in safetensors, samples in Parquet, a manifest in JSON."""
