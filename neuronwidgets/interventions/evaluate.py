"""The cost of each label's range mask and neuron mask (arXiv 2502.06809, step 4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.core.checks import integer
from neuronwidgets.core.labels import titled
from neuronwidgets.core.layer_place import At, at_of
from neuronwidgets.core.progress import progress_line, warn_stopped
from neuronwidgets.core.renamed import renamed_keyword
from neuronwidgets.data.batches import batches
from neuronwidgets.interventions.edited_forward import EditedForward
from neuronwidgets.interventions.head import Representations
from neuronwidgets.interventions.held_out import HeldOut, PredictionReader
from neuronwidgets.interventions.masks import HasRanges, NeuronEdit, Replacement, range_edit
from neuronwidgets.interventions.perplexity import check_causal, losses
from neuronwidgets.interventions.random_bands import random_edit
from neuronwidgets.interventions.report import MaskReport
from neuronwidgets.interventions.setting import NEURON, Setting
from neuronwidgets.models.classes import class_names
from neuronwidgets.models.forward import move
from neuronwidgets.models.hooks import evaluating
from neuronwidgets.models.layers import find_layer
from neuronwidgets.models.left_padding import LeftPadding

INFINITE = float("inf")
"""Width of the neuron mask's range, which holds all values."""
NeuronsByLabel = Mapping[str, Sequence[int] | np.ndarray]
Metric = Callable[[Any, torch.Tensor], Any]


