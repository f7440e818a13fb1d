"""Neurons -> blocks: top samples, distances, tree, cut, concept vectors and scores."""

from __future__ import annotations

import itertools
import warnings
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.store.matrix import Stored
from neuronwidgets.clustering.gram_matrix import (
    centred_products,
    dot_products,
    gram_and_squares,
    normalize_rows,
    squares_of_products,
)
from neuronwidgets.clustering.kmeans import kmeans
from neuronwidgets.clustering.linkage.engine import distances_of, from_distances, require_directions
from neuronwidgets.clustering.tree import Trees
from neuronwidgets.concepts.layer.block import Block
from neuronwidgets.concepts.layer.partial import padded, partial
from neuronwidgets.concepts.layer.settings import Settings
from neuronwidgets.concepts.refine import outlier_distance, settle
from neuronwidgets.concepts.retrieval import normalized
from neuronwidgets.concepts.scores import SCORES, Neurons
from neuronwidgets.concepts.scores.neurons import MOST
from neuronwidgets.concepts.suggest import default_thresholds
from neuronwidgets.concepts.top import top_samples

BLOCK = 64
"""Neurons in a block, at most."""
PAIRS = 1 << 25
"""Pairs of top samples in a block, about: 256 MB."""
GATHERED, NEAR = 1 << 23, 1 << 19
"""Numbers gathered at once, about: 64 MB in float64; 4 MB, about what a core has to itself."""
READ = 1 << 26
"""Activations read from a disk at once: 256 MB."""


