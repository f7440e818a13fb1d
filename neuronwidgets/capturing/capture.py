"""Read layers of a model on a dataset."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from torch import nn

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.io import check_dtype
from neuronwidgets.capturing.background import Capturing, given
from neuronwidgets.capturing.collecting import Collected
from neuronwidgets.capturing.collectors import Collector, Rows
from neuronwidgets.capturing.engine import Reading, Run, Wanted
from neuronwidgets.capturing.forward import CaptureError
from neuronwidgets.capturing.reader import LayerReader
from neuronwidgets.capturing.word_codes import labels_of_samples, nested
from neuronwidgets.core.checks import integer, one_of
from neuronwidgets.core.labels import plain_names
from neuronwidgets.data.batches import batches
from neuronwidgets.models.layers import find_layer, layer_name
from neuronwidgets.models.pooling import UNITS

if TYPE_CHECKING:
    from typing_extensions import TypedDict, Unpack

    LayerName = str | nn.Module

    class Options(TypedDict, total=False):
        """What the ways of calling `capture` have in common."""

        out: str | Path | None
        dtype: str
        label_names: Sequence[str] | Mapping[Any, str] | None
        transform: Callable[[Any], Any] | None
        max_length: int | None
        long: str
        overlap: int
        neuron_axis: int | None
        batch_axis: int | None
        call: int | None
        first: bool | None
        nonfinite: str | None
        engine: str
        workers: int | None
        progress: bool


@overload
def capture(
    model: nn.Module, data: Any, layer: LayerName, unit: str = ..., labels: Any = ...,
    tokenizer: Any = ..., batch_size: int = ..., *,
    collect: None = ..., background: Literal[False] = ..., **options: Unpack[Options],
) -> Activations: ...  # fmt: skip
@overload
def capture(
    model: nn.Module, data: Any, layer: LayerName, unit: str = ..., labels: Any = ...,
    tokenizer: Any = ..., batch_size: int = ..., *,
    collect: Collector | Sequence[Collector], background: Literal[False] = ...,
    **options: Unpack[Options],
) -> Collected: ...  # fmt: skip
@overload
def capture(
    model: nn.Module, data: Any, layer: Sequence[LayerName], unit: str = ..., labels: Any = ...,
    tokenizer: Any = ..., batch_size: int = ..., *,
    collect: Collector | Sequence[Collector] | None = ..., background: Literal[False] = ...,
    **options: Unpack[Options],
) -> dict[str, Any]: ...  # fmt: skip
@overload
def capture(
    model: nn.Module, data: Any, layer: LayerName | Sequence[LayerName], unit: str = ...,
    labels: Any = ..., tokenizer: Any = ..., batch_size: int = ..., *,
    collect: Collector | Sequence[Collector] | None = ..., background: Literal[True],
    **options: Unpack[Options],
) -> Capturing: ...  # fmt: skip
def capture(
    model: nn.Module,
    data: Any,
    layer: LayerName | Sequence[LayerName],
    unit: str = "mean",
    labels: Any = None,
    tokenizer: Any = None,
    batch_size: int = 64,
    *,
    out: str | Path | None = None,
    dtype: str = "float32",
    collect: Collector | Sequence[Collector] | None = None,
    background: bool = False,
    label_names: Sequence[str] | Mapping[Any, str] | None = None,
    transform: Callable[[Any], Any] | None = None,
    max_length: int | None = None,
    long: str = "cut",
    overlap: int = 0,
    neuron_axis: int | None = None,
    batch_axis: int | None = None,
    call: int | None = None,
    first: bool | None = None,
    nonfinite: str | None = None,
    engine: str = "local",
    workers: int | None = None,
    progress: bool = True,
) -> Any:
    """Run `data` through `model` up to `layer` and keep that layer's activations.

    The forward pass stops right after the layer (the last of several to answer). The model's mode
    and hooks are as before on every way out. It runs where the model is (its first parameter's
    device).

    Args:
        model: any `torch.nn.Module`.
        data: a list of strings, of lists of words, of conversations (written as texts by the
            tokenizer's chat template) or of lists of token ids, each alone, with its label as a
            pair, or in a mapping; an array or list of images (of 8 or 16 bits they become float in
            [0, 1], channels first, unless `tokenizer` or `transform` prepares them; floats are
            given as they are); an array or sparse matrix of vectors, or token ids; a torch or
            Hugging Face `Dataset` of such, streaming or not; or any iterable of batches that the
            model accepts (tensors, `(input, label)` pairs, mappings), such as a `DataLoader`.
            Empty texts are left out, with a warning. docs/guide/capture.md has a table.
            `neuronwidgets.layers(model)` lists them.
        unit: what one sample is: each "token" (or map position), or a sequence or map reduced by
            "mean", "max", "last" or "cls" token. Padding never counts; special tokens (a vision
            transformer's [CLS] and registers among them) count for "last" and "cls" only.
        labels: one per text, image or row, in the data's order (`None`, -1, NaN and other
            libraries' missing values: none); with unit="token" also a list for each text, of a
            label for each of its words. Taken from the data where it has them.
        tokenizer: a Hugging Face tokenizer, image processor or processor.
        batch_size: samples per forward pass.
        out: a folder in which the rows are written to disk instead of kept in memory
            (docs/explanation/store.md has the format). After a crash, the same call goes on where
            the folder ends; when it is complete, the same call opens it.
        dtype: what the folder holds: "float32", "float16", "bfloat16" or "int8".
        collect: what to keep instead of every row: one or more collectors (`Top`, `Moments`,
            `Histogram`, `Reservoir`, `Coactivation`, or your own `Collector`), each of which sees
            every row once, on the model's device. Memory then does not grow with the data. `Rows`
            among them keeps every row as well; with `out`, their states are kept in the folder.
        background: return at once with a `Capturing`, which reads on a thread of its own and
            which `SplitExplorer` opens while it runs.
        label_names: the names of whole-number labels: a list, or a dict such as `id2label`.
        transform: a list of images (or rows of the array) -> the model's input.
        max_length: how many tokens a text may have (default: what tokenizer and model take).
        long: what becomes of longer texts: "cut", or "windows" that each are a sample with their
            text's label (`samples.origin` says which text).
        overlap: how many tokens a window shares with the one before.
        neuron_axis, batch_axis: which axes of the layer's output hold the neurons and the batch.
            Not given: found out by following the inputs' axes through a pass of two samples; where
            that stays unclear, the layer is refused.
        call: which answer is read, from 0, of a layer that answers more than once in a pass (a
            module that is used twice). Not given: the first, with a warning if there are more.
        first: whether the first token of each text counts for "mean", "max" and "token". Not given:
            not where it is an attention sink, a vector over 5 times as long as the other tokens',
            which all texts share (looked for in the first 16 texts; `acts.first` says).
        nonfinite: "refuse" rows with NaN or infinite values, or "exclude" them (`acts.excluded`
            says which). Not given: rows are refused, and collectors count such values themselves.
        engine: "local", or "ray" for many machines (docs/guide/many-machines.md; the extra `ray`):
            an actor for each GPU reads windows of the data. Rows then go to `out`, a folder that
            all machines see.
        workers: how many actors; not given: one for each GPU, or without any for each machine.
        progress: show a progress bar.

    Returns:
        `Activations` with float32 `values`, `S x D`; with `collect`, `Collected`. Of several
        layers a dict of those, by name. With `background`, a `Capturing`.

    Interrupted (the notebook's stop button), it warns and returns what it has read.

    Raises:
        CaptureError: a batch in the middle of the data could not be read; `error.samples` says
            which samples, `error.so_far` has what came before. Out of memory, a batch is halved
            until it fits, with a warning.
        StoreError: `out` holds something else (other model, layer, data or settings; it says what
            differs), is being written by another capture, cannot be written, or is full.
        ValueError: unknown layer (with near matches), text without tokenizer, empty data, labels
            of the wrong length, or given apart from data that is shuffled, token ids whose padding
            cannot be told, an output without neurons, NaN or infinite activations.
    """
    if not isinstance(unit, str):
        kind = type(unit).__name__
        raise TypeError(
            f"unit must be one of {', '.join(map(repr, UNITS))}, got a {kind}. Labels are passed "
            "by name: labels=..."
        )
    one_of("unit", unit, UNITS)
    one_of("long", long, ("cut", "windows"))
    if nonfinite is not None:
        one_of("nonfinite", nonfinite, ("refuse", "exclude"))
    one_of("engine", engine, ("local", "ray"))
    if workers is not None:
        integer("workers", workers, 1)
        if engine == "local":
            raise ValueError("workers is of engine='ray'.")
    if overlap and long == "cut":
        raise ValueError("overlap is of long='windows'.")
    if call is not None:
        integer("call", call, 0)
    check_dtype(dtype)
    if dtype != "float32" and out is None:
        raise ValueError(f"dtype={dtype!r} is of a folder: pass out=..., too.")
    layers = _layers(model, layer)
    modules = {name: find_layer(model, name) for name in layers}
    of_words = unit == "token" and nested(labels)
    if not of_words:
        labels = labels_of_samples(labels)
    source = batches(
        data,
        model=model,
        processor=tokenizer,
        transform=transform,
        batch_size=batch_size,
        max_length=max_length,
        by_length=True,
        windows=overlap if long == "windows" else None,
        labels=list(labels) if of_words else None,
        per_word=unit == "token",
    )
    if labels is not None:
        source.keep_order("labels= are", ", or data that carries its labels")
        if of_words:
            labels, source = None, replace(source, label_names=None)
    if labels is not None and source.total not in (None, len(labels)):
        raise ValueError(
            f"labels has {len(labels):,} entries and data has {source.total:,} "
            "samples: one per sample is needed."
        )
    wanted = Wanted(
        layers,
        unit,
        _collectors(collect),
        labels,
        plain_names(label_names),
        nonfinite,
        None if out is None else Path(out),
        dtype,
        None if engine == "local" else workers or 0,
        first,
        {
            "batch_size": batch_size,
            "max_length": max_length,
            "long": long,
            "overlap": overlap,
            "neuron_axis": neuron_axis,
            "batch_axis": batch_axis,
            "call": call or 0,
            **({} if first is None else {"first": first}),
        },
    )
    rows = wanted.collect is None or any(type(c) is Rows for c in wanted.collect)
    if engine == "ray" and rows and out is None:
        raise ValueError(
            "engine='ray' keeps rows in a folder that all machines see: pass out=..., or collect= "
            "without Rows."
        )
    run = Run(LayerReader(model, modules, neuron_axis, batch_axis, call), source, wanted)
    alone = layers[0] if isinstance(layer, str | nn.Module) else None
    if background:
        return Capturing(run, alone)
    with _bar(run, progress) as bar:
        try:
            for reading in run.steps():
                _show(bar, reading)
        except KeyboardInterrupt:
            run.stop()
            if not run.count:
                raise
            of = "" if run.total is None else f" of {run.total:,}"
            warnings.warn(f"stopped after {run.count:,}{of} samples", stacklevel=2)
        except CaptureError as error:
            error.so_far = given(alone, error.so_far)
            raise
        finally:
            run.close()
    return given(alone, run.result())


def _layers(model: nn.Module, layer: Any) -> list[str]:
    several = isinstance(layer, Iterable) and not isinstance(layer, str | nn.Module)
    names = [layer_name(model, one) for one in (layer if several else [layer])]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"layer={layer!r}; one layer, or several different ones, are needed.")
    return names


def _collectors(collect: Any) -> list[Collector] | None:
    if collect is None:
        return None
    many = [collect] if isinstance(collect, Collector) else list(collect)
    for i, collector in enumerate(many):
        if not isinstance(collector, Collector):
            made = isinstance(collector, type) and issubclass(collector, Collector)
            hint = f": {collector.__name__}() makes one" if made else ""
            raise TypeError(f"collect[{i}] is {collector!r:.60}, no collector{hint}.")
    if not many:
        raise ValueError("collect is empty: at least one collector is needed.")
    return many


def _bar(run: Run, show: bool) -> Any:
    from tqdm.auto import tqdm

    what = run.layers[0] if len(run.layers) == 1 else f"{len(run.layers)} layers"
    return tqdm(total=run.total, desc=f"reading {what}", unit=" samples", disable=not show)


def _show(bar: Any, reading: Reading) -> None:
    if reading.tokens and reading.seconds:
        bar.set_postfix_str(f"{reading.tokens / reading.seconds:,.0f} tokens/s", refresh=False)
    bar.total = reading.total
    bar.update(reading.samples - bar.n)