@renamed_keyword("to", "replacement")
def evaluate_masks(
    model: nn.Module,
    data: Any,
    ranges: HasRanges,
    tau: float | Sequence[float] = 2.0,
    top: float = 0.3,
    *,
    rule: str | Sequence[str] = "gaussian",
    neurons: NeuronsByLabel | Mapping[str, NeuronsByLabel] | None = None,
    labels: Any = None,
    tokenizer: Any = None,
    transform: Callable[[Any], Any] | None = None,
    batch_size: int = 64,
    max_length: int | None = None,
    classes: Sequence[str] | Mapping[Any, str] | None = None,
    replacement: Replacement = "mean",
    random_bands: int = 0,
    predict: Callable[[Any], Any] | None = None,
    metrics: Mapping[str, Metric] | None = None,
    head: bool = False,
    texts: Any = None,
    language_model: nn.Module | None = None,
    neuron_axis: int | None = None,
    resume: bool = True,
    progress: bool = True,
) -> MaskReport:
    """Accuracy and confidence on each label and on all others: base, range mask, neuron mask, and
    with `random_bands` the control of the range mask.

    The layers below the masked one run once for each batch, for all labels, rules, widths and
    saliency methods. Some models do not allow that: then every pass is a full one, and the report's
    `resumed` and `note` say so.

    Args:
        model: a classifier.
        data: what `capture` takes. It must not hold the samples that the ranges are from; texts and
            images are checked.
        ranges: `nw.ranges(acts)`, from training samples.
        tau: one or several widths, in standard deviations.
        top: how many salient neurons for each label, a share or a number, by mean absolute
            activation.
        rule: one or several of "gaussian", "quantile", "discriminative", see `Ranges.intervals`.
        neurons: the neurons themselves, instead of `top`: label -> neurons; or, to compare saliency
            methods, method -> label -> neurons.
        labels: one name per sample, or the index of its class. Not given: the data's labels.
        tokenizer, transform, batch_size, max_length, neuron_axis: see `capture`.
        classes: the names of the model's outputs, in order, or an `id2label`. Not needed where
            `config.id2label` has them, or where the labels are the outputs' numbers.
        replacement: what masked activations become: each neuron's "mean" over all labels' samples,
            "zero" (arXiv 2502.06809), "soft" or "factor", see `NeuronEdit`.
        random_bands: also measure each range mask's control, so many times: bands at random places
            on the same neurons that hold as many samples as the range, see `Ranges.random_bands`.
            Three draws are enough for a mean, more tell smaller differences, and one tells none.
            Where they cost as much, the range's cost says nothing about its label.
        predict: the model's output -> logits or probabilities `B x classes`, a tensor or array;
            of two classes also the log-odds of the second, `B` or `B x 1`. Not given: the output's
            `.logits` or `["logits"]`, or the output itself.
        metrics: name -> `f(output, classes)`, which returns one number per sample (`B`); `classes`
            is int64 `B`.
        head: also train a linear head on the masked layer (its mean over positions) under each
            mask, and predict the class with it. The layer may still hold a label that the mask
            hides from the model. The report's metric "head" is bool: whether a ridge classifier,
            trained on the other half of the samples, predicts the class.
        texts: also measure the perplexity of these texts under `language_model`, or under `model`.
        language_model: a causal language model with the same layer.
        resume: run the layers below the masked one once for each batch.
        progress: show a line with the progress and the time left.

    An interrupted call returns the report of the samples so far, without `texts`.

    Raises:
        ValueError: labels are missing or unknown, the data hold samples that the ranges are from,
            or `texts` are given and the model does not predict the next token.
    """
    if not hasattr(ranges, "intervals"):
        raise TypeError(f"ranges must be what nw.ranges(acts) gives, got a "
                        f"{type(ranges).__name__}.")  # fmt: skip
    module, at = find_layer(model, ranges.layer), at_of(ranges)
    names = class_names(model, ranges.label_names, classes)
    integer("random_bands", random_bands, 0)
    settings, edits = _edits(ranges, tau, top, rule, neurons, replacement, random_bands)
    causal = model if language_model is None else language_model
    if texts is not None:
        check_causal(causal)
    measures = metrics or {}
    held_out = HeldOut(
        model, data, names, getattr(ranges, "seen", frozenset()), labels, tokenizer, transform,
        batch_size, max_length,
    )  # fmt: skip
    forward = EditedForward(model, module, neuron_axis, resume, at)
    read = PredictionReader(len(names), predict)
    layer_outputs = None
    if head:
        layer_outputs = Representations(ranges.layer, 1 + len(edits), held_out.total, at)
    kept: list[tuple[np.ndarray, ...]] = []
    stopped = False
    with (
        evaluating(model),
        progress_line("masking", held_out.total, "samples", progress) as line,
    ):
        try:
            for batch in held_out:
                rows = []
                edited = forward.on(batch.inputs)
                outputs = edited.all(edits)
                if layer_outputs is not None:
                    outputs = layer_outputs.outputs(edited, edits, batch.inputs, len(batch))
                for output in outputs:
                    prediction = read(output, batch.codes)
                    extra = [_measured(n, f, output, batch.codes) for n, f in measures.items()]
                    rows.append((*prediction, *extra))
                    line.update(len(batch) / (1 + len(edits)))
                columns = [np.stack(column) for column in zip(*rows, strict=True)]
                kept.append((batch.codes.numpy(), *columns))
        except KeyboardInterrupt:
            if not kept:
                raise
            stopped = True
            done = sum(len(part[0]) for part in kept)
            warn_stopped(done, held_out.total, "samples")
    truth, predicted, confidence, *measured = (
        np.concatenate(parts, axis=-1) for parts in zip(*kept, strict=True)
    )
    metric_values = dict(zip(measures, measured, strict=True))
    if layer_outputs is not None:
        metric_values["head"] = layer_outputs.right(truth)
    nats, tokens = None, None
    note = forward.note
    if texts is not None and not stopped:
        nats, tokens, causal_note = _perplexity(
            causal, ranges.layer, at, texts, edits, tokenizer, batch_size, max_length, neuron_axis,
            resume, progress,
        )  # fmt: skip
        note = note or (causal_note and f"language model: {causal_note}")
    return MaskReport(
        ranges.layer, tuple(ranges.label_names), settings, truth,
        np.asarray([names.index(name) for name in ranges.label_names]), predicted, confidence,
        metric_values, nats, tokens, note is None, note or "", tuple(names), at,
    )  # fmt: skip


