"""Agglomerative clustering: one entry, SciPy's format and height convention."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuronwidgets.clustering.linkage.tuning import DEFAULT, GPU, Tuning
from neuronwidgets.core.arrays import dense, number_array
from neuronwidgets.core.checks import one_of
from neuronwidgets.core.modes import own_modes

METRICS = {
    "ward": ("euclidean", "cosine"),
    "average": ("cosine", "euclidean", "sqeuclidean"),
    "complete": ("euclidean", "cosine"),
    "single": ("euclidean", "cosine"),
}
"""Each method and the metrics that it takes; the first is its default."""

LINEAR = {
    ("ward", "euclidean"),
    ("ward", "cosine"),
    ("average", "cosine"),
    ("average", "sqeuclidean"),
}
"""Methods and metrics whose criterion follows from centroids: memory is linear in the samples."""

SAFE_SQUARE = 1e-30
"""Sums of squares above this have lost nothing to underflow, in float32 either."""


def check_method(method: str, metric: str | None = None) -> tuple[str, str]:
    """`(method, metric)`, with the method's own metric where none is given."""
    one_of("method", method, METRICS)
    metric = METRICS[method][0] if metric is None else metric
    if metric not in METRICS[method]:
        allowed = " or ".join(map(repr, METRICS[method]))
        raise ValueError(
            f"metric {metric!r} does not go with method={method!r}, which takes {allowed}."
        )
    return method, metric


def require_directions(points: Any, rows: np.ndarray) -> None:
    """Refuse rows of zeros, whose cosine distance is not defined.

    Args:
        points: `n x D` array or tensor.
        rows: int `n`, the numbers by which the user knows the rows.
    """
    zero = np.array((points == 0).all(1).tolist())
    if zero.any():
        raise ValueError(
            f"sample {int(rows[zero].min())} is all zeros ({int(zero.sum())} such samples) and has "
            "no direction, so no cosine distance. Use method='ward', or leave such samples out."
        )


def linkage(
    X: Any, method: str = "ward", metric: str | None = None, *, tuning: Tuning | None = None
) -> np.ndarray:
    """Cluster `S` vectors from the bottom up: exactly, and on the device of `X`.

    Ward, and average with cosine or squared Euclidean, take memory linear in `S`
    (README.md beside this file has the algorithm and its sources); the others take 16 bytes for
    each pair. SciPy links few samples.

    Args:
        X: `S x D` array or tensor, finite.
        method: "ward" (Ward 1963), "average" (UPGMA), "complete" or "single".
        metric: "euclidean", "cosine", or for average "sqeuclidean"; the method's own if not given
            (average: cosine, others: Euclidean). Ward with "cosine" is Ward's linkage, Euclidean,
            of the vectors at unit length (a zero vector stays at the origin).
        tuning: where the algorithm changes, and the sizes of its blocks, for tests and
            benchmarks; by the device of `X` if not given. It changes speed, memory and the limit
            on samples, not the tree.

    Returns:
        `Z`, float64 `(S - 1) x 4`, as `scipy.cluster.hierarchy.linkage` gives it: the two nodes
        merged, the height, the number of samples. A Ward height is
        `sqrt(2 |A||B| / (|A|+|B|)) * ||c_A - c_B||`, so thresholds from SciPy or scikit-learn
        mean the same here. Which of several equal pairs merges first depends on their index only,
        but not as in SciPy. One sample gives an empty `Z`.

    Raises:
        ValueError: not a finite matrix, an unknown method, or a zero vector under cosine (which
            Ward takes).
    """
    method, metric = check_method(method, metric)
    with own_modes():
        points = _matrix(X)
        if tuning is None:
            on_cpu = isinstance(points, np.ndarray) or points.device.type == "cpu"
            tuning = DEFAULT if on_cpu else GPU
        count, width = points.shape
        if metric == "cosine" and method != "ward":
            require_directions(points, np.arange(count))
        if count == 1:
            return np.zeros((0, 4))
        large = count * count * (width + 64) >= tuning.scipy_work
        if count > tuning.most_samples and not (large and (method, metric) in LINEAR):
            gigabytes = count**2 * 8 / 1e9
            raise ValueError(
                f"The distances of {count:,} samples take {gigabytes:.0f} GB. Use top="
                f"{tuning.most_samples:,} or less, or method='ward', which takes none."
            )
        if large:
            return _by_torch(points, method, metric, tuning)
        return _by_scipy(points, method, metric)


def at_unit_length(points: Any) -> Any:
    """Rows of an `... x n x D` array or tensor divided by their L2 norm; zero rows stay zero."""
    library = np if isinstance(points, np.ndarray) else _torch()
    if library is np and points.ndim == 2:
        with np.errstate(over="ignore", under="ignore"):
            # Not by einsum, whose order of adding depends on the processor.
            squares = np.square(points).sum(axis=1)
        if ((squares > SAFE_SQUARE) & (squares < np.inf)).all():
            return points / np.sqrt(squares)[:, None]
    peak = abs(points).max(-1, keepdims=True) if library is np else points.abs().amax(-1, True)
    points = points / library.where(peak > 0, peak, library.ones_like(peak))
    norm = library.linalg.norm(points, axis=-1, keepdims=True)
    return points / library.where(norm > 0, norm, library.ones_like(norm))


