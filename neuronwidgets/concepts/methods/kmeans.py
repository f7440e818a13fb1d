"""k-means with a fixed number of clusters: PRISM's rule (arXiv 2506.15538)."""

from __future__ import annotations

import numpy as np

from neuronwidgets.clustering.nested import nested
from neuronwidgets.concepts.methods.method import Clustering, TopSamples
from neuronwidgets.core.checks import integer
from neuronwidgets.core.modes import own_modes


def kmeans(given: TopSamples, *, k: int = 5, n_init: int = 10, seed: int = 0) -> Clustering:
    """`k` clusters of the layer's own vectors, for any data.

    PRISM has `k = 5`, on embeddings of the texts by another model. The tree is that of `nested`.

    Args:
        k: the number of clusters; fewer if there are fewer distinct samples.
        n_init: initialisations; the one with the smallest sum of squares counts.
        seed: of the initialisations.
    """
    return clusters(given.vectors, k, n_init, seed)


@own_modes()
def clusters(points: np.ndarray, k: int, n_init: int = 10, seed: int = 0) -> Clustering:
    """The k-means clustering of `n x P` points."""
    from sklearn.cluster import KMeans

    k, n_init = integer("k", k, 1), integer("n_init", n_init, 1)
    seed = integer("seed", seed, 0)
    points = points.astype(np.float64)
    # Dividing by a power of two is exact. It keeps squares from overflowing or vanishing.
    scale = 2.0 ** np.frexp(np.abs(points).max())[1]
    points = points / scale
    k = min(k, len(np.unique(points, axis=0)))
    labels = KMeans(k, n_init=n_init, random_state=seed).fit(points).labels_
    Z, chosen = nested(points, labels)
    Z[:, 2] *= scale
    return Clustering(Z, chosen=float(chosen * scale))
