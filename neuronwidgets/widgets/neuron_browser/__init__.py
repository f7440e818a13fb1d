"""NeuronBrowser."""