class Pipeline:
    """Makes the blocks of one layer, on as many threads as torch has.

    Attributes:
        size, group: how many neurons are in a block, and are multiplied at once.
        values: the layer as a tensor on `device`; `None` where it is on a disk.
    """

    def __init__(
        self, acts: Activations, targets: np.ndarray, settings: Settings, device: torch.device
    ) -> None:
        self.acts, self.targets, self.settings, self.device = acts, targets, settings, device
        self.values: torch.Tensor | None = None
        if not isinstance(acts.values, Stored):
            self.values = _tensor(acts.values, device)
        n = settings.top
        self.size = max(1, min(BLOCK, PAIRS // n**2))
        room = NEAR if device.type == "cpu" else GATHERED
        self.group = max(1, min(self.size, room // (n * acts.shape[1])))
        one, other = np.triu_indices(n, 1)
        self.pairs = one * n + other

    def blocks(self, first: int = 0) -> Iterator[Block]:
        """The blocks from the `first` on, in order, each as soon as it is there."""
        from threadpoolctl import ThreadpoolController

        # Threads with whole blocks: those that share every step wait for each other.
        threads = torch.get_num_threads()
        pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
        libraries = ThreadpoolController()
        waiting: deque[Future[Block]] = deque()
        parts = self._parts(first)
        try:
            while True:
                # Only while somebody waits here: the limit holds for the whole process.
                with libraries.limit(limits=1, user_api="blas"):
                    for part, along in itertools.islice(parts, 2 * threads - len(waiting)):
                        waiting.append(pool.submit(self.block, part, along))
                    if not waiting:
                        return
                    block = waiting.popleft().result()
                yield block
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(threads)

    def _parts(self, first: int) -> Iterator[tuple[slice, np.ndarray | None]]:
        """Which neurons are in each block, and their activations if they are on a disk."""
        count = len(self.targets)
        size = self.size
        starts = range(first * size, count, size)
        if self.values is not None:
            yield from ((slice(i, min(i + size, count)), None) for i in starts)
            return
        # A disk gives whole rows: it is read as few times as there is room for.
        step = max(1, READ // (len(self.acts) * size))
        for k in range(0, len(starts), step):
            many = slice(starts[k], min(starts[k] + step * size, count))
            along = self._along(many)
            for i in starts[k : k + step]:
                part = slice(i, min(i + size, count))
                yield part, along[i - many.start : part.stop - many.start]

    def _along(self, part: slice) -> np.ndarray:
        """`N x S`, the activation of each neuron (or direction) on all samples."""
        targets = self.targets[part]
        if targets.ndim == 2:
            columns = self.acts.project(targets)
        else:
            run = len(targets) == targets[-1] - targets[0] + 1
            chosen: Any = slice(targets[0], targets[-1] + 1) if run else targets
            columns = self.acts.values[:, chosen]
        # Side by side first: torch turns such a matrix by tiles, four times as fast as NumPy.
        side_by_side = torch.from_numpy(np.array(columns, order="C"))
        turned: np.ndarray = side_by_side.T.contiguous().numpy()
        return turned

    def block(self, part: slice, along: np.ndarray | None) -> Block:
        """One block; `along` is `_along(part)` where it was read already."""
        along = self._along(part) if along is None else along
        projected = self.targets.ndim == 2
        index, tops = top_samples(self.acts, along, self.settings.top, "vector", projected)
        activations = np.take_along_axis(along, np.maximum(index, 0), 1)
        neurons = part.start + np.arange(len(index)) if projected else self.targets[part]
        whole = tops == self.settings.top
        if whole.all():
            return self._whole(neurons, along, index, activations)
        return self._mixed(part, neurons, along, index, np.where(index < 0, np.nan, activations))

    def _whole(
        self, neurons: np.ndarray, along: np.ndarray, index: np.ndarray, activations: np.ndarray
    ) -> Block:
        """Neurons that have as many top samples as were asked for."""
        s = self.settings
        count, n = index.shape
        values, taken = self._values(index)
        products, squares = self._products(values, taken, index)
        upper = squares.reshape(count, n * n).take(self.pairs, axis=1)
        Z = np.stack(
            [from_distances(apart, s.method) for apart in distances_of(upper, s.method, s.metric)]
        )
        threshold, assignment = self._cut(Z, squares)
        found: dict[str, np.ndarray] = {}
        if s.scores:
            batch = Neurons(
                self.acts,
                along,
                index,
                centred_products(products) if n <= MOST else None,
                Z,
                assignment,
                s.method,
                s.metric,
                s.min_size,
            )
            for name in s.scores:
                found |= SCORES[name](batch, draws=s.draws, seed=s.seed)
        return Block(
            neurons,
            index,
            activations,
            Z,
            threshold,
            assignment,
            assignment.max(axis=1) + 1,
            normalized(_means(values, taken, assignment)),
            found,
            np.full(count, n),
        )

    def _mixed(
        self, part: slice, neurons: np.ndarray, along: np.ndarray, index: np.ndarray,
        activations: np.ndarray,
    ) -> Block:  # fmt: skip
        """Neurons of which some have fewer top samples: these one at a time."""
        tops = (index >= 0).sum(axis=1)
        n = index.shape[1]
        few, many = np.flatnonzero(tops < n), np.flatnonzero(tops == n)
        targets = self.targets[part]
        alone = {
            int(i): partial(
                self.acts, targets[i], index[i, : tops[i]], activations[i, : tops[i]], self.settings
            )
            for i in few
        }
        assignment = np.full(index.shape, -1, np.int64)
        Z = np.empty((len(index), n - 1, 4))
        threshold = np.empty(len(index))
        vectors: dict[int, np.ndarray] = {}
        for i, one in alone.items():
            assignment[i, : tops[i]], Z[i], threshold[i] = (
                one.assignment,
                padded(one.Z, n),
                one.threshold,
            )
            vectors[i] = one.vectors
        scores = {name: np.empty(len(index)) for name in next(iter(alone.values())).scores}
        for name, column in scores.items():
            column[few] = [one.scores[name][0] for one in alone.values()]
        if len(many):
            rest = self._whole(neurons[many], along[many], index[many], activations[many])
            assignment[many], Z[many], threshold[many] = rest.assignment, rest.Z, rest.threshold
            ends = np.cumsum(rest.counts)
            own = np.split(rest.vectors, ends[:-1])
            vectors |= dict(zip(many.tolist(), own, strict=True))
            for name, column in scores.items():
                column[many] = rest.scores[name]
        joined = np.concatenate([vectors[i] for i in range(len(index))])
        return Block(
            neurons, index, activations, Z, threshold, assignment, assignment.max(axis=1) + 1,
            joined, scores, tops,
        )  # fmt: skip

    def _values(self, index: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """The layer, or as much of it as a block needs, and the rows of it that `index` means."""
        taken = torch.from_numpy(index)
        if self.values is not None:
            return self.values, taken.to(self.device)
        # Neurons share samples: each is read once.
        distinct, at = np.unique(index, return_inverse=True)
        values = torch.from_numpy(self.acts.rows(distinct)).to(self.device)
        return values, torch.from_numpy(at.reshape(index.shape)).to(self.device)

    def _products(
        self, values: torch.Tensor, taken: torch.Tensor, index: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Dot products and squared distances of each neuron's samples: float64 `N x n x n`."""
        metric, (count, n) = self.settings.metric, index.shape
        found = np.empty((count, n, n))
        narrow = values.new_empty(self.group * n, values.shape[1])
        wide = values.new_empty(self.group, n, values.shape[1], dtype=torch.float64)

        def gathered(begin: int, end: int) -> torch.Tensor:
            rows = narrow[: (end - begin) * n]
            torch.index_select(values, 0, taken[begin:end].ravel(), out=rows)
            if metric == "cosine" and self.settings.method != "ward":
                require_directions(rows, index[begin:end].ravel())
            return wide[: end - begin].copy_(rows.view(-1, n, rows.shape[1]))

        for begin in range(0, count, self.group):
            end = min(begin + self.group, count)
            points = gathered(begin, end)
            normalize_rows(points, metric)
            dot_products(points, found[begin:end])
        square, again = squares_of_products(found, values.shape[1])
        for i in np.flatnonzero(again).tolist():
            found[i], square[i] = gram_and_squares(gathered(i, i + 1)[0], metric)
        return found, square

    def _cut(self, Z: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """float64 `g`, thresholds, and int `g x n`, each top sample's concept."""
        s = self.settings
        trees = Trees.of(Z)
        if s.threshold is None:
            apart = distances_of(squares, s.method, s.metric)
            threshold = default_thresholds(trees, Z, apart, s.min_size)
        else:
            threshold = np.full(len(Z), s.threshold)
        if s.refined:
            return threshold, self._refined(trees, threshold, squares)
        return threshold, trees.assignment(threshold, s.min_size)

    def _refined(self, trees: Trees, threshold: np.ndarray, squares: np.ndarray) -> np.ndarray:
        """int32 `N x n`: the concept of each top sample, as `Concepts.refine` has it."""
        s = self.settings
        begun = trees.assignment(threshold, 1)
        member, far = kmeans(squares, begun.max(axis=1) + 1, begun, seed=s.seed)
        out = np.empty(member.shape, np.int32)
        for i, height in enumerate(threshold.tolist()):
            outlier = outlier_distance(height, s.method, s.metric)
            settled = settle(trees[i], height, member[i], far[i], outlier, s.min_size, s.min_size)
            out[i] = settled.assignment
        return out


def _tensor(values: np.ndarray, device: torch.device) -> torch.Tensor:
    if any(step < 0 for step in values.strides):
        values = np.ascontiguousarray(values)
    with warnings.catch_warnings():
        # It is only read.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.as_tensor(values, device=device)


def _means(values: torch.Tensor, taken: torch.Tensor, assignment: np.ndarray) -> np.ndarray:
    """`C x D`: the mean of the rows of each concept, neuron after neuron.

    Args:
        values: `S x D`.
        taken: int64 `N x n`, the rows of each neuron.
        assignment: `N x n`, the concept of each of them, -1 for none.
    """
    counts = assignment.max(axis=1) + 1
    concept = np.where(
        assignment < 0, -1, assignment + (np.cumsum(counts) - counts)[:, None]
    ).ravel()
    order = np.argsort(concept, kind="stable")
    sizes = np.bincount(concept[concept >= 0], minlength=counts.sum())
    order = order[len(order) - sizes.sum() :]
    # Gathers and adds in one: rows that are gathered first pass through the memory three times.
    rows, starts = (
        torch.from_numpy(part).to(values.device) for part in (order, np.cumsum(sizes) - sizes)
    )
    made = torch.nn.functional.embedding_bag(taken.ravel()[rows], values, starts, mode="mean")
    found: np.ndarray = made.cpu().numpy()
    return found
