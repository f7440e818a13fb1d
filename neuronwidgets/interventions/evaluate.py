"""What a label's range mask and neuron mask cost the model: arXiv 2502.06809, step 4."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.activations import how_many
from neuronwidgets.interventions.intervention import applied, editor
from neuronwidgets.interventions.masks import HasRanges, NeuronEdit, To, overall_mean
from neuronwidgets.interventions.report import MaskReport
from neuronwidgets.models import Resume, batches, call, evaluating, find_layer, move, positions

INFINITE = float("inf")


def evaluate_masks(
    model: nn.Module,
    data: Any,
    ranges: HasRanges,
    tau: float | Sequence[float] = 2.0,
    top: float = 0.3,
    *,
    labels: Any = None,
    tokenizer: Any = None,
    transform: Callable[[Any], Any] | None = None,
    batch_size: int = 64,
    max_length: int | None = None,
    classes: Sequence[str] | None = None,
    neurons: Mapping[str, Sequence[int]] | None = None,
    to: To = "zero",
    predict: Callable[[Any], torch.Tensor] | None = None,
    neuron_axis: int | None = None,
    resume: bool = True,
    progress: bool = True,
) -> MaskReport:
    """Accuracy and confidence on each label and on all others: base, range mask, neuron mask.

    Everything below the masked layer is computed once for each batch and reused for all labels,
    masks and taus; where a model does not allow that, every pass is a full one, and the report's
    `resumed` and `note` say so.

    Args:
        model: a classifier.
        data: what `capture` takes; not the samples that the ranges are from (refused where texts
            or images tell).
        ranges: `nw.ranges(acts)`, from training samples.
        tau: one or several half-widths, in standard deviations.
        top: how many salient neurons for each label, a share or a number, by mean absolute
            activation; `neurons` (label -> neurons) overrides it.
        labels: one name per sample (or numbers, then the class's index); from the data if there.
        tokenizer, transform, batch_size, max_length, neuron_axis: see `capture`.
        classes: the names of the model's outputs, in order; not given: `config.id2label`, else the
            ranges' labels in their order.
        to: what masked activations become, see `NeuronEdit`.
        predict: the model's output -> logits `B x classes`; not given: `.logits`, or the output.
        resume: reuse what is below the layer.

    Raises:
        ValueError: labels missing or unknown, data that the ranges were made from.
    """
    taus = tuple(float(t) for t in (tau if isinstance(tau, Sequence | np.ndarray) else [tau]))
    module = find_layer(model, ranges.layer)
    names = _classes(model, ranges, classes)
    edits = _edits(ranges, (*taus, INFINITE), top, neurons, to)
    source = batches(data, processor=tokenizer, transform=transform, batch_size=batch_size,
                     max_length=max_length or positions(model))  # fmt: skip
    given = None if labels is None else list(np.asarray(labels, object))
    if given is not None and source.total is not None and len(given) != source.total:
        raise ValueError(f"labels has {len(given):,} entries and data has {source.total:,} "
                         "samples: one per sample is needed.")  # fmt: skip
    truth: list[int] = []
    right: list[np.ndarray] = []
    sure: list[np.ndarray] = []
    note = Resume.obstacle(model, module) if resume else "resume=False"
    seen = 0
    with evaluating(model), _bar(source.total, progress) as bar:
        for batch in source.batches:
            if given is not None:
                rows = given[seen : seen + batch.size]
            elif batch.labels is not None:
                rows = list(batch.labels)
            else:
                raise ValueError("the data has no labels: pass labels=, one per sample.")
            _refuse_seen(ranges, batch, seen)
            seen += batch.size
            codes = torch.as_tensor([_code(row, names, source.label_names) for row in rows])
            inputs = move(model, batch.inputs)

            def run(inputs: Any = inputs) -> Any:
                return call(model, inputs)

            passes, note = _passes(model, module, run, edits, note, neuron_axis, seen == batch.size)
            logits = torch.stack([_logits(out, predict, len(names), batch.size) for out in passes])
            share = logits.float().softmax(dim=-1).cpu()
            right.append((share.argmax(dim=-1) == codes).numpy())
            sure.append(share[:, torch.arange(batch.size), codes].numpy())
            truth += codes.tolist()
            bar.update(batch.size)
    where = [names.index(name) for name in ranges.label_names]
    return MaskReport(
        ranges.layer, tuple(ranges.label_names), taus, np.asarray(truth), np.asarray(where),
        np.concatenate(right, axis=1), np.concatenate(sure, axis=1), note is None, note or "",
    )  # fmt: skip


def _edits(
    ranges: HasRanges, taus: Sequence[float], top: float,
    neurons: Mapping[str, Sequence[int]] | None, to: To,
) -> list[NeuronEdit]:  # fmt: skip
    """For each tau, for each label: its mask. The last tau is infinite: the neuron mask."""
    made = []
    value = overall_mean(ranges)
    for tau in taus:
        for c, name in enumerate(ranges.label_names):
            if neurons is not None:
                if name not in neurons:
                    raise ValueError(f"neurons has no entry for the label {name!r}.")
                index = np.asarray(neurons[name], np.int64)
            else:
                size = how_many(top, ranges.mean.shape[1])
                index = np.argsort(-ranges.magnitude[c], kind="stable")[:size]
            low, high = ranges.intervals(c, tau)[index].T
            kind: To = "zero" if to == "soft" and tau == INFINITE else to
            made.append(NeuronEdit(ranges.layer, index, low, high, kind, value[index],
                                   neurons_in_layer=ranges.mean.shape[1]))  # fmt: skip
    return made


def _passes(
    model: nn.Module, module: nn.Module, run: Callable[[], Any], edits: list[NeuronEdit],
    note: str | None, axis: int | None, first: bool,
) -> tuple[list[Any], str | None]:  # fmt: skip
    """The base output and one for each edit."""
    if note is None:
        resumed = Resume(model, module)
        base = resumed.record(run)
        if first and not _same(base, resumed.replay(run, lambda output: output)):
            note = "a resumed pass of this model differs from a full one"
        else:
            masked = [resumed.replay(run, editor(module, edit, axis)) for edit in edits]
            return [base, *masked], None
    outputs = [run()]
    for edit in edits:
        with applied(model, edit, axis):
            outputs.append(run())
    return outputs, note


def _same(one: Any, other: Any) -> bool:
    a, b = _logits_of(one), _logits_of(other)
    return a.shape == b.shape and torch.equal(a, b)


def _logits_of(output: Any) -> torch.Tensor:
    found = getattr(output, "logits", output)
    if isinstance(found, tuple | list):
        found = found[0]
    if not isinstance(found, torch.Tensor):
        raise ValueError(f"the model returns a {type(output).__name__} without logits: pass "
                         "predict=, its output -> logits.")  # fmt: skip
    return found


def _logits(
    output: Any, predict: Callable[[Any], torch.Tensor] | None, classes: int, size: int
) -> torch.Tensor:
    logits = _logits_of(output) if predict is None else predict(output)
    if logits.shape != (size, classes):
        raise ValueError(f"the logits have shape {tuple(logits.shape)}; {size} samples x {classes} "
                         "classes are needed: pass predict= or classes=.")  # fmt: skip
    return logits


def _classes(model: nn.Module, ranges: HasRanges, classes: Sequence[str] | None) -> list[str]:
    config = getattr(model, "config", None)
    id2label = getattr(config, "id2label", None) or {}
    known = [str(id2label[i]) for i in sorted(id2label)]
    names = list(map(str, classes)) if classes is not None else known
    if classes is None and not set(ranges.label_names) <= set(names):
        names = list(ranges.label_names)
    missing = [name for name in ranges.label_names if name not in names]
    if missing:
        raise ValueError(f"the ranges have the label {missing[0]!r}, which is not among the "
                         f"model's classes ({', '.join(names[:14])}).")  # fmt: skip
    return names


def _code(label: Any, names: list[str], given: Sequence[str] | None) -> int:
    if isinstance(label, int | np.integer) and not isinstance(label, bool):
        number = int(label)
        name = given[number] if given is not None and 0 <= number < len(given) else str(number)
        if name in names:
            return names.index(name)
        if given is None and 0 <= number < len(names):
            return number
    elif str(label) in names:
        return names.index(str(label))
    raise ValueError(f"the data has the label {label!r}; the model's classes are "
                     f"{', '.join(names[:14])}.")  # fmt: skip


def _refuse_seen(ranges: HasRanges, batch: Any, first: int) -> None:
    seen: frozenset[int] = getattr(ranges, "seen", frozenset())
    if not seen:
        return
    from neuronwidgets.activations import Samples

    faces = Samples(batch.size, images=batch.images, texts=batch.texts)
    for i, mark in enumerate(faces.marks()):
        if mark in seen:
            raise ValueError(
                f"sample {first + i} is one of those that the ranges were made from: what a mask "
                "costs is measured on held-out data only."
            )


def _bar(total: int | None, show: bool) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=total, desc="masking", unit=" samples", disable=not show)
