"""Agglomerative clustering: one entry, SciPy's format and height convention."""

from __future__ import annotations

from typing import Any

import numpy as np

METRICS = {"ward": ("euclidean",), "average": ("cosine", "euclidean")}
"""Each method and the metrics it takes; the first is its default."""


MOST = 25_000
"""More samples than this are refused: their distances alone take 8 bytes for each pair."""


def check_method(method: str, metric: str | None = None) -> tuple[str, str]:
    """`(method, metric)`, with the method's own metric where none is given."""
    if method not in METRICS:
        raise ValueError(f"method={method!r}; one of {', '.join(map(repr, METRICS))} is needed.")
    metric = metric or METRICS[method][0]
    if metric not in METRICS[method]:
        allowed = " or ".join(map(repr, METRICS[method]))
        raise ValueError(
            f"metric={metric!r} does not go with method={method!r}, which takes {allowed}."
        )
    return method, metric


def require_directions(points: np.ndarray, rows: np.ndarray) -> None:
    """Refuse all-zero points under cosine; `rows` are the numbers by which the user knows them."""
    zero = ~points.any(axis=1)
    if zero.any():
        raise ValueError(
            f"sample {int(rows[zero].min())} is all zeros ({int(zero.sum())} such samples): it has "
            "no direction, so no cosine distance. Use method='ward', or leave it out."
        )


def linkage(X: Any, method: str = "ward", metric: str | None = None) -> np.ndarray:
    """Cluster `S` vectors from the bottom up.

    Args:
        X: `S x D` array or tensor, finite.
        method: "ward" (Ward 1963, Euclidean) or "average" (UPGMA, cosine or Euclidean).
        metric: "euclidean" or "cosine"; the method's own if not given.

    Returns:
        `Z`, float64 `(S - 1) x 4`, as `scipy.cluster.hierarchy.linkage` gives it: the two nodes
        merged, the height, the number of samples. A Ward height is
        `sqrt(2 |A||B| / (|A|+|B|)) * ||c_A - c_B||`, so thresholds from SciPy or scikit-learn
        mean the same here. One sample gives an empty `Z`.

    Raises:
        ValueError: not a finite matrix, an unknown method, or a zero vector under cosine.
    """
    method, metric = check_method(method, metric)
    if hasattr(X, "detach"):
        X = X.detach().cpu().double().numpy()
    try:
        points = np.asarray(X, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"X is not a matrix of numbers (samples x neurons): {error}") from None
    if points.ndim != 2 or 0 in points.shape:
        raise ValueError(
            f"X has shape {points.shape}; samples x neurons is needed, with at least one of each."
        )
    finite = np.isfinite(points).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"X is not finite: sample {int(np.argmin(finite))} holds NaN or inf "
            f"({int((~finite).sum())} such samples). Leave them out."
        )
    if metric == "cosine":
        require_directions(points, np.arange(len(points)))
    if len(points) > MOST:
        gigabytes = len(points) ** 2 * 4 / 1e9
        raise ValueError(
            f"{len(points):,} samples need {gigabytes:.0f} GB for their distances: use top="
            f"{MOST:,} or less."
        )
    if len(points) == 1:
        return np.zeros((0, 4))
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import pdist

    distances = pdist(points, metric)
    if not np.isfinite(distances).all():
        raise ValueError(
            f"X holds numbers from {points.min():.4g} to {points.max():.4g}, whose squares do not "
            "fit in float64: bring them to a smaller scale."
        )
    Z: np.ndarray = hierarchy.linkage(distances, method)
    # Rounding leaves cosine distances of equal vectors a hair below zero.
    Z[:, 2] = np.maximum.accumulate(np.maximum(Z[:, 2], 0))
    return Z