def _edits(
    ranges: HasRanges, tau: float | Sequence[float], top: float, rule: str | Sequence[str],
    neurons: Any, replacement: Replacement, random_bands: int,
) -> tuple[tuple[Setting, ...], list[NeuronEdit]]:  # fmt: skip
    """The settings, and a mask for each setting and label. A method ends with its neuron mask; a
    range is followed by its random bands."""
    given: Any = tau.tolist() if hasattr(tau, "tolist") else tau
    taus = [float(t) for t in (given if isinstance(given, Sequence) else [given])]
    rules = [rule] if isinstance(rule, str) else list(rule)
    methods: Mapping[str, NeuronsByLabel | None]
    if neurons is not None and not isinstance(neurons, Mapping):
        raise TypeError("neurons must be a mapping of labels to neurons, or of methods to such "
                        f"mappings, got a {type(neurons).__name__}.")  # fmt: skip
    if neurons is not None and neurons and all(isinstance(v, Mapping) for v in neurons.values()):
        methods = neurons
    else:
        methods = {"max" if neurons is None else "chosen": neurons}
    settings, edits = [], []
    for method, of_label in methods.items():
        # The labels that are numbers may be given as such.
        chosen = None if of_label is None else {titled(name): of_label[name] for name in of_label}
        widths = [(r, t) for r in rules for t in taus] + [(NEURON, INFINITE)]
        for how, width in widths:
            of_width = []
            for name in ranges.label_names:
                if chosen is not None and name not in chosen:
                    raise ValueError(f"neurons has no entry for the label {name!r}: add one.")
                of_width.append(range_edit(
                    ranges, name, width, top, rule="gaussian" if how == NEURON else how,
                    neurons=None if chosen is None else chosen[name],
                    replacement="zero" if replacement == "soft" and how == NEURON else replacement,
                ))  # fmt: skip
            settings.append(Setting(method, how, width))
            edits += of_width
            for draw in range(random_bands if how != NEURON else 0):
                settings.append(Setting(method, how, width, draw))
                edits += [random_edit(ranges, edit, draw) for edit in of_width]
    return tuple(settings), edits


def _measured(name: str, metric: Metric, output: Any, codes: torch.Tensor) -> np.ndarray:
    result = metric(output, codes)
    values = result.detach().cpu().numpy() if hasattr(result, "detach") else np.asarray(result)
    if values.shape != (len(codes),):
        raise ValueError(
            f"the metric {name!r} must return one number for each of {len(codes)} samples, got "
            f"shape {values.shape}."
        )
    return np.asarray(values, np.float64)


def _perplexity(
    model: nn.Module, layer: str, at: At, texts: Any, edits: list[NeuronEdit], tokenizer: Any,
    batch_size: int, max_length: int | None, axis: int | None, resume: bool, progress: bool,
) -> tuple[np.ndarray | None, np.ndarray | None, str | None]:  # fmt: skip
    """Nats of each text in each pass, `V x T`; predicted tokens, `T`; `EditedForward.note`.

    Interrupted before the first batch has ended, it has neither.
    """
    source = batches(
        texts, model=model, processor=tokenizer, batch_size=batch_size, max_length=max_length
    )
    forward = EditedForward(model, find_layer(model, layer), axis, resume, at)
    nats, tokens = [], []
    with evaluating(model), progress_line("perplexity", source.total, "texts", progress) as line:
        try:
            for batch in map(LeftPadding.of_output(model), source.batches):
                inputs = move(model, batch.inputs)
                by_pass = []
                for output in forward.on(inputs).all(edits):
                    by_pass.append(losses(output, inputs, batch.mask))
                    line.update(batch.size / (1 + len(edits)))
                nats.append(torch.stack([nats_of_text for nats_of_text, _ in by_pass]).numpy())
                tokens.append(by_pass[0][1].numpy())
        except KeyboardInterrupt:
            warn_stopped(sum(map(len, tokens)), source.total, "texts")
    if not tokens:
        return None, None, forward.note
    return np.concatenate(nats, axis=1), np.concatenate(tokens), forward.note
