"""`split_layer`: splits all neurons of a layer in one call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.clustering.linkage.engine import METRICS as LINKAGES
from neuronwidgets.clustering.linkage.engine import check_method
from neuronwidgets.concepts.defaults import check_min_size, default_min_size, top_count
from neuronwidgets.concepts.membership import check_threshold
from neuronwidgets.concepts.methods.registry import METHODS
from neuronwidgets.concepts.scores.registry import chosen
from neuronwidgets.core.checks import integer
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.progress import progress_line, warn_stopped
from neuronwidgets.layer_splits.io import Folder
from neuronwidgets.layer_splits.layer_split import LayerSplit
from neuronwidgets.layer_splits.settings import Settings

if TYPE_CHECKING:
    from typing_extensions import TypedDict, Unpack

    from neuronwidgets.layer_splits.given_tops import GivenTops

    class Options(TypedDict, total=False):
        """The arguments that both overloads of `split_layer` take."""

        neurons: Any
        min_size: int | None
        refined: bool
        scores: Sequence[str] | None
        draws: int
        seed: int
        out: str | Path | None
        device: Any
        progress: bool


DRAWS = 19
"""Draws of the null for each neuron: the smallest p is 0.05."""
NULL = 3
"""Version of the null (see `Settings.null`)."""
MOST_TOP = 5_000
"""Top samples of a neuron, at most: a matrix of all pairs then takes 200 MB."""
MOST_BYTES = 4e9
"""Estimated size of the concept vectors above which they must go to a folder."""
CONCEPTS_EACH = 3
"""Concepts of a neuron, for that estimate."""


@overload
def split_layer(
    acts: Any, top: int | None = ..., threshold: float | None = ..., method: str = ...,
    metric: str | None = ..., *, stream: Literal[False] = ..., **options: Unpack[Options],
) -> LayerSplit: ...  # fmt: skip
@overload
def split_layer(
    acts: Any, top: int | None = ..., threshold: float | None = ..., method: str = ...,
    metric: str | None = ..., *, stream: Literal[True], **options: Unpack[Options],
) -> Iterator[LayerSplit]: ...  # fmt: skip
@own_modes()
def split_layer(
    acts: Any,
    top: int | None = None,
    threshold: float | None = None,
    method: str = "ward",
    metric: str | None = None,
    *,
    neurons: Any = None,
    min_size: int | None = None,
    refined: bool = False,
    scores: Sequence[str] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    out: str | Path | None = None,
    stream: bool = False,
    device: Any = None,
    progress: bool = True,
) -> LayerSplit | Iterator[LayerSplit]:
    """Split every neuron of a layer: top samples, tree, cut, concept vectors and scores of each.

    arXiv 2304.09707, steps 1 to 4, for all neurons at once. An interrupted call returns the neurons
    that are done.

    Args:
        acts: the layer's activations, or a plain `S x D` array.
        top: the number of top-activating samples of each neuron; see `neuronwidgets.split`.
        threshold: the height of every cut (the paper: 15, with `metric="euclidean"`). Not given:
            the suggested threshold of each tree.
        method, metric: a linkage, see `neuronwidgets.split`.
        neurons: the neurons' numbers, a bool for each neuron, or directions (`N x D` numbers, for
            example those of `singular_directions`). Not given: all neurons.
        min_size: clusters of fewer samples are no concept. Not given: 5 in 100, at least 2.
        refined: assign samples by the paper's k-means, outlier and minimum-size rules (see
            `Concepts.refine`) instead of the tree's clusters.
        scores: names of scores (see `SCORES`); `()` for none. Not given: all that the activations
            allow.
        draws: draws of the null that calibrates polysemanticity, for each neuron. Neurons whose
            nulls are nearly the same share them.
        seed: of the null and of k-means.
        out: a folder for the result. Blocks that an earlier call with the same activations and
            settings wrote there are reused. Concept vectors stay on disk.
        stream: return an iterator of growing results.
        device: the device that distances are computed on. Not given: the first GPU that has room,
            or the CPU.
        progress: show a line with the progress and the time left.

    Returns:
        A `LayerSplit`: `to_frame()` ranks the neurons; `split(neuron)` and `concepts(neuron)` give
        one neuron's without further clustering.

    Raises:
        ValueError, IndexError, TypeError: no such neuron, score, method or folder; `top` larger
            than the data; fewer than two samples.
    """
    acts = Activations.of(acts)
    method, metric = checked_method(method, metric)
    count = top_count(acts, top)
    targets = _targets(acts, neurons)
    names = tuple(score.name for score in chosen(acts, scores))
    settings = checked_settings(
        count, threshold, method, metric, min_size, refined, names, draws, seed
    )
    estimate = len(targets) * acts.shape[1] * 4 * CONCEPTS_EACH
    if out is None and estimate > MOST_BYTES:
        raise ValueError(
            f"the concept vectors of {len(targets):,} neurons take about {estimate / 1e9:.0f} GB: "
            "pass out='a folder', or fewer neurons=."
        )
    folder = None
    if out is not None:
        folder = Folder(out)
        folder.open(acts, targets, settings)
    results = partial_results(acts, targets, settings, folder, device)
    return results if stream else _last(results, acts, targets, progress)


def checked_method(method: str, metric: str | None) -> tuple[str, str]:
    """A linkage and its metric, checked; by default the same as those of `split`."""
    if method in METHODS and method not in LINKAGES:
        raise ValueError(
            f"method={method!r} splits one neuron at a time: nw.split(acts, neuron, "
            f"method={method!r}). A whole layer takes {', '.join(map(repr, LINKAGES))}."
        )
    return check_method(method, "cosine" if metric is None and method == "ward" else metric)


def checked_settings(
    top: int,
    threshold: float | None,
    method: str,
    metric: str,
    min_size: int | None,
    refined: bool,
    scores: tuple[str, ...],
    draws: int,
    seed: int,
) -> Settings:
    """The settings of a split with `top` top samples, checked; `method`, `metric` and `scores`
    were checked before."""
    if top > MOST_TOP:
        raise ValueError(
            f"top must be at most {MOST_TOP:,} for a whole layer, got {top:,}. nw.split takes "
            "more top samples of one neuron."
        )
    size = default_min_size(top) if min_size is None else check_min_size(min_size)
    if threshold is not None:
        threshold = check_threshold(threshold)
    for name, value in ("draws", draws), ("seed", seed):
        integer(name, value, 0)
    return Settings(
        top, threshold, method, metric, size, bool(refined), scores, int(draws), int(seed),
        min_size is None, NULL if "polysemanticity" in scores else 1,
    )  # fmt: skip


def partial_results(
    acts: Activations,
    targets: np.ndarray,
    settings: Settings,
    folder: Folder | None,
    device: Any,
    given: GivenTops | None = None,
    memory: float | None = None,
) -> Iterator[LayerSplit]:
    """The layer's split after each block; `given` and `memory` as for `Pipeline`."""
    from neuronwidgets.layer_splits.pipeline import Pipeline

    done = [] if folder is None else list(folder.blocks())
    if done:
        yield LayerSplit(acts, acts.layer, targets, settings, tuple(done))
    if sum(map(len, done)) == len(targets):
        return
    pipeline = Pipeline(acts, targets, settings, _device(acts, device), given=given, memory=memory)
    for block in pipeline.blocks(sum(map(len, done))):
        if folder is not None:
            folder.write(len(done), block)
            block = folder.block(len(done))
        done.append(block)
        yield LayerSplit(acts, acts.layer, targets, settings, tuple(done))


