"""Linkages of many small sets of samples at once, on the device of their distances.

All trees take one step of SciPy's own algorithms together: a chain of nearest neighbours (Müllner
2011, fig. 3; see `nn_chain.py`), or for "single" Prim's minimum spanning tree. The number of steps
depends on the size of a tree only, so that nothing is read back before the end. On a GPU with
Triton one kernel makes the chains of all trees (`chains_triton.py`), with the same results.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from typing import Any

import numpy as np
import torch

from neuronwidgets.clustering.linkage.engine import from_distances
from neuronwidgets.core.gpu_kernels import compile_on

NUMBERS = 1 << 27
"""Distances between all samples of the sets that are linked at once, about: 1 GB on the device."""
MOST_FUSED = 1024
"""Samples of a tree that the kernel in Triton makes, at most: its registers hold a row of them."""


class Linker:
    """Links sets of samples for several threads: on a GPU those of all waiting threads at once.

    A GPU takes as long for a thousand small trees as for one. The other devices link them one by
    one, by SciPy.

    Args:
        method: "ward", "average", "complete" or "single".
        device: where the trees are made.
        together: whether to link the sets of waiting threads at once. `None`: on a GPU.
    """

    def __init__(self, method: str, device: torch.device, together: bool | None = None) -> None:
        self._method, self._device = method, device
        self._together = device.type == "cuda" if together is None else together
        self._waiting: deque[tuple[torch.Tensor, Future[torch.Tensor]]] = deque()
        self._turn = threading.Lock()

    def __call__(self, distances: Any) -> Any:
        """float64 `B x (n - 1) x 4`: the linkages of condensed distances, `B x n (n - 1) / 2`.

        An array for an array, a tensor on the device for a tensor. All calls have the same `n`.
        """
        is_array = isinstance(distances, np.ndarray)
        if not self._together:
            host = distances if is_array else distances.cpu().numpy()
            Z = np.stack([from_distances(one, self._method) for one in host])
            return Z if is_array else torch.from_numpy(Z).to(self._device)
        mine: Future[torch.Tensor] = Future()
        self._waiting.append((torch.as_tensor(distances), mine))
        with self._turn:
            # The thread that had the turn before may have linked them.
            while not mine.done():
                self._link_waiting()
        return mine.result().cpu().numpy() if is_array else mine.result()

    def _link_waiting(self) -> None:
        sets, numbers = [], 0
        while self._waiting and numbers < NUMBERS:
            sets.append(self._waiting.popleft())
            numbers += 2 * sets[-1][0].numel()
        try:
            distances = torch.cat([each for each, _ in sets])
            Z = linked(distances.to(self._device), self._method)
        except Exception as error:
            for _, future in sets:
                future.set_exception(error)
            return
        parts = torch.split(Z, [len(each) for each, _ in sets])
        for (_, future), part in zip(sets, parts, strict=True):
            future.set_result(part)


def linkages(distances: torch.Tensor, method: str, fused: bool | None = None) -> np.ndarray:
    """`linked` as an array."""
    Z: np.ndarray = linked(distances, method, fused).cpu().numpy()
    return Z


def linked(distances: torch.Tensor, method: str, fused: bool | None = None) -> torch.Tensor:
    """The linkages of `B` sets of `n` samples: float64 `B x (n - 1) x 4`, on their device, as
    `from_distances` gives them one by one, equal distances included.

    Memory: 8 n^2 bytes for each set, on the device.

    Args:
        distances: float64 `B x n (n - 1) / 2`, condensed and finite.
        method: "ward", "average", "complete" or "single".
        fused: whether by the kernel in Triton. `None`: where `can_fuse` is true.
    """
    pairs = distances.shape[1]
    count = round((1 + (1 + 8 * pairs) ** 0.5) / 2)
    square = _square(distances, count)
    if can_fuse(distances.device, count, method) if fused is None else fused:
        from neuronwidgets.clustering.linkage import chains_triton

        Z, whole = chains_triton.linked(square, method)
    else:
        merges, whole = _spanning_trees(square) if method == "single" else _chains(square, method)
        Z = _named(merges)
    # Rounding may leave a chain without an end, where SciPy takes more steps.
    for i in (~whole).nonzero()[:, 0].tolist():
        Z[i] = torch.from_numpy(from_distances(distances[i].cpu().numpy(), method))
    return Z


def can_fuse(device: torch.device, samples: int, method: str) -> bool:
    """Whether the kernel in Triton makes trees of that many samples on a device."""
    return (
        device.type == "cuda"
        and method != "single"
        and 2 <= samples <= MOST_FUSED
        and compile_on(device)
    )


def _square(distances: torch.Tensor, count: int) -> torch.Tensor:
    """float64 `B x n x n`: the distances, and infinity between a sample and itself."""
    row, column = torch.triu_indices(count, count, 1, device=distances.device)
    square = distances.new_full((len(distances), count, count), torch.inf)
    square[:, row, column] = distances
    square[:, column, row] = distances
    return square


def _chains(D: torch.Tensor, method: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Merges of all sets by chains of nearest neighbours.

    Args:
        D: float64 `B x n x n`, as `_square` gives it; it is changed. Rows and columns of clusters
            that are gone hold infinity.
        method: "ward", "average" or "complete".

    Returns:
        float64 `B x (n - 1) x 3`: two slots and their distance, in the order of merging; and bool
        `B`, whether all merges of a set were found.
    """
    sets, count, _ = D.shape
    rows = D.view(sets * count, count)
    offset = torch.arange(sets, device=D.device) * count
    # Row and column `count - 1` of the merges, and the chain's last slots, take what is not wanted.
    merges = D.new_zeros(sets, count, 3)
    chain = torch.zeros(sets, count + 2, dtype=torch.int64, device=D.device)
    length, done = torch.zeros_like(chain[:, :1]), torch.zeros_like(chain[:, :1])
    size = D.new_ones(sets, count)
    # A set pushes 2 (n - 1) clusters, at least one of them to start, and merges n - 1 pairs.
    for _ in range(3 * count - 4):
        alive = (size > 0).byte().argmax(1, keepdim=True)
        x = torch.where(length == 0, alive, chain.gather(1, (length - 1).clamp_(min=0)))
        length = length.clamp(min=1)
        chain.scatter_(1, length - 1, x)
        row = rows.index_select(0, offset + x[:, 0])
        # Of equal neighbours: the previous one in the chain, else the first.
        previous = chain.gather(1, (length - 2).clamp_(min=0))
        back = torch.where(length > 1, row.gather(1, previous), torch.inf)
        y = row.argmin(1, keepdim=True)
        returns = (length > 1) & (row.gather(1, y) >= back)
        active = done < count - 1
        merging = returns & active
        chain.scatter_(1, length, y)
        y = torch.where(returns, previous, y)
        a, b = torch.minimum(x, y), torch.maximum(x, y)
        n_a, n_b = size.gather(1, a), size.gather(1, b)
        slot = torch.where(merging, done, count - 1)[:, :, None].expand(-1, -1, 3)
        merges.scatter_(1, slot, torch.stack([a.double(), b.double(), back], dim=2))
        of_a, of_b = offset + a[:, 0], offset + b[:, 0]
        row_a, row_b = rows.index_select(0, of_a), rows.index_select(0, of_b)
        merged = torch.where(merging, _updated(row_a, row_b, back, n_a, n_b, size, method), row_b)
        gone = torch.where(merging, torch.inf, row_a)
        for slots, of_slots, values in ((b, of_b, merged), (a, of_a, gone)):
            rows.index_copy_(0, of_slots, values)
            D.scatter_(2, slots[:, None].expand(-1, count, 1), values[:, :, None])
        size.scatter_(1, b, torch.where(merging, n_a + n_b, n_b))
        size.scatter_(1, a, torch.where(merging, 0.0, n_a))
        length = torch.where(merging, length - 2, length + (active & ~returns))
        done += merging
    return merges[:, : count - 1], (done == count - 1)[:, 0]


