"""Features of sparse autoencoders, beside the concepts of a neuron."""
