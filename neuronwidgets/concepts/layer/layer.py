"""`split_layer`: every neuron of a layer in one call."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.clustering.linkage.engine import METRICS as LINKAGES
from neuronwidgets.clustering.linkage.engine import check_method
from neuronwidgets.concepts.defaults import check_min_size, default_min_size, top_count
from neuronwidgets.concepts.layer.io import Folder
from neuronwidgets.concepts.layer.result import LayerSplit
from neuronwidgets.concepts.layer.settings import Settings
from neuronwidgets.concepts.membership import check_threshold
from neuronwidgets.concepts.methods.registry import METHODS
from neuronwidgets.concepts.scores.registry import chosen
from neuronwidgets.core.modes import own_modes

if TYPE_CHECKING:
    from typing_extensions import TypedDict, Unpack

    class Options(TypedDict, total=False):
        """What both ways of calling `split_layer` have in common."""

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
"""Draws of the null for each neuron: p down to 0.05."""
MOST_TOP = 5_000
"""Top samples of each neuron: a matrix of all pairs takes 200 MB."""
MOST = 4e9
"""Bytes of concept vectors, about, that are kept in memory."""
EACH = 3
"""Concepts of a neuron, about."""


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

    arXiv 2304.09707, steps 1 to 4, for all neurons at once. Interrupted, it returns what is done.

    Args:
        acts: the layer's activations, or a plain `S x D` array.
        top: how many of the samples that activate each neuron most; see `neuronwidgets.split`.
        threshold: the height of every cut (the paper: 15, with `metric="euclidean"`); each tree's
            own suggestion if not given.
        method, metric: a linkage, see `neuronwidgets.split`.
        neurons: the neurons' numbers, a bool for each, or directions (`N x D` numbers; of
            `singular_directions`, say); all neurons if not given.
        min_size: clusters of fewer samples are no concept; 5 in 100 if not given, at least 2.
        refined: membership by the paper's k-means, outlier and minimum-size rule (see
            `Concepts.refine`) instead of the tree's.
        scores: names of scores (see `SCORES`); all that the activations allow if not given, none
            for `()`.
        draws: of the null that calibrates polysemanticity, for each neuron.
        seed: of the null and of k-means.
        out: a folder for the result. What is there from a call with the same activations and
            settings, a broken-off one too, is not made again; concept vectors stay on the disk.
        stream: return an iterator of what is done so far, longer each time.
        device: where distances are computed; the first GPU that has room, or the CPU, if not given.
        progress: show a progress bar.

    Returns:
        A `LayerSplit`: `to_frame()` ranks the neurons, `split(neuron)` and `concepts(neuron)` give
        one of them without clustering again.

    Raises:
        ValueError, IndexError, TypeError: no such neuron, score, method or folder; `top` larger
            than the data; fewer than two samples.
    """
    acts = Activations.of(acts)
    if method in METHODS and method not in LINKAGES:
        raise ValueError(
            f"method={method!r} splits one neuron at a time: nw.split(acts, neuron, "
            f"method={method!r}). A whole layer takes {', '.join(map(repr, LINKAGES))}."
        )
    # As of one neuron.
    metric = "cosine" if metric is None and method == "ward" else metric
    method, metric = check_method(method, metric)
    count = top_count(acts, top)
    if count > MOST_TOP:
        raise ValueError(
            f"top={count:,}; a whole layer takes up to {MOST_TOP:,} top samples each. nw.split "
            "takes more, of one neuron."
        )
    least = default_min_size(count) if min_size is None else check_min_size(min_size)
    targets = _targets(acts, neurons)
    names = tuple(one.name for one in chosen(acts, scores))
    if threshold is not None:
        threshold = check_threshold(threshold)
    for name, value in ("draws", draws), ("seed", seed):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
            raise ValueError(f"{name}={value!r}; a whole number of at least 0 is needed.")
    settings = Settings(
        count, threshold, method, metric, least, bool(refined), names, int(draws), int(seed),
        min_size is None,
    )  # fmt: skip
    about = len(targets) * acts.shape[1] * 4 * EACH
    if out is None and about > MOST:
        raise ValueError(
            f"the concept vectors of {len(targets):,} neurons take about {about / 1e9:.0f} GB: "
            "pass out='a folder', or fewer neurons=."
        )
    folder = None
    if out is not None:
        folder = Folder(out)
        folder.open(acts, targets, settings)
    steps = _steps(acts, targets, settings, folder, device)
    return steps if stream else _whole(steps, acts, targets, progress)


def _steps(
    acts: Activations, targets: np.ndarray, settings: Settings, folder: Folder | None, device: Any
) -> Iterator[LayerSplit]:
    from neuronwidgets.concepts.layer.pipeline import Pipeline

    done = [] if folder is None else list(folder.blocks())
    if done:
        yield LayerSplit(acts, acts.layer, targets, settings, tuple(done))
    if sum(map(len, done)) == len(targets):
        return
    for block in Pipeline(acts, targets, settings, _device(acts, device)).blocks(len(done)):
        if folder is not None:
            folder.write(len(done), block)
            block = folder.block(len(done))
        done.append(block)
        yield LayerSplit(acts, acts.layer, targets, settings, tuple(done))


def _whole(
    steps: Iterator[LayerSplit], acts: Activations, targets: np.ndarray, progress: bool
) -> LayerSplit:
    from tqdm.auto import tqdm

    found: LayerSplit | None = None
    what = f"splitting {acts.layer}"
    with tqdm(total=len(targets), desc=what, unit=" neurons", disable=not progress) as bar:
        try:
            for found in steps:
                bar.update(len(found) - bar.n)
        except KeyboardInterrupt:
            if found is None:
                raise
            warnings.warn(f"stopped after {len(found):,} of {len(targets):,} neurons", stacklevel=3)
    assert found is not None
    return found


def _targets(acts: Activations, neurons: Any) -> np.ndarray:
    """int64 `N`, neurons, or float64 `N x D`, directions of unit length."""
    if neurons is None:
        return np.arange(acts.shape[1])
    if hasattr(neurons, "detach"):
        neurons = neurons.detach().cpu().double().numpy() if neurons.ndim == 2 else neurons.tolist()
    if np.ndim(neurons) == 2:
        return np.stack([acts.check_direction(one) for one in np.asarray(neurons)])
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
    targets = np.array([acts.check_neuron(one) for one in neurons], np.int64)
    if len(np.unique(targets)) < len(targets):
        raise ValueError("neurons has some more than once: each can be split once.")
    return targets


def _device(acts: Activations, device: Any) -> Any:
    """The device that distances are computed on. Apple's GPUs lack float64."""
    import torch

    if device is not None:
        chosen_one = torch.device(device)
        if chosen_one.type == "mps":
            raise ValueError("device='mps' has no float64, which distances need: leave it out.")
        return chosen_one
    if torch.cuda.is_available():
        free, _ = torch.cuda.mem_get_info()
        if acts.values.size * acts.values.dtype.itemsize < free / 2:
            return torch.device("cuda")
    return torch.device("cpu")
