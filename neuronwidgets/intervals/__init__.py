"""Activations + labels -> Ranges: per-class intervals of every neuron, saliency, overlap.

Haider, Rizwan, Sajjad, Ju, Siddique, *Neurons Speak in Ranges* (arXiv 2502.06809).
"""
