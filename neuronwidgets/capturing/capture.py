"""The function `capture`: reads layers of a model on a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from torch import nn

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.io import check_dtype
from neuronwidgets.capturing.background import Capturing, unwrapped
from neuronwidgets.capturing.collecting import Collected
from neuronwidgets.capturing.collectors import Collector, Rows
from neuronwidgets.capturing.engine import CaptureRequest, Engine, Reading
from neuronwidgets.capturing.forward import CaptureError
from neuronwidgets.capturing.reader import LayerReader
from neuronwidgets.capturing.word_codes import labels_of_samples, nested, reread
from neuronwidgets.core.checks import integer, one_of
from neuronwidgets.core.labels import plain_names
from neuronwidgets.core.layer_place import At, checked_at
from neuronwidgets.core.progress import progress_line, warn_stopped
from neuronwidgets.core.renamed import renamed_keyword
from neuronwidgets.data.batches import batches
from neuronwidgets.models.layers import find_layer, layer_name
from neuronwidgets.models.pooling import POOLINGS

if TYPE_CHECKING:
    from typing_extensions import TypedDict, Unpack

    LayerName = str | nn.Module

    class CaptureOptions(TypedDict, total=False):
        """The arguments that all overloads of `capture` share."""

        out: str | Path | None
        dtype: str
        label_names: Sequence[str] | Mapping[Any, str] | None
        transform: Callable[[Any], Any] | None
        max_length: int | None
        long: str
        overlap: int
        neuron_axis: int | None
        batch_axis: int | None
        at: At
        call: int | None
        first: bool | None
        nonfinite: str | None
        engine: str
        workers: int | None
        progress: bool


@overload
def capture(
    model: nn.Module, data: Any, layer: LayerName, pooling: str = ..., labels: Any = ...,
    tokenizer: Any = ..., batch_size: int = ..., *,
    collect: None = ..., background: Literal[False] = ..., **options: Unpack[CaptureOptions],
) -> Activations: ...  # fmt: skip
@overload
def capture(
    model: nn.Module, data: Any, layer: LayerName, pooling: str = ..., labels: Any = ...,
    tokenizer: Any = ..., batch_size: int = ..., *,
    collect: Collector | Sequence[Collector], background: Literal[False] = ...,
    **options: Unpack[CaptureOptions],
) -> Collected: ...  # fmt: skip
@overload
def capture(
    model: nn.Module, data: Any, layer: Sequence[LayerName], pooling: str = ..., labels: Any = ...,
    tokenizer: Any = ..., batch_size: int = ..., *,
    collect: Collector | Sequence[Collector] | None = ..., background: Literal[False] = ...,
    **options: Unpack[CaptureOptions],
) -> dict[str, Any]: ...  # fmt: skip
@overload
def capture(
    model: nn.Module, data: Any, layer: LayerName | Sequence[LayerName], pooling: str = ...,
    labels: Any = ..., tokenizer: Any = ..., batch_size: int = ..., *,
    collect: Collector | Sequence[Collector] | None = ..., background: Literal[True],
    **options: Unpack[CaptureOptions],
) -> Capturing: ...  # fmt: skip
@renamed_keyword("unit", "pooling")
def capture(
    model: nn.Module,
    data: Any,
    layer: LayerName | Sequence[LayerName],
    pooling: str = "mean",
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
    at: At = "output",
    call: int | None = None,
    first: bool | None = None,
    nonfinite: str | None = None,
    engine: str = "local",
    workers: int | None = None,
    progress: bool = True,
) -> Any:
    """Run `data` through `model` up to `layer` and keep that layer's activations.

    The forward pass stops after the layer, or after the last of several. It runs on the device of
    the model's first parameter. The model's mode and hooks are restored on every way out.

    Args:
        model: any `torch.nn.Module`.
        data: one of the following. docs/guide/capture.md has a table.
            - a list of strings, of lists of words, of conversations (turned into texts by the
              tokenizer's chat template) or of lists of token ids, each alone, with its label as a
              pair, or in a mapping. Empty texts are left out, with a warning;
            - an array or list of images, or a list of their paths. 8 or 16 bits become floats in
              [0, 1], channels first, unless `tokenizer` or `transform` prepares them; floats are
              passed unchanged;
            - an array or sparse matrix of vectors, or an array of token ids;
            - a torch or Hugging Face `Dataset` of any of these, streaming or not;
            - any iterable of batches that the model accepts (tensors, `(input, label)` pairs,
              mappings), such as a `DataLoader`.
        layer: a name, a module of the model, or a list of these. `neuronwidgets.layers(model)`
            lists the names.
        pooling: "token" for each token or map position, or "mean", "max", "last" or
            "cls" over a sequence or map. Padding never counts. Special tokens, such as [CLS] and
            registers of a vision transformer, count for "last" and "cls" only.
        labels: one per text, image or row, in the data's order. `None`, -1, NaN and other
            libraries' missing values mean no label. With pooling="token" also, for each text, a
            list with a label for each word. Default: the data's own labels.
        tokenizer: a Hugging Face tokenizer, image processor or processor.
        batch_size: samples per forward pass.
        out: a folder to write the rows to, instead of memory. docs/explanation/store.md has the
            format.
            After a crash, the same call resumes; once complete, the same call opens the folder.
        dtype: the dtype in the folder: "float32", "float16", "bfloat16" or "int8".
        collect: one or more collectors to keep instead of all rows: `Top`, `Moments`,
            `Histogram`, `Reservoir`, `Coactivation`, or your own `Collector`. Each sees every row
            once, on the model's device, so that memory does not grow with the data. `Rows` among
            them keeps all rows, too. With `out`, their states are kept in the folder.
        background: return a `Capturing` at once. It reads on a thread of its own, and
            `SplitExplorer` opens it while it runs.
        label_names: the names of whole-number labels: a list, or a dict such as `id2label`.
        transform: a function from a list of images (or rows of the array) to the model's input.
        max_length: tokens that a text may have. Default: the limit of tokenizer and model.
        long: "cut" longer texts, or split them into "windows", each a sample with its text's
            label. `samples.origin` has the text of each window.
        overlap: tokens that a window shares with the one before.
        neuron_axis, batch_axis: the axes of neurons and batch in the layer's output (or input).
            Default: they are found by following the inputs' axes through the first pass. A layer
            for which that fails is refused.
        at: what to read of each layer, its "output" or its "input": the first tensor that it is
            called with. The neurons of a gated MLP are the input of its down projection.
        call: the call to read, from 0, of a layer that a pass calls more than once. Default: the
            first, with a warning if there are more.
        first: whether the first token of each text counts for "mean", "max" and "token". Default:
            unless it is an attention sink, a vector over 5 times as long as the other tokens', by
            the first 16 texts. `acts.first` has the answer.
        nonfinite: "refuse" rows with NaN or infinite values, or "exclude" them. `acts.excluded`
            lists them. Default: rows are refused, and collectors count such values themselves.
        engine: "local", or "ray" for many machines (docs/guide/many-machines.md; the extra `ray`):
            one actor per GPU reads windows of the data. Rows go to `out`, a folder that all
            machines see.
        workers: the number of actors. Default: one per GPU; without GPUs, one per machine.
        progress: show a line with the progress and the time left.

    Returns:
        `Activations` with float32 `values`, `S x D`; with `collect`, `Collected`. For several
        layers, a dict of these by name. With `background`, a `Capturing`.

        If interrupted by the notebook's stop button, it warns and returns what it has read.

    Raises:
        CaptureError: a batch in the middle of the data could not be read. `error.samples` has its
            samples, `error.so_far` the result of all before. A batch that does not fit in memory
            is halved first until it fits, with a warning.
        StoreError: `out` holds another store (the message names what differs), is being written by
            another capture, cannot be written, or is full.
        ValueError: an unknown layer (with the nearest names), texts without a tokenizer, empty
            data, labels of the wrong length, `labels=` beside shuffled data, token ids whose
            padding is unclear, an output without neurons, NaN or infinite activations.
    """
    if not isinstance(pooling, str):
        kind = type(pooling).__name__
        raise TypeError(
            f"pooling must be one of {', '.join(map(repr, POOLINGS))}, got a {kind}. Pass labels "
            "by name: labels=..."
        )
    one_of("pooling", pooling, POOLINGS)
    checked_at(at)
    one_of("long", long, ("cut", "windows"))
    if nonfinite is not None:
        one_of("nonfinite", nonfinite, ("refuse", "exclude"))
    one_of("engine", engine, ("local", "ray"))
    if workers is not None:
        integer("workers", workers, 1)
        if engine == "local":
            raise ValueError("workers= works with engine='ray' only, got engine='local'.")
    if overlap and long == "cut":
        raise ValueError("overlap= works with long='windows' only, got long='cut'.")
    if call is not None:
        integer("call", call, 0)
    check_dtype(dtype)
    if dtype != "float32" and out is None:
        raise ValueError(f"dtype={dtype!r} works with a folder only: pass out=..., too.")
    layers = _layers(model, layer)
    modules = {name: find_layer(model, name) for name in layers}
    labels = reread(labels)
    per_word = pooling == "token" and nested(labels)
    if not per_word:
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
        labels=list(labels) if per_word else None,
        per_word=pooling == "token",
    )
    if labels is not None:
        source.keep_order("labels= are", ", or data that has its labels")
        if per_word:
            labels, source = None, replace(source, label_names=None)
    if labels is not None and source.total not in (None, len(labels)):
        raise ValueError(
            f"labels must have one entry per sample, got {len(labels):,} for {source.total:,} "
            "samples."
        )
    request = CaptureRequest(
        layers,
        pooling,
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
            **({} if at == "output" else {"at": at}),
        },
    )
    rows = request.collect is None or any(type(c) is Rows for c in request.collect)
    if engine == "ray" and rows and out is None:
        raise ValueError(
            "engine='ray' must write rows to a folder that all machines see: pass out=..., or "
            "collect= without Rows."
        )
    reader = LayerReader(model, modules, neuron_axis, batch_axis, call, at)
    capture_engine = Engine(reader, source, request)
    single = layers[0] if isinstance(layer, str | nn.Module) else None
    if background:
        return Capturing(capture_engine, single)
    title = layers[0] if len(layers) == 1 else f"{len(layers)} layers"
    with progress_line(f"reading {title}", source.total, "samples", progress) as line:
        try:
            for reading in capture_engine.steps():
                _show(line, reading)
        except KeyboardInterrupt:
            capture_engine.stop()
            if not capture_engine.count:
                raise
            warn_stopped(capture_engine.count, capture_engine.total, "samples")
        except CaptureError as error:
            error.so_far = unwrapped(single, error.so_far)
            raise
        finally:
            capture_engine.close()
    return unwrapped(single, capture_engine.result())


def _layers(model: nn.Module, layer: Any) -> list[str]:
    """The names of the layers in the argument `layer=`."""
    several = isinstance(layer, Iterable) and not isinstance(layer, str | nn.Module)
    names = [layer_name(model, item) for item in (layer if several else [layer])]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"layer must be one layer or several different ones, got {layer!r}.")
    return names


def _collectors(collect: Any) -> list[Collector] | None:
    """The collectors in the argument `collect=`."""
    if collect is None:
        return None
    collectors = [collect] if isinstance(collect, Collector) else list(collect)
    for i, collector in enumerate(collectors):
        if not isinstance(collector, Collector):
            is_class = isinstance(collector, type) and issubclass(collector, Collector)
            hint = f": pass an instance, {collector.__name__}()" if is_class else ""
            raise TypeError(f"collect[{i}] must be a collector, got {collector!r:.60}{hint}.")
    if not collectors:
        raise ValueError("collect must hold at least one collector, got none.")
    return collectors


def _show(line: Any, reading: Reading) -> None:
    if reading.tokens and reading.seconds:
        line.set_postfix_str(f"{reading.tokens / reading.seconds:,.0f} tokens/s", refresh=False)
    line.total = reading.total
    line.update(reading.samples - line.n)
