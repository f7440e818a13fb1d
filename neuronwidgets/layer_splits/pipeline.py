"""From neurons to blocks: top samples, distances, trees, cuts, concept vectors and scores."""

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
from neuronwidgets.activations.retrieval import normalized
from neuronwidgets.activations.store.matrix import Stored
from neuronwidgets.activations.top_samples import top_samples
from neuronwidgets.clustering.gram_matrix import (
    centred_products,
    dot_products,
    gram_and_squares,
    normalize_rows,
    squares_of_products,
)
from neuronwidgets.clustering.kmeans import kmeans
from neuronwidgets.clustering.linkage.engine import distances_of, require_directions
from neuronwidgets.clustering.linkage.small_trees import Linker
from neuronwidgets.clustering.tree import Trees
from neuronwidgets.concepts.refine import outlier_distance, settle
from neuronwidgets.concepts.scores import SCORES, Neurons
from neuronwidgets.concepts.scores.neurons import MOST
from neuronwidgets.concepts.suggest import default_thresholds
from neuronwidgets.layer_splits.block import Block
from neuronwidgets.layer_splits.given_tops import GivenTops
from neuronwidgets.layer_splits.partial import padded, partial
from neuronwidgets.layer_splits.settings import Settings

BLOCK = 64
"""The most neurons in a block."""
WIDE_BLOCK, WIDE_THREADS = 256, 4
"""The same on a GPU without scores, where each step has a cost of its own; and the most blocks that
are computed at once."""
RESIDENT = 0.4
"""Share of a GPU's free memory that a layer from disk may take: twice while it is put in order."""
PAIRS = 1 << 25
"""About how many pairs of top samples a block has: 256 MB in float64."""
GATHERED, NEAR = 1 << 23, 1 << 19
"""About how many numbers are gathered at once: 64 MB in float64 on a GPU, 4 MB (a core's cache) on
a CPU."""
PAIR_ARRAYS = 4
"""Arrays of all pairs of top samples, in float64, that a block has at once."""
READ = 1 << 26
"""Activations read from disk at once: 256 MB in float32."""


