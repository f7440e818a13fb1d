"""The sizes and shares that decide how fast a linkage is; none of them changes its result."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tuning:
    """Where `linkage` changes its algorithm, and in what portions it works.

    The defaults were measured on two CPU cores with 100 to 4,000 neurons; `GPU` has others.

    Attributes:
        scipy_work: samples x samples x (neurons + 64). Below it SciPy is faster than our kernels
            (0.2 seconds of work).
        most_samples: samples. More are refused where all distances are needed: SciPy takes 16
            bytes for each pair (5 GB).
        matrix_clusters: clusters. Once no more than these are left, the matrix of their criteria
            is made and the rounds end (32 MB).
        slow_matrix_clusters: clusters. The same where rounds have become slow (200 MB).
        slow_round: clusters for each merge. A round in which there are more is slow.
        axes: directions, at most, along which samples are sorted into tiles and ruled out.
        tile: clusters in a tile, at least. Smaller ones rule out more, and take more steps.
        most_tiles: tiles, about. It keeps the memory of the bounds linear in the samples.
        block_slots: slots in a block of products, about, where several tiles are multiplied.
        block_numbers: numbers in a temporary float64 matrix, at most (2 MB).
        whole_block_share: mean share of a block's rows and of its columns. From this share on
            that the principal axes cannot rule out, multiplying the whole block is faster than
            gathering them.
        projected_share: share of pairs of a cluster and a tile. Where the principal axes leave
            more of them open, they are not asked: products alone are faster.
        search_share: share of the clusters that look for their nearest one in a round. The
            others are far out: a neighbour found now would merge before their turn.
        crowd: candidates in a tile for each row, on average. With more, float32 cannot tell the
            clusters apart, and measuring all pairs of the tile in float64 is faster.
        stale_share: share of all pairs. When searches have multiplied so many, the bounds are
            loose and are computed again.
        full_share: share of the slots in use. When fewer hold a cluster, the empty ones are
            closed up.
    """

    scipy_work: int = 1_500_000_000
    most_samples: int = 25_000
    matrix_clusters: int = 2000
    slow_matrix_clusters: int = 5000
    slow_round: int = 100
    axes: int = 32
    tile: int = 1024
    most_tiles: int = 64
    block_slots: int = 1024
    block_numbers: int = 2**18
    whole_block_share: float = 0.35
    projected_share: float = 0.7
    search_share: float = 0.5
    crowd: int = 16
    stale_share: float = 0.4
    full_share: float = 0.75


DEFAULT = Tuning()
"""What `linkage` takes on a CPU unless told otherwise."""

GPU = Tuning(most_tiles=8, block_slots=2**13, block_numbers=2**26)
"""The same on a GPU, where launches take longer than the products that smaller tiles would rule
out: an eighth of the launches for 30,000 samples. Temporary matrices have up to 0.5 GB."""
