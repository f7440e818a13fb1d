"""LiveProbe: type a text, or paint on an image, and see what a neuron makes of it."""
