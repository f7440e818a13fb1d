"""`split_model`: splits all neurons of several layers of a model, without keeping activations."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from neuronwidgets.activations.io import check_dtype
from neuronwidgets.capturing.to_disk import ShardLimits
from neuronwidgets.capturing.word_codes import reread
from neuronwidgets.concepts.scores.registry import SCORES
from neuronwidgets.core.checks import integer, one_of
from neuronwidgets.core.layer_place import At
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.progress import progress_line
from neuronwidgets.layer_splits.gather import Gatherer
from neuronwidgets.layer_splits.model_run import ModelRun
from neuronwidgets.layer_splits.model_splits import ModelFolder, ModelSplits
from neuronwidgets.layer_splits.settings import Settings
from neuronwidgets.layer_splits.split_layer import DRAWS, checked_method, checked_settings
from neuronwidgets.layer_splits.statistics import FROM_SUMS
from neuronwidgets.models.layers import layer_name
from neuronwidgets.models.neurons import neuron_layers

FROM_TOPS = ("polysemanticity", "concepts", "active", "label_entropy", "variety")
"""Scores that need only the top samples, the minimum and the layer's mean."""
MEMORY = 2e9
"""Bytes that the blocks in work may take."""


def split_model(
    model: nn.Module,
    data: Any,
    layers: str | Sequence[str] | None = None,
    top: int = 100,
    pooling: str = "mean",
    labels: Any = None,
    tokenizer: Any = None,
    batch_size: int = 64,
    *,
    out: str | Path | None = None,
    dtype: str = "float32",
    threshold: float | None = None,
    method: str = "ward",
    metric: str | None = None,
    min_size: int | None = None,
    refined: bool = False,
    scores: Sequence[str] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    label_names: Sequence[str] | Mapping[Any, str] | None = None,
    transform: Callable[[Any], Any] | None = None,
    max_length: int | None = None,
    long: str = "cut",
    overlap: int = 0,
    neuron_axis: int | None = None,
    batch_axis: int | None = None,
    at: At | None = None,
    call: int | None = None,
    first: bool | None = None,
    nonfinite: str = "refuse",
    engine: str = "local",
    workers: int | None = None,
    device: Any = None,
    memory: float = MEMORY,
    progress: bool = True,
) -> ModelSplits:
    """Split every neuron of a model's layers, on data of any size.

    The first pass over the data finds the top samples of every neuron. The second one runs only
    these samples and writes the rows that the trees need to `out`. Then the layers are split as
    `split_layer` does it, block by block. The result is that of `capture` and `split_layer` for
    each layer, without the activations of all samples: the top samples are equal to the bit, and
    what is computed from their vectors is equal up to the rounding of the second pass.

    Args:
        model, data, pooling, labels, tokenizer, batch_size, label_names, transform, max_length,
            long, overlap, neuron_axis, batch_axis, call, first, nonfinite: as for `capture`. `data`
            is read twice and must give the same samples in the same order each time.
        layers: the layers' names. Not given: all that hold neurons (those with a `*` in
            `neuronwidgets.layers(model)`).
        top: the number of top-activating samples of each neuron.
        out: a folder for the result, which `ModelSplits.load` opens. It needs at most `4 top D^2`
            bytes for each layer of `D` neurons. The same call goes on after a crash, in whatever
            step that was. Not given: a temporary folder, deleted when Python ends.
        dtype: the dtype of the gathered rows in `out`: "float32", "bfloat16", "float16" or "int8".
            All but "float32" change the trees slightly.
        threshold, method, metric, min_size, refined, draws, seed, device: as for `split_layer`.
        scores: names of scores; `()` for none. Not given: all but "wasserstein", which needs every
            activation, and "label_entropy" if there are no labels.
        at: read the layers' "output" or their "input". Not given: where the layers' neurons are.
        engine, workers: "ray" reads and splits on many machines, with one actor per GPU, as for
            `capture`. All machines must see `out`.
        memory: bytes that the blocks in work may take, about. At least one block is in work: 64
            neurons with `top` rows each, and the layer's gathered activations of 64 neurons.
        progress: show lines with the progress and the time left.

    Returns:
        A `ModelSplits`: `splits["h.3.mlp.act"]` is the `LayerSplit` of a layer.

    Raises:
        ValueError, TypeError: as from `capture` and `split_layer`; data that can be read once only.
        StoreError: `out` holds something else, or cannot be written.
        KeyboardInterrupt: the user stopped it. The same call with `out` goes on.
    """
    if hasattr(data, "__next__"):
        raise TypeError(
            f"data must be readable twice, got a {type(data).__name__} that ends after one "
            "reading: pass a list, an array or a Dataset."
        )
    one_of("engine", engine, ("local", "ray"))
    check_dtype(dtype)
    top = integer("top", top, 2)
    method, metric = checked_method(method, metric)
    from_tops, from_sums = _scores(scores)
    settings = checked_settings(
        top, threshold, method, metric, min_size, refined, from_tops, draws, seed
    )
    names, at = _layers(model, layers, at)
    if out is None:
        out = tempfile.mkdtemp(prefix="neuronwidgets-")
        atexit.register(shutil.rmtree, out, ignore_errors=True)
    options = {
        "pooling": pooling, "labels": reread(labels), "tokenizer": tokenizer,
        "batch_size": batch_size,
        "label_names": label_names, "transform": transform, "max_length": max_length, "long": long,
        "overlap": overlap, "neuron_axis": neuron_axis, "batch_axis": batch_axis, "at": at,
        "call": call, "first": first, "nonfinite": nonfinite,
    }  # fmt: skip
    folder = ModelFolder(out)
    run = ModelRun(
        model, data, names, top, folder, options, from_sums, dtype, progress, ShardLimits()
    )
    if engine == "ray":
        return _on_ray(run, workers, settings, device, memory)
    return _here(run, settings, device, memory)


