"""How a neuron's top samples become a tree: one small file for each method, one entry."""
