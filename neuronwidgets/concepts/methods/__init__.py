"""Methods of splitting: how a neuron's top samples become a tree."""
