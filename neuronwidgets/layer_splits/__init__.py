"""Every neuron of a layer, split in one call."""
