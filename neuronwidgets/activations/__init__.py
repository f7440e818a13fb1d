"""The noun that every room speaks: a layer's activations, and what each of its rows is."""