class Pipeline:
    """Computes the blocks of one layer, on as many threads as torch has.

    Args:
        given: the top samples of each neuron; `None` chooses them by `top_samples`.
        memory: about how many bytes all blocks in work may take; at least one is in work. `None`
            for no limit: two blocks for each thread.
        tensors: whether what is known of all pairs stays on the device, as tensors. `None`: on a
            GPU.

    Attributes:
        size: neurons in a block.
        group: neurons whose top samples are multiplied at once.
        read: activations read from disk at once.
        threads: the number of blocks that are computed at once.
        values: the layer as a tensor on `device`; `None` if it is read from disk.
        pairs: int64 `n (n - 1) / 2`, the pairs of top samples as indices into a flat `n x n`.
    """

    def __init__(
        self,
        acts: Activations,
        targets: np.ndarray,
        settings: Settings,
        device: torch.device,
        *,
        read: int = READ,
        given: GivenTops | None = None,
        memory: float | None = None,
        tensors: bool | None = None,
    ) -> None:
        self.acts, self.targets, self.settings, self.device = acts, targets, settings, device
        self.read, self.given, self.memory = read, given, memory
        self.values: torch.Tensor | None = None
        if not isinstance(acts.values, Stored):
            self.values = _tensor(acts.values, device)
        # Else blocks read fewer rows than the layer has.
        elif len(targets) * settings.top >= len(acts) and _fits(acts, device):
            self.values = acts.values.tensor(device)
        n = settings.top
        # Of polysemanticity, the neurons of a block share draws: it must not depend on the device.
        wide = device.type != "cpu" and not settings.scores
        threads = torch.get_num_threads()
        most, self.threads = (WIDE_BLOCK, min(WIDE_THREADS, threads)) if wide else (BLOCK, threads)
        self.size = max(1, min(most, PAIRS // n**2))
        room = NEAR if device.type == "cpu" else GATHERED
        self.group = max(1, min(self.size, room // (n * acts.shape[1])))
        row, column = np.triu_indices(n, 1)
        self.pairs = row * n + column
        self._tensors = device.type != "cpu" if tensors is None else tensors
        self._pairs = torch.from_numpy(self.pairs).to(device)
        self._link = Linker(settings.method, device)

    @property
    def block_bytes(self) -> int:
        """About how many bytes a block takes: its rows, distances and activations on all rows."""
        n, width = self.settings.top, self.acts.shape[1]
        rows = 0 if self.values is not None else min(n * self.size, len(self.acts)) * width * 4
        return rows + self.size * (n * n * 8 * PAIR_ARRAYS + len(self.acts) * 4)

    def blocks(self, first: int = 0) -> Iterator[Block]:
        """Blocks of the targets from the `first` on, in order, each as soon as it is done."""
        from threadpoolctl import ThreadpoolController

        # Each thread computes whole blocks: threads that share every step wait for each other.
        threads = torch.get_num_threads()
        pool = ThreadPoolExecutor(self.threads, initializer=torch.set_num_threads, initargs=(1,))
        libraries = ThreadpoolController()
        waiting: deque[Future[Block]] = deque()
        parts = self._parts(first)
        most = 2 * self.threads
        if self.memory is not None:
            most = max(1, min(most, int(self.memory // self.block_bytes)))
        try:
            while True:
                # The limit holds for the whole process, so it ends before each `yield`.
                with libraries.limit(limits=1, user_api="blas"):
                    for part, along in itertools.islice(parts, most - len(waiting)):
                        waiting.append(pool.submit(self.block, part, along))
                    if not waiting:
                        return
                    block = waiting.popleft().result()
                yield block
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(threads)

    def _parts(self, first: int) -> Iterator[tuple[slice, np.ndarray | None]]:
        """The targets of each block, and their activations if the layer is on disk."""
        count = len(self.targets)
        size = self.size
        starts = range(first, count, size)
        if not isinstance(self.acts.values, Stored) or self.given is not None:
            yield from ((slice(i, min(i + size, count)), None) for i in starts)
            return
        # Files hold whole rows: several blocks are read in one pass.
        step = max(1, self.read // (len(self.acts) * size))
        for k in range(0, len(starts), step):
            several = slice(starts[k], min(starts[k] + step * size, count))
            along = self._along(several)
            for i in starts[k : k + step]:
                part = slice(i, min(i + size, count))
                yield part, along[i - several.start : part.stop - several.start]

    def _along(self, part: slice) -> np.ndarray:
        """`N x S`, the activation of each target on all samples."""
        targets = self.targets[part]
        if targets.ndim == 2:
            columns = self.acts.project(targets)
        else:
            consecutive = len(targets) == targets[-1] - targets[0] + 1
            neurons: Any = slice(targets[0], targets[-1] + 1) if consecutive else targets
            columns = self.acts.values[:, neurons]
        # torch transposes a contiguous matrix in tiles, four times as fast as NumPy.
        contiguous = torch.from_numpy(np.array(columns, order="C"))
        along: np.ndarray = contiguous.T.contiguous().numpy()
        return along

    def block(self, part: slice, along: np.ndarray | None) -> Block:
        """One block; `along` is `_along(part)` if it was read before."""
        projected = self.targets.ndim == 2
        if self.given is None:
            along = self._along(part) if along is None else along
            index, tops = top_samples(self.acts, along, self.settings.top, "vector", projected)
            activations = np.take_along_axis(along, np.maximum(index, 0), 1)
        else:
            given = self.given.of(self.targets[part])
            index, activations, tops = given.index, given.activations, given.tops
            # Scores alone read it, and it takes as long as all else.
            along = given.along(len(self.acts)) if self.settings.scores else given.activations
        neurons = part.start + np.arange(len(index)) if projected else self.targets[part]
        if (tops == self.settings.top).all():
            return self._whole(neurons, along, index, activations)
        return self._mixed(part, neurons, along, index, np.where(index < 0, np.nan, activations))

    def _whole(
        self,
        neurons: np.ndarray,
        along: np.ndarray,
        index: np.ndarray,
        activations: np.ndarray,
    ) -> Block:
        """The block of neurons that have `settings.top` top samples."""
        s = self.settings
        count, n = index.shape
        values, rows = self._values(index)
        products, squares = self._products(values, rows, index)
        flat = squares.reshape(count, n * n)
        upper = flat[:, self._pairs] if self._tensors else flat.take(self.pairs, axis=1)
        linkages = self._link(distances_of(upper, s.method, s.metric))
        Z = _array(linkages)
        threshold, assignment = self._cut(Z, linkages, squares)
        scores: dict[str, np.ndarray] = {}
        if s.scores:
            batch = Neurons(
                self.acts,
                along,
                index,
                centred_products(_array(products)) if n <= MOST else None,
                Z,
                assignment,
                s.method,
                s.metric,
                s.min_size,
                self.device,
            )
            for name in s.scores:
                scores |= SCORES[name](batch, draws=s.draws, seed=s.seed)
        return Block(
            neurons,
            index,
            activations,
            Z,
            threshold,
            assignment,
            assignment.max(axis=1) + 1,
            _array(self._unit(_means(values, rows, assignment))),
            scores,
            np.full(count, n),
        )

    def _mixed(
        self, part: slice, neurons: np.ndarray, along: np.ndarray, index: np.ndarray,
        activations: np.ndarray,
    ) -> Block:  # fmt: skip
        """A block in which some neurons have fewer top samples than others. These neurons are split
        one by one."""
        tops = (index >= 0).sum(axis=1)
        n = index.shape[1]
        fewer, full = np.flatnonzero(tops < n), np.flatnonzero(tops == n)
        targets = self.targets[part]
        partials = {
            int(i): partial(
                self.acts, targets[i], index[i, : tops[i]], activations[i, : tops[i]], self.settings
            )
            for i in fewer
        }
        assignment = np.full(index.shape, -1, np.int64)
        Z = np.empty((len(index), n - 1, 4))
        threshold = np.empty(len(index))
        vectors: dict[int, np.ndarray] = {}
        for i, neuron in partials.items():
            assignment[i, : tops[i]] = neuron.assignment
            Z[i] = padded(neuron.Z, n)
            threshold[i] = neuron.threshold
            vectors[i] = neuron.vectors
        scores = {name: np.empty(len(index)) for name in next(iter(partials.values())).scores}
        for name, column in scores.items():
            column[fewer] = [neuron.scores[name][0] for neuron in partials.values()]
        if len(full):
            block = self._whole(neurons[full], along[full], index[full], activations[full])
            assignment[full], Z[full], threshold[full] = block.assignment, block.Z, block.threshold
            of_neurons = np.split(block.vectors, np.cumsum(block.counts)[:-1])
            vectors |= dict(zip(full.tolist(), of_neurons, strict=True))
            for name, column in scores.items():
                column[full] = block.scores[name]
        all_vectors = np.concatenate([vectors[i] for i in range(len(index))])
        return Block(
            neurons, index, activations, Z, threshold, assignment, assignment.max(axis=1) + 1,
            all_vectors, scores, tops,
        )  # fmt: skip

    def _values(self, index: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """The layer, or the samples of it that `index` names, and `index` as rows of these
        values."""
        if self.values is not None:
            return self.values, torch.from_numpy(index).to(self.device)
        # Neurons share samples. Each sample is read once.
        samples, rows = np.unique(index, return_inverse=True)
        values = torch.from_numpy(self.acts.rows(samples)).to(self.device)
        return values, torch.from_numpy(rows.reshape(index.shape)).to(self.device)

    def _products(self, values: torch.Tensor, rows: torch.Tensor, index: np.ndarray) -> Any:
        """Dot products and squared distances of each neuron's samples: float64 `N x n x n` each,
        as arrays or, on a GPU, as tensors."""
        metric, (count, n) = self.settings.metric, index.shape
        out: Any = values.new_empty((count, n, n), dtype=torch.float64)
        if not self._tensors:
            out = np.empty((count, n, n))
        buffer = values.new_empty(self.group * n, values.shape[1])
        wide_buffer = values.new_empty(self.group, n, values.shape[1], dtype=torch.float64)

        def gathered(begin: int, end: int) -> torch.Tensor:
            vectors = buffer[: (end - begin) * n]
            torch.index_select(values, 0, rows[begin:end].ravel(), out=vectors)
            if metric == "cosine" and self.settings.method != "ward":
                require_directions(vectors, index[begin:end].ravel())
            return wide_buffer[: end - begin].copy_(vectors.view(-1, n, vectors.shape[1]))

        for begin in range(0, count, self.group):
            end = min(begin + self.group, count)
            points = gathered(begin, end)
            normalize_rows(points, metric)
            dot_products(points, out[begin:end])
        square, inexact = squares_of_products(out, values.shape[1])
        for i in np.flatnonzero(inexact).tolist():
            pair = gram_and_squares(gathered(i, i + 1)[0], metric)
            for several, one in zip((out, square), pair, strict=True):
                several[i] = torch.from_numpy(one) if self._tensors else one
        return out, square

    def _unit(self, vectors: torch.Tensor) -> Any:
        """`normalized` vectors, as a tensor where pairs are."""
        if not self._tensors:
            return normalized(_array(vectors))
        peak = vectors.abs().amax(1, keepdim=True)
        scaled = vectors / torch.where(peak > 0, peak, 1)
        norm = torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
        return scaled / torch.where(norm > 0, norm, 1)

    def _cut(self, Z: np.ndarray, linkages: Any, squares: Any) -> tuple[np.ndarray, np.ndarray]:
        """The thresholds, float64 `N`, and each top sample's concept, int `N x n`.

        `linkages` is `Z` on the device of `squares`.
        """
        s = self.settings
        trees = Trees.of(Z)
        if s.threshold is None:
            distances = distances_of(squares, s.method, s.metric)
            threshold = default_thresholds(trees, linkages, distances, s.min_size)
        else:
            threshold = np.full(len(Z), s.threshold)
        if s.refined:
            return threshold, self._refined(trees, threshold, _array(squares))
        return threshold, trees.assignment(threshold, s.min_size)

    def _refined(self, trees: Trees, threshold: np.ndarray, squares: np.ndarray) -> np.ndarray:
        """int32 `N x n`: the concept of each top sample by the rule of `Concepts.refine`."""
        s = self.settings
        initial = trees.assignment(threshold, 1)
        clusters, far = kmeans(squares, initial.max(axis=1) + 1, initial, seed=s.seed)
        out = np.empty(clusters.shape, np.int32)
        for i, height in enumerate(threshold.tolist()):
            outlier = outlier_distance(height, s.method, s.metric)
            out[i] = settle(
                trees[i], height, clusters[i], far[i], outlier, s.min_size, s.min_size
            ).assignment
        return out


def _fits(acts: Activations, device: torch.device) -> bool:
    """Whether a layer on disk has room on a GPU."""
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return 4 * acts.shape[0] * acts.shape[1] <= RESIDENT * free


def _tensor(values: np.ndarray, device: torch.device) -> torch.Tensor:
    if any(step < 0 for step in values.strides):
        values = np.ascontiguousarray(values)
    with warnings.catch_warnings():
        # The tensor is only read.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.as_tensor(values, device=device)


def _array(values: Any) -> np.ndarray:
    """An array, or a tensor as one."""
    return values if isinstance(values, np.ndarray) else values.cpu().numpy()


def _means(values: torch.Tensor, rows: torch.Tensor, assignment: np.ndarray) -> torch.Tensor:
    """`C x D`: the mean vector of each concept, neuron after neuron.

    Args:
        values: `S x D`.
        rows: int64 `N x n`, each neuron's top samples as rows of `values`.
        assignment: `N x n`, the concept of each of them, -1 for none.
    """
    counts = assignment.max(axis=1) + 1
    concept = np.where(
        assignment < 0, -1, assignment + (np.cumsum(counts) - counts)[:, None]
    ).ravel()
    order = np.argsort(concept, kind="stable")
    sizes = np.bincount(concept[concept >= 0], minlength=counts.sum())
    order = order[len(order) - sizes.sum() :]
    members, starts = (
        torch.from_numpy(part).to(values.device) for part in (order, np.cumsum(sizes) - sizes)
    )
    # It gathers and adds in one pass; gathering first would pass three times through memory.
    return torch.nn.functional.embedding_bag(rows.ravel()[members], values, starts, mode="mean")
