"""Activations and labels -> `Ranges`: each label's interval on each neuron, saliency, overlap.

Haider, Rizwan, Sajjad, Ju, Siddique, *Neurons Speak in Ranges* (arXiv 2502.06809).
"""
