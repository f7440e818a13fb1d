"""`explore`: from a model and data to every neuron of a layer, in one cell."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from neuronwidgets.activations.activations import Activations
from neuronwidgets.clustering.linkage.engine import METRICS
from neuronwidgets.layer_splits.layer_split import LayerSplit
from neuronwidgets.widgets.base.feed import Feed, is_capturing
from neuronwidgets.widgets.base.given import given
from neuronwidgets.widgets.base.widget import Widget
from neuronwidgets.widgets.explorer.place import Place, Tab
from neuronwidgets.widgets.explorer.widget import Explorer


def explore(
    source: Any,
    data: Any = None,
    layer: Any = None,
    *,
    state: str | None = None,
    neuron: int | None = None,
    model: Any = None,
    held_out: tuple[Any, Any] | None = None,
    top: int | None = None,
    method: str | None = None,
    metric: str | None = None,
    tokenizer: Any = None,
    library: Any = None,
    classes: Sequence[str] | None = None,
    **options: Any,
) -> Explorer:
    """Explore a layer: a browser of all its neurons, the chosen one beside it.

    With a model and data the capture starts at once, in the background. The browser opens at the
    first samples and fills while the capture goes on.

    Args:
        source: a model; or what was captured before: `Activations`, a folder of them, a plain
            `S x D` array, a running `Capturing`, a `LayerSplit`.
        data: with a model what it reads, as `neuronwidgets.capture` takes it.
        layer: with a model, or a capture of several layers: a layer's name. Not given: the one of
            `state`, or a layer of neurons two thirds of the way through the model; the widget says
            why.
        state: an address, `explorer.state`, to open at.
        neuron: the neuron to open at. Not given: that of `state`; without a `state` the first of
            the table, which is the most polysemantic one of a `LayerSplit`.
        model: the model of activations that were captured before: the probe needs it, and what
            concepts promote.
        held_out: samples and labels that were not captured, `(data, labels)`: the RangeExplorer
            measures on them what masks cost the model, the SplitExplorer what it loses without a
            concept. Without them they measure nothing.
        top, method, metric: how each neuron is split, see `neuronwidgets.split`.
        tokenizer: a Hugging Face tokenizer, image processor or processor.
        library: the `Library` that concepts on the screen are added to; not given: a new one, at
            the first concept (`explorer.library`).
        classes: the names of a classifier's outputs in order. Not given: `config.id2label`.
        options: the other arguments of `neuronwidgets.capture`, such as `labels`, `pooling`,
            `batch_size` or `at`.

    Raises:
        ValueError, TypeError: no such layer, neuron or state; data without a model, or a model
            without data.
    """
    place = None if state is None else Place.of(state)
    acts, model, reason = _source(source, data, layer, place, model, tokenizer, options)
    from neuronwidgets.widgets.neuron_browser.widget import NeuronBrowser

    several: dict[str, Any] = {}
    if is_capturing(acts):
        several["layer"] = layer or (place and place.layer)
    split: dict[str, Any] = {"top": top, "method": method, "metric": metric}
    read = {} if data is None or hasattr(data, "__next__") else {"data": data}
    run: dict[str, Any] = {"transform": options.get("transform"), "classes": classes,
           "neuron_axis": options.get("neuron_axis")}  # fmt: skip
    run = {name: value for name, value in run.items() if value is not None}
    browser = NeuronBrowser(
        acts,
        model=model,
        tokenizer=tokenizer,
        library=library,
        **several,
        **read,
        **run,
        **{k: v for k, v in split.items() if v is not None},
    )
    try:
        shown = browser.acts
        if place is None:
            place = Place(shown.layer, browser.first)
        if place.layer != shown.layer:
            raise ValueError(
                f"state: layer {place.layer!r} is not the one that was captured, {shown.layer!r}."
            )
        if neuron is not None:
            place = place.at(neuron=neuron)
        if place.neuron is not None:
            shown.check_neuron(place.neuron)
        names = ("model", "data") if _is_model(source) else ("acts",)
        code = given(
            *names, model=None if _is_model(source) else model, tokenizer=tokenizer,
            held_out=held_out, library=library, classes=classes, **split, **options,
        )  # fmt: skip
        if isinstance(acts, LayerSplit):
            made = acts.settings
            split |= {"top": made.top, "method": made.method}
            split["metric"] = made.metric if made.method in METRICS else None
        if options.get("max_length") is not None:
            run["max_length"] = options["max_length"]
        openers, missing = _openers(
            browser, acts, several, split, model, tokenizer, held_out, read, run,
        )  # fmt: skip
        if place.tab in missing:
            raise ValueError(f"state: tab {place.tab!r} cannot be shown: {missing[place.tab]}")
        capturing = acts if is_capturing(acts) else None
        return Explorer(
            browser, openers, place, missing=missing, reason=reason, given=code,
            capturing=capturing, owned=acts is not source,
        )  # fmt: skip
    except BaseException:
        browser.close()
        raise


def _source(
    source: Any, data: Any, layer: Any, place: Place | None, model: Any, tokenizer: Any,
    options: dict[str, Any],
) -> tuple[Any, Any, str]:  # fmt: skip
    """What the browser shows, the model if it is known, and why the layer was proposed."""
    if _is_model(source):
        if data is None:
            raise ValueError(
                "data is missing: nw.explore(model, data) takes the samples that the model reads, "
                "such as a list of texts or an array of images."
            )
        if model is not None:
            raise ValueError("model= is given with a model already: leave it out.")
        from neuronwidgets.capturing.capture import capture

        layer = place.layer if layer is None and place is not None else layer
        reason = ""
        if layer is None:
            from neuronwidgets.models.proposal import proposed_layer
            from neuronwidgets.models.reached import reached_layers

            reached = reached_layers(source, data, tokenizer, options.get("transform"))
            proposal = proposed_layer(source, reached)
            layer, reason = proposal.layer, proposal.reason
            options.setdefault("at", proposal.at)
        if isinstance(layer, list | tuple):
            raise ValueError("layer must be one layer: an explorer shows one at a time.")
        capturing = capture(
            source, data, layer, tokenizer=tokenizer, background=True,
            **{"progress": False, **options},
        )  # fmt: skip
        return capturing, source, reason
    if data is not None:
        raise ValueError(
            "data is there for a model to read: pass a model first, nw.explore(model, data); "
            f"got a {type(source).__name__} and data."
        )
    if options:
        name = sorted(options)[0]
        raise TypeError(
            f"{name}= is for a capture, and {type(source).__name__} was captured already: leave it "
            "out."
        )
    if source is None:
        raise TypeError(
            "source must be a model (with data), or activations, a folder of them or an array, got "
            "None."
        )
    if isinstance(source, str | Path):
        source = Activations.load(source)
    if not is_capturing(source) and not isinstance(source, LayerSplit):
        source = Activations.of(source)
        if layer is not None and layer != source.layer:
            raise ValueError(
                f"layer={layer!r} is not the layer of these activations, {source.layer!r}: leave "
                "it out, or pass a model and data."
            )
    return source, model, ""


def _openers(
    browser: Any, acts: Any, several: Mapping[str, Any], split: Mapping[str, Any], model: Any,
    tokenizer: Any, held_out: tuple[Any, Any] | None,
    read: Mapping[str, Any], run: Mapping[str, Any],
) -> tuple[dict[Tab, Callable[[int], Widget]], dict[Tab, str]]:  # fmt: skip
    """For each tab what opens it, or the reason why it cannot be shown."""

    # Of a capture the browser may show fewer samples than it has read by now.
    source = (acts, several) if is_capturing(acts) else (browser.acts, {})

    def open_split(neuron: int) -> Widget:
        from neuronwidgets.widgets.split_explorer.widget import SplitExplorer

        shown, of = source
        used = {} if model is None else {
            "model": model, "tokenizer": tokenizer, "held_out": held_out, **read, **run,
        }  # fmt: skip
        return SplitExplorer(shown, neuron, library=browser.library, **split, **of, **used)

    def open_ranges(neuron: int) -> Widget:
        from neuronwidgets.widgets.range_explorer.widget import RangeExplorer

        shown, of = source
        samples, labels = (None, None) if held_out is None else held_out
        measured = {"model": model, "data": samples, "labels": labels, **run} if held_out else {}
        return RangeExplorer(shown, neuron, tokenizer=tokenizer, **measured, **of)

    def open_probe(neuron: int) -> Widget:
        from neuronwidgets.widgets.live_probe.widget import LiveProbe

        shown, of = source
        read = Feed(shown, **of).opened(lambda read: False)
        return LiveProbe(read, model, neuron, tokenizer=tokenizer)

    openers: dict[Tab, Callable[[int], Widget]] = {"split": open_split}
    missing: dict[Tab, str] = {}
    if browser.acts.labels is None:
        missing["ranges"] = "activation ranges need labels: pass labels=, one per sample."
    else:
        openers["ranges"] = open_ranges
    if model is None:
        missing["probe"] = "the probe runs the model: pass model=."
    else:
        openers["probe"] = open_probe
    if held_out is not None and model is None:
        raise ValueError("held_out= measures what masks cost a model: pass model=, too.")
    return openers, missing


def _is_model(source: Any) -> bool:
    # A model exists only if torch was imported; plain arrays do not need it.
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(source, torch.nn.Module)