def _updated(
    to_a: torch.Tensor, to_b: torch.Tensor, between: torch.Tensor,
    n_a: torch.Tensor, n_b: torch.Tensor, size: torch.Tensor, method: str,
) -> torch.Tensor:  # fmt: skip
    """Distances to two clusters as one (Lance and Williams 1967), rounded as SciPy rounds them."""
    if method == "complete":
        return torch.maximum(to_a, to_b)
    if method == "average":
        return (n_a * to_a + n_b * to_b) / (n_a + n_b)
    t = 1 / (n_a + n_b + size)
    square = (size + n_a) * t * to_a * to_a + (size + n_b) * t * to_b * to_b
    return _root(square.sub_(size * t * between * between))


def _root(square: torch.Tensor) -> torch.Tensor:
    """Square roots, correctly rounded: torch's are not on a CPU, where it calls MKL. In place."""
    if square.device.type == "cpu":
        # What is not to be merged may be NaN, and is not used.
        with np.errstate(invalid="ignore"):
            np.sqrt(square.numpy(), out=square.numpy())
        return square
    return square.sqrt_()


def _spanning_trees(D: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The edges of minimum spanning trees by Prim's algorithm; arguments and result of
    `_chains`."""
    sets, count, _ = D.shape
    each = torch.arange(sets, device=D.device)
    outside = torch.ones(sets, count, dtype=torch.bool, device=D.device)
    nearest = D.new_full((sets, count), torch.inf)
    x = torch.zeros(sets, 1, dtype=torch.int64, device=D.device)
    edges = []
    for _ in range(count - 1):
        outside.scatter_(1, x, False)
        nearest = torch.minimum(nearest, D[each, x[:, 0]])
        waiting = torch.where(outside, nearest, torch.inf)
        y = waiting.argmin(1, keepdim=True)
        edges.append(torch.cat([x.double(), y.double(), waiting.gather(1, y)], dim=1))
        x = y
    return torch.stack(edges, dim=1), torch.ones_like(each, dtype=torch.bool)


def _named(merges: torch.Tensor) -> torch.Tensor:
    """Linkages in SciPy's format from merges (see `_chains`), by height."""
    sets, steps, _ = merges.shape
    count = steps + 1
    order = merges[:, :, 2].argsort(dim=1, stable=True)[:, :, None].expand(-1, -1, 3)
    merges = merges.gather(1, order)
    samples = merges[:, :, :2].long()
    Z = merges.new_empty(sets, steps, 4)
    Z[:, :, 2] = merges[:, :, 2].clamp(min=0)
    node = torch.arange(count, device=merges.device).repeat(sets, 1)
    for step in range(steps):
        children = node.gather(1, samples[:, step]).sort(dim=1).values
        inside = (node == children[:, :1]) | (node == children[:, 1:])
        node.masked_fill_(inside, count + step)
        Z[:, step, :2] = children.double()
        Z[:, step, 3] = inside.sum(1).double()
    return Z