def _last(
    results: Iterator[LayerSplit], acts: Activations, targets: np.ndarray, progress: bool
) -> LayerSplit:
    """The last result, or the latest one if the user interrupts."""
    latest: LayerSplit | None = None
    title = f"splitting {acts.layer}"
    with progress_line(title, len(targets), "neurons", progress) as line:
        try:
            for latest in results:
                line.update(len(latest) - line.n)
        except KeyboardInterrupt:
            if latest is None:
                raise
            warn_stopped(len(latest), len(targets), "neurons")
    assert latest is not None
    return latest


def _targets(acts: Activations, neurons: Any) -> np.ndarray:
    """The targets: int64 `N`, neurons, or float64 `N x D`, directions of unit length."""
    if neurons is None:
        return np.arange(acts.shape[1])
    if hasattr(neurons, "detach"):
        neurons = neurons.detach().cpu().double().numpy() if neurons.ndim == 2 else neurons.tolist()
    if np.ndim(neurons) == 2:
        return np.stack([acts.check_direction(direction) for direction in np.asarray(neurons)])
    if np.ndim(neurons) != 1 or len(neurons) == 0:
        raise ValueError(
            f"neurons must be a list of neurons, or directions (N x {acts.shape[1]:,} numbers), "
            f"got {neurons!r:.60}."
        )
    given = np.asarray(neurons)
    if given.dtype == bool:
        if len(given) != acts.shape[1] or not given.any():
            raise ValueError(
                f"neurons must have a bool for each of the {acts.shape[1]:,} neurons, at least one "
                f"of them true; got {len(given):,} of which {int(given.sum()):,} are true."
            )
        return np.flatnonzero(given)
    targets = np.array([acts.check_neuron(neuron) for neuron in neurons], np.int64)
    if len(np.unique(targets)) < len(targets):
        raise ValueError("neurons must differ from each other, got some more than once.")
    return targets


def _device(acts: Activations, device: Any) -> Any:
    """The device that distances are computed on. Apple's GPUs lack float64."""
    import torch

    if device is not None:
        given = torch.device(device)
        if given.type == "mps":
            raise ValueError("device='mps' has no float64, which distances need: leave it out.")
        return given
    if torch.cuda.is_available():
        free, _ = torch.cuda.mem_get_info()
        if acts.values.size * acts.values.dtype.itemsize < free / 2:
            return torch.device("cuda")
    return torch.device("cpu")