def _here(run: ModelRun, settings: Settings, device: Any, memory: float) -> ModelSplits:
    """All steps in this process."""
    tops = run.find_tops("local", None)
    source, codes = run.source()
    gather_settings = run.gather_settings(tops, source.make)
    gatherer = Gatherer(run.model, gather_settings)
    run.gather(gather_settings, source, codes, run.read_here(gatherer))
    with own_modes(), progress_line("splitting", _neurons(tops), "neurons", run.progress) as line:
        before = 0
        for job in run.jobs(settings, device, memory):
            count = 0
            for split in run.folder.split_layer(*job):
                count = len(split)
                line.update(before + count - line.n)
            before += count
    return ModelSplits(run.folder, gatherer.reader)


def _on_ray(
    run: ModelRun, workers: int | None, settings: Settings, device: Any, memory: float
) -> ModelSplits:
    """All steps on Ray's actors."""
    from neuronwidgets.capturing.ray import cluster
    from neuronwidgets.layer_splits import ray as on_ray

    with cluster() as ray:
        tops = run.find_tops("ray", workers)
        source, codes = run.source()
        gather_settings = run.gather_settings(tops, source.make)
        with on_ray.workers(ray, run.model, gather_settings, workers) as actors:
            run.gather(
                gather_settings, source, codes,
                lambda store, tasks: on_ray.gathered_windows(
                    ray, actors, store.batches, tasks, store.layer_folders
                ),
            )  # fmt: skip
            with progress_line("splitting", _neurons(tops), "neurons", run.progress) as line:
                jobs = ((run.folder, *job) for job in run.jobs(settings, device, memory))
                for count in on_ray.split_layers(ray, actors, jobs):
                    line.update(count)
    return ModelSplits(run.folder, Gatherer(run.model, gather_settings).reader)


def _neurons(tops: Mapping[str, Any]) -> int:
    return sum(len(layer_tops.keys) for layer_tops in tops.values())


def _layers(
    model: nn.Module, layers: str | Sequence[str] | None, at: At | None
) -> tuple[list[str], At]:
    """The layers' names, and what to read of them."""
    places = neuron_layers(model)
    if layers is None:
        names = [name for name, place in places.items() if at in (None, place)]
        if not names:
            raise ValueError(
                f"{type(model).__name__} has no layer that is known to hold neurons: pass layers=, "
                "names of neuronwidgets.layers(model)."
            )
    else:
        several = [layers] if isinstance(layers, str | nn.Module) else list(layers)
        names = [layer_name(model, layer) for layer in several]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"layers must be one layer or several different ones, got {layers!r}.")
    if at is not None:
        return names, at
    found = {places.get(name, "output") for name in names}
    if len(found) > 1:
        raise ValueError(
            "layers must all hold their neurons in their output, or all in their input, got both: "
            "pass at='output' or at='input', and split the others in another call."
        )
    return names, found.pop()


def _scores(scores: Sequence[str] | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The scores that are computed from top samples, and those from sums over all data.

    Raises:
        ValueError: an unknown score, or one that needs each activation.
    """
    if scores is None:
        return FROM_TOPS, FROM_SUMS
    names = [scores] if isinstance(scores, str) else list(scores)
    for name in names:
        if name not in SCORES:
            raise ValueError(f"score must be one of {', '.join(map(repr, SCORES))}, got {name!r}.")
        if name not in FROM_TOPS + FROM_SUMS:
            raise ValueError(
                f"scores must not have {name!r} here: it needs a neuron's activations on all "
                "samples, which are not kept. nw.split_layer computes it from a capture."
            )
    return (
        tuple(name for name in names if name in FROM_TOPS),
        tuple(name for name in names if name in FROM_SUMS),
    )
