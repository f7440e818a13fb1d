"""What a label's range mask and neuron mask cost the model: arXiv 2502.06809, step 4."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.data.batches import batches
from neuronwidgets.interventions.edited_forward import Passes
from neuronwidgets.interventions.head import Representations
from neuronwidgets.interventions.held_out import Answers, HeldOut
from neuronwidgets.interventions.masks import HasRanges, NeuronEdit, To, range_edit
from neuronwidgets.interventions.perplexity import check_causal, losses
from neuronwidgets.interventions.report import NEURON, MaskReport, Setting
from neuronwidgets.models.classes import class_names
from neuronwidgets.models.forward import move
from neuronwidgets.models.hooks import evaluating
from neuronwidgets.models.layers import find_layer
from neuronwidgets.models.left_padding import LeftPadding

INFINITE = float("inf")
Neurons = Mapping[str, Sequence[int] | np.ndarray]
Metric = Callable[[Any, torch.Tensor], Any]


def evaluate_masks(
    model: nn.Module,
    data: Any,
    ranges: HasRanges,
    tau: float | Sequence[float] = 2.0,
    top: float = 0.3,
    *,
    rule: str | Sequence[str] = "gaussian",
    neurons: Neurons | Mapping[str, Neurons] | None = None,
    labels: Any = None,
    tokenizer: Any = None,
    transform: Callable[[Any], Any] | None = None,
    batch_size: int = 64,
    max_length: int | None = None,
    classes: Sequence[str] | Mapping[Any, str] | None = None,
    to: To = "mean",
    predict: Callable[[Any], Any] | None = None,
    metrics: Mapping[str, Metric] | None = None,
    head: bool = False,
    texts: Any = None,
    language_model: nn.Module | None = None,
    neuron_axis: int | None = None,
    resume: bool = True,
    progress: bool = True,
) -> MaskReport:
    """Accuracy and confidence on each label and on all others: base, range mask, neuron mask.

    Everything below the masked layer is computed once for each batch and reused for all labels,
    rules, widths and saliency methods; where a model does not allow that, every pass is a full
    one, and the report's `resumed` and `note` say so.

    Args:
        model: a classifier.
        data: what `capture` takes; not the samples that the ranges are from (refused where texts
            or images tell).
        ranges: `nw.ranges(acts)`, from training samples.
        tau: one or several widths, in standard deviations.
        top: how many salient neurons for each label, a share or a number, by mean absolute
            activation.
        rule: one or several of "gaussian", "quantile", "discriminative", see `Ranges.intervals`.
        neurons: these instead of `top`: label -> neurons; or, to compare saliency methods,
            method -> label -> neurons.
        labels: one name per sample (or numbers, then the class's index); from the data if there.
        tokenizer, transform, batch_size, max_length, neuron_axis: see `capture`.
        classes: the names of the model's outputs, in order, or an `id2label`; not needed where
            `config.id2label` tells, or where the labels are the outputs' numbers.
        to: what masked activations become: each neuron's "mean" over all labels' samples, "zero"
            (arXiv 2502.06809), "soft" or "factor", see `NeuronEdit`.
        predict: the model's output -> logits or probabilities `B x classes`, a tensor or array;
            of two classes also the log-odds of the second, `B` or `B x 1`. Not given: `.logits`,
            or the output.
        metrics: name -> `f(output, classes)`, which returns one number per sample (`B`); `classes`
            is int64 `B`.
        head: also train a linear head on the layer's output (its mean over positions) under each
            mask, and ask it for the class: a mask that hides a label from the model may leave it to
            be read from the layer. The report has it as the metric "head": bool, whether a ridge
            classifier that was trained on the other half of the samples predicts the class.
        texts: also measure perplexity on these texts, of `language_model`, or of `model` itself.
        language_model: a causal language model with the same layer.
        resume: reuse what is below the layer.

    Raises:
        ValueError: labels missing or unknown, data that the ranges were made from, a perplexity
            asked of a model that does not predict the next token.
    """
    if not hasattr(ranges, "intervals"):
        raise TypeError(f"ranges is a {type(ranges).__name__}; what nw.ranges(acts) gives is "
                        "needed.")  # fmt: skip
    module = find_layer(model, ranges.layer)
    names = class_names(model, ranges.label_names, classes)
    settings, edits = _edits(ranges, tau, top, rule, neurons, to)
    speaker = model if language_model is None else language_model
    if texts is not None:
        check_causal(speaker)
    measures = metrics or {}
    held_out = HeldOut(
        model, data, names, getattr(ranges, "seen", frozenset()), labels, tokenizer, transform,
        batch_size, max_length,
    )  # fmt: skip
    passes = Passes(model, module, neuron_axis, resume)
    answers = Answers(len(names), predict)
    seen = Representations(ranges.layer, 1 + len(edits), held_out.total) if head else None
    kept: list[tuple[np.ndarray, ...]] = []
    with evaluating(model), _bar(held_out.total, "masking", progress) as bar:
        for batch in held_out:
            rows = []
            batched = passes.on(batch.inputs)
            outputs = batched.all(edits)
            if seen is not None:
                outputs = seen.outputs(batched, edits, batch.inputs, len(batch))
            for output in outputs:
                found = answers(output, batch.codes)
                extra = [_measured(n, f, output, batch.codes) for n, f in measures.items()]
                rows.append((*found, *extra))
            columns = [np.stack(column) for column in zip(*rows, strict=True)]
            kept.append((batch.codes.numpy(), *columns))
            bar.update(len(batch))
    truth, predicted, sure, *measured = (
        np.concatenate(parts, axis=-1) for parts in zip(*kept, strict=True)
    )
    found_metrics = dict(zip(measures, measured, strict=True))
    if seen is not None:
        found_metrics["head"] = seen.right(truth)
    nats, tokens = None, None
    note = passes.note
    if texts is not None:
        nats, tokens, spoken = _perplexity(
            speaker, ranges.layer, texts, edits, tokenizer, batch_size, max_length, neuron_axis,
            resume, progress,
        )  # fmt: skip
        note = note or (spoken and f"language model: {spoken}")
    return MaskReport(
        ranges.layer, tuple(ranges.label_names), settings, truth,
        np.asarray([names.index(name) for name in ranges.label_names]), predicted, sure,
        found_metrics, nats, tokens, note is None, note or "", tuple(names),
    )  # fmt: skip


def _edits(
    ranges: HasRanges, tau: float | Sequence[float], top: float, rule: str | Sequence[str],
    neurons: Any, to: To,
) -> tuple[tuple[Setting, ...], list[NeuronEdit]]:  # fmt: skip
    """For each setting, for each label: its mask; a method's last masks its neurons whole."""
    taus = [float(t) for t in (tau if isinstance(tau, Sequence | np.ndarray) else [tau])]
    rules = [rule] if isinstance(rule, str) else list(rule)
    methods: Mapping[str, Neurons | None]
    if neurons is not None and not isinstance(neurons, Mapping):
        raise TypeError(f"neurons is a {type(neurons).__name__}; a mapping of labels to neurons, "
                        "or of methods to such mappings, is needed.")  # fmt: skip
    if neurons is not None and neurons and all(isinstance(v, Mapping) for v in neurons.values()):
        methods = neurons
    else:
        methods = {"max" if neurons is None else "chosen": neurons}
    settings, edits = [], []
    for method, chosen in methods.items():
        widths = [(r, t) for r in rules for t in taus] + [(NEURON, INFINITE)]
        for how, width in widths:
            settings.append(Setting(method, how, width))
            for name in ranges.label_names:
                if chosen is not None and name not in chosen:
                    raise ValueError(f"neurons has no entry for the label {name!r}.")
                edits.append(range_edit(
                    ranges, name, width, top, rule="gaussian" if how == NEURON else how,
                    neurons=None if chosen is None else chosen[name],
                    to="zero" if to == "soft" and how == NEURON else to,
                ))  # fmt: skip
    return tuple(settings), edits


def _measured(name: str, metric: Metric, output: Any, codes: torch.Tensor) -> np.ndarray:
    found = metric(output, codes)
    values = found.detach().cpu().numpy() if hasattr(found, "detach") else np.asarray(found)
    if values.shape != (len(codes),):
        raise ValueError(
            f"the metric {name!r} returns shape {values.shape} for {len(codes)} samples: one "
            "number for each is needed."
        )
    return np.asarray(values, np.float64)


def _perplexity(
    model: nn.Module, layer: str, texts: Any, edits: list[NeuronEdit], tokenizer: Any,
    batch_size: int, max_length: int | None, axis: int | None, resume: bool, progress: bool,
) -> tuple[np.ndarray, np.ndarray, str | None]:  # fmt: skip
    """Nats of each text under each pass, `V x T`, the tokens predicted, `T`, and `Passes.note`."""
    source = batches(
        texts, model=model, processor=tokenizer, batch_size=batch_size, max_length=max_length
    )
    passes = Passes(model, find_layer(model, layer), axis, resume)
    nats, tokens = [], []
    with evaluating(model), _bar(source.total, "perplexity", progress) as bar:
        for batch in map(LeftPadding.of_output(model), source.batches):
            inputs = move(model, batch.inputs)
            made = [losses(o, inputs, batch.mask) for o in passes.on(inputs).all(edits)]
            nats.append(torch.stack([each for each, _ in made]).numpy())
            tokens.append(made[0][1].numpy())
            bar.update(batch.size)
    return np.concatenate(nats, axis=1), np.concatenate(tokens), passes.note


def _bar(total: int | None, what: str, show: bool) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=total, desc=what, unit=" samples", disable=not show)