def _torch() -> Any:
    import torch

    return torch


def distances_of(squares: Any, method: str, metric: str) -> Any:
    """Distances as a linkage's heights have them, from squared Euclidean distances.

    `squares` are of the vectors that it clusters, at unit length if the metric is "cosine"; an
    array or a tensor.
    """
    if method == "ward" or metric == "euclidean":
        return np.sqrt(squares) if isinstance(squares, np.ndarray) else squares.sqrt()
    return squares / 2 if metric == "cosine" else squares


def peak(points: Any) -> float:
    """The largest absolute value of an array or tensor, or NaN if it holds one: in one pass."""
    if isinstance(points, np.ndarray):
        return float(max(-points.min(), points.max()))
    low, high = points.aminmax()
    return float((-low).maximum(high))


def _matrix(X: Any) -> Any:
    """`X` as a finite float64 matrix of its own: a tensor on its device, anything else as an
    array."""
    X = dense(X, "X")
    if hasattr(X, "detach"):
        # Apple's GPUs have no float64.
        device = "cpu" if X.device.type == "mps" else X.device
        points = X.detach().to(device, _torch().float64, copy=True)
    else:
        points = number_array(X, "X").astype(np.float64)
    if points.ndim != 2 or 0 in points.shape:
        raise ValueError(
            "X must be a matrix, samples x neurons, with at least one of each, got shape "
            f"{tuple(points.shape)}."
        )
    if not np.isfinite(peak(points)):
        finite: Any = np.isfinite(points) if isinstance(points, np.ndarray) else points.isfinite()
        refused = [i for i, row_is_finite in enumerate(finite.all(1).tolist()) if not row_is_finite]
        raise ValueError(
            f"X must be finite, but sample {refused[0]} holds NaN or inf "
            f"({len(refused)} such samples). Leave them out."
        )
    return points


def _by_scipy(points: Any, method: str, metric: str) -> np.ndarray:
    """Few samples, by SciPy alone."""
    if hasattr(points, "detach"):
        points = points.cpu().numpy()
    return from_distances(condensed_distances(points, method, metric), method)


def condensed_distances(points: np.ndarray, method: str, metric: str) -> np.ndarray:
    """The distances that a linkage begins with, by SciPy: float64 `n (n - 1) / 2`.

    Args:
        points: float64 `n x D`, finite, without rows of zeros if the metric is "cosine" and the
            method is not Ward.
        method, metric: as in `linkage`.

    Raises:
        ValueError: a distance does not fit in float64.
    """
    from scipy.spatial.distance import pdist

    if (method, metric) == ("ward", "cosine"):
        points, metric = at_unit_length(points), "euclidean"
    distances: np.ndarray = pdist(points, metric)
    if not np.isfinite(distances).all():
        raise _too_large(points)
    return distances


def from_distances(distances: np.ndarray, method: str) -> np.ndarray:
    """The linkage of condensed distances by SciPy: float64 `(n - 1) x 4`.

    Heights are never below zero, nor below that of an earlier merge.
    """
    from scipy.cluster import hierarchy

    Z: np.ndarray = hierarchy.linkage(distances, method)
    # Rounding leaves cosine distances of equal vectors a hair below zero.
    Z[:, 2] = np.maximum.accumulate(np.maximum(Z[:, 2], 0))
    return Z


def _by_torch(points: Any, method: str, metric: str, tuning: Tuning) -> np.ndarray:
    """Many samples, by our kernels, which take points around the origin of about unit size.
    `points` are changed."""
    import torch

    from neuronwidgets.clustering import squared_distances
    from neuronwidgets.clustering.linkage.rounds import reciprocal_linkage

    points = torch.as_tensor(points)
    if metric == "cosine" and method == "ward":
        points = at_unit_length(points)
    largest = peak(points)
    if not np.isfinite(4 * largest * largest * points.shape[1]):
        raise _too_large(points)
    if metric == "cosine" and method != "ward":
        points = at_unit_length(points)
    # Not the mean: one sample far out would take the others away from the origin.
    points -= points[:: -(-len(points) // 1000)].median(0).values
    # A power of two: exact, and the squares of float32 stay in range.
    scale = 2.0 ** np.frexp(peak(points))[1]
    points /= scale
    if (method, metric) in LINEAR:
        Z = reciprocal_linkage(points, "ward" if method == "ward" else "average", tuning)
    else:
        squared = metric == "cosine"
        Z = from_distances(squared_distances.condensed_distances(points, squared), method)
    if method == "ward":
        Z[:, 2] = np.sqrt(Z[:, 2])
        metric = "euclidean"
    # 1 - cos is half the squared distance of unit vectors.
    Z[:, 2] *= {"euclidean": scale, "sqeuclidean": scale**2, "cosine": scale**2 / 2}[metric]
    return Z


def _too_large(points: Any) -> ValueError:
    return ValueError(
        f"X holds numbers from {points.min():.4g} to {points.max():.4g}, whose squares do not "
        "fit in float64. Bring them to a smaller scale."
    )
