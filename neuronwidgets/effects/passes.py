"""What edits of a model change on held-out samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.activations.samples import Samples
from neuronwidgets.core.labels import plain_labels
from neuronwidgets.core.layer_place import At, at_of
from neuronwidgets.core.modes import own_modes
from neuronwidgets.data.batches import batches
from neuronwidgets.effects.read_tokens import ReadTokens
from neuronwidgets.interventions.edited_forward import EditedBatch, EditedForward
from neuronwidgets.interventions.intervention import Editor, Intervention
from neuronwidgets.models.classes import is_binary, logits_of, two_logits
from neuronwidgets.models.forward import call, move
from neuronwidgets.models.hooks import evaluating, hooked
from neuronwidgets.models.layers import find_layer
from neuronwidgets.models.left_padding import LeftPadding

KEPT_BYTES = 1 << 30
"""Bytes of layer outputs that are kept between passes; batches beyond them run anew."""


@dataclass(frozen=True, eq=False)
class Answers:
    """A model's answers to `S` samples: float32, bool and float32, each `S`.

    Attributes:
        nats: log-probability of the right answer; of a text's tokens the mean.
        right: whether it is the most likely one; of a text's tokens the share.
        kl: KL(edited || plain); of a text's tokens the mean.
    """

    nats: np.ndarray
    right: np.ndarray
    kl: np.ndarray


@dataclass(frozen=True, eq=False)
class _Kept:
    """One batch, and what its passes under edits need."""

    inputs: Any
    mask: torch.Tensor | None
    plain: torch.Tensor | None
    truth: torch.Tensor
    sample: np.ndarray
    batch: EditedBatch | None

    @property
    def tokens(self) -> int:
        """The tokens of its longest text; 1 where samples are no texts."""
        return 1 if self.mask is None else self.mask.shape[-1]


class Passes:
    """Held-out samples under any number of edits; what is below the edited layer runs once.

    Args:
        model: a classifier or a causal language model. Every sample must have a prediction.
        layers: the names of the edited layers. Passes resume at the one that runs first.
        at: whether the layers' output or input is edited.
        seen: fingerprints of samples that are refused.
        what: what those samples are, in messages.
        codes: `codes(labels, passes)` -> the model's classes, int64 `B`. Without labels the plain
            model's answers count as right.

    Attributes:
        codes: int64 `S`, each sample's class (under a language model, its label, -1 for none), or
            `None` without labels.
        language: whether the model predicts next tokens.
        label_names: the names of the data's whole-number labels.
        dataset_index: int64 `S`, each sample in the data.
        plain: the answers without an edit.
        note: why every pass is a full one; empty where passes resume.
        ran: how many passes over all samples were made.
    """

    def __init__(
        self, model: nn.Module, data: Any, layers: Sequence[str], at: At = "output", *,
        labels: Any = None, seen: frozenset[int] = frozenset(), what: str = "",
        codes: Callable[[list[Any], Passes], torch.Tensor],
        predict: Callable[[Any], Any] | None = None, neuron_axis: int | None = None,
        update: Callable[[int], Any] = lambda count: None, **reading: Any,
    ) -> None:  # fmt: skip
        self._model, self._predict, self._axis = model, predict, neuron_axis
        # A module's input comes before those of its parts, its output after theirs.
        running = model.modules() if at == "input" else _finishing(model)
        order = {module: i for i, module in enumerate(dict.fromkeys(running))}
        self._modules = {name: find_layer(model, name) for name in layers}
        self._lowest = min(layers, key=lambda name: order[self._modules[name]])
        self._forward = EditedForward(model, self._modules[self._lowest], neuron_axis, at=at)
        self._given = None if labels is None else plain_labels(labels)
        self._seen, self._what, self._code = seen, what, codes
        self._read = ReadTokens(model, list(self._modules.values()))
        self._kept: list[_Kept] = []
        self.language = False
        self.ran = 0
        self.codes: np.ndarray | None = None
        self.label_names: tuple[str, ...] | None = None
        parts: list[Answers] = []
        coded: list[np.ndarray] = []
        places: list[np.ndarray] = []
        with evaluating(model), torch.no_grad():
            source = batches(data, model=model, by_length=True, **reading)
            self.label_names = source.label_names
            if self._given is not None:
                source.keep_order("labels= are", ", or data that carries its labels")
            kept_bytes, done = 0, 0
            for batch in map(LeftPadding.of_output(model), source.batches):
                place = batch.dataset_index
                place = np.arange(done, done + batch.size) if place is None else place
                done += batch.size
                self._refuse_seen(batch, place)
                inputs = move(model, batch.inputs)
                edited = self._forward.on(inputs)
                self.language = logits_of(edited.base, predict).ndim == 3
                rows = self._rows(batch.labels, place)
                codes_of_batch = None if rows is None else self._code(rows, self)
                if codes_of_batch is not None:
                    coded.append(codes_of_batch.numpy())
                kept, answers = self._plain(edited, inputs, batch.mask, codes_of_batch)
                kept_bytes += edited.size + logits_of(edited.base, predict).nbytes
                self._kept.append(kept if kept_bytes <= KEPT_BYTES else replace(kept, batch=None))
                parts.append(answers)
                places.append(place)
                update(batch.size)
        if not parts:
            raise ValueError("data holds no sample: pass held-out samples.")
        self.dataset_index = np.concatenate(places)
        if len(coded) == len(parts):
            self.codes = np.concatenate(coded)
        self.plain = _joined(parts)
        self.note = self._forward.note or ""
        self._learn_read_tokens()

    def _rows(self, own: Sequence[Any] | None, place: np.ndarray) -> list[Any] | None:
        """The labels of a batch's samples; `None` without labels."""
        rows: Any = own
        if self._given is not None:
            if int(place.max()) >= len(self._given):
                raise ValueError(
                    f"labels must have one entry per sample, got {len(self._given):,} entries and "
                    "data with more samples."
                )
            rows = [self._given[i] for i in place.tolist()]
        return None if rows is None else list(rows)

    def _refuse_seen(self, batch: Any, place: np.ndarray) -> None:
        if not self._seen:
            return
        marks = Samples(batch.size, images=batch.images, texts=batch.texts).fingerprints()
        for i, mark in enumerate(marks):
            if mark in self._seen:
                raise ValueError(
                    f"sample {place[i]} is one of those that {self._what} are from: effects are "
                    "measured on held-out data only."
                )

    @own_modes()
    def _plain(
        self,
        edited: EditedBatch,
        inputs: Any,
        mask: torch.Tensor | None,
        codes: torch.Tensor | None,
    ) -> tuple[_Kept, Answers]:
        logits = logits_of(edited.base, self._predict).float()
        size = len(logits)
        sample = np.arange(size)
        if self.language:
            ids = inputs["input_ids"] if hasattr(inputs, "keys") else inputs
            if logits.shape[:2] != ids.shape:
                raise ValueError(
                    "the logits must be texts x tokens x vocabulary, got shape "
                    f"{tuple(logits.shape)} for token ids of shape {tuple(ids.shape)}: pass "
                    "predict=, the model's output -> logits; texts x vocabulary is one prediction "
                    "for each text."
                )
            real = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask.to(ids.device)
            real = real[:, 1:] & real[:, :-1]
            sample, truth = real.nonzero()[:, 0].cpu().numpy(), ids[:, 1:][real]
            if len(np.unique(sample)) < size:
                raise ValueError("a text of one token predicts none: leave it out.")
            mask = real
        plain = self._log_probabilities(edited.base, mask)
        if not self.language:
            truth = plain.argmax(-1) if codes is None else codes.to(plain.device)
            if int(truth.max()) >= plain.shape[1]:
                raise ValueError(
                    f"labels has the class {int(truth.max())}, and the model has {plain.shape[1]} "
                    "outputs: pass classes=<the names of its outputs in order>."
                )
        # Those of texts are large, and quick to have again from the plain output.
        kept = _Kept(inputs, mask, None if self.language else plain, truth, sample, edited)
        return kept, _answers(plain, plain, kept)

    def _log_probabilities(self, output: Any, real: torch.Tensor | None) -> torch.Tensor:
        """The log-probabilities of each prediction: float32 `N x classes`."""
        logits = logits_of(output, self._predict).float()
        if self.language and real is not None:
            logits = logits[:, :-1][real]
        elif is_binary(logits, len(logits), 2):
            logits = two_logits(logits)
        if logits.ndim != 2:
            raise ValueError(
                "the logits must be samples x classes, or texts x tokens x vocabulary, got shape "
                f"{tuple(logits.shape)}. Pass predict=, the model's output -> logits."
            )
        return logits.log_softmax(-1)

    def readout_only(self, module: nn.Module) -> bool:
        """Whether at most one matrix of weights is used after the layer."""
        after: set[nn.Module] = set()
        reached = False

        def of(part: nn.Module) -> Callable[[Any], None]:
            def ran(output: Any) -> None:
                nonlocal reached
                if part is module:
                    reached = True
                    after.clear()
                elif reached:
                    after.add(part)

            return ran

        with ExitStack() as hooks:
            for part in self._model.modules():
                own = [p for p in part.parameters(recurse=False) if p.ndim > 1]
                if own or part is module:
                    hooks.enter_context(hooked(part, of(part)))
            with evaluating(self._model), torch.no_grad():
                call(self._model, self._kept[0].inputs)
        return len(after) <= 1

    def under(self, edits: Sequence[Intervention]) -> Answers:
        """The answers with all `edits` applied, at most one of each layer."""
        self.ran += 1
        return _joined([self._under(edits, kept) for kept in self._kept])

    def _under(self, edits: Sequence[Intervention], kept: _Kept) -> Answers:
        with evaluating(self._model), torch.no_grad():
            batch = kept.batch or self._forward.on(kept.inputs)
            by_layer = {edit.layer: edit for edit in edits}
            with self._read.only(kept.mask):
                edited = self._log_probabilities(
                    self._edited(batch, kept.inputs, by_layer), kept.mask
                )
            if self._read and bool(edited.isnan().any()):
                self._read.forget()
                return self._under(edits, kept)
            plain = kept.plain
            if plain is None:
                plain = self._log_probabilities(batch.base, kept.mask)
            return _answers(edited, plain, kept)

    def _edited(self, batch: EditedBatch, inputs: Any, by_layer: dict[str, Intervention]) -> Any:
        """The output of one batch. The lowest layer's edit resumes, the others are hooks."""
        with ExitStack() as hooks:
            for name, edit in by_layer.items():
                if name == self._lowest:
                    continue
                editor = Editor(self._modules[name], edit, self._axis)
                named = hasattr(inputs, "keys")
                editor.locate(() if named else (inputs,), inputs if named else {})
                hooks.enter_context(hooked(self._modules[name], editor, at=at_of(edit)))
            lowest = by_layer.get(self._lowest)
            return batch.under(_Nothing(self._lowest) if lowest is None else lowest)

    def _learn_read_tokens(self) -> None:
        kept = min(self._kept, key=lambda kept: kept.truth.numel() * kept.tokens)
        batch = kept.batch
        if self.language or self.note or batch is None:
            return

        def run() -> torch.Tensor:
            return self._log_probabilities(self._edited(batch, kept.inputs, {}), kept.mask)

        with evaluating(self._model), torch.no_grad():
            self._read.learn(run, kept.mask)


def _finishing(module: nn.Module) -> Iterator[nn.Module]:
    """All modules, each after its parts."""
    for part in module.children():
        yield from _finishing(part)
    yield module


@dataclass(frozen=True)
class _Nothing:
    """No edit, so that a pass begins at the lowest layer."""

    layer: str
    positions: None = None
    call: None = None
    at: At = "output"

    def width(self) -> None:
        return None

    def prepared(self, like: torch.Tensor) -> Callable[..., torch.Tensor]:
        return lambda values, in_place=False: values


@own_modes()
def _answers(edited: torch.Tensor, plain: torch.Tensor, kept: _Kept) -> Answers:
    """Means over each sample's predictions."""
    count = np.bincount(kept.sample)

    def of_samples(values: torch.Tensor) -> np.ndarray:
        summed = np.bincount(kept.sample, values.double().cpu().numpy())
        return np.asarray(summed / count, np.float32)

    nats = edited[torch.arange(len(edited), device=edited.device), kept.truth]
    # exp(-inf) * -inf has no value.
    gaps = torch.where(edited.exp() > 0, edited - plain, 0)
    return Answers(
        of_samples(nats), of_samples(edited.argmax(-1) == kept.truth),
        of_samples((edited.exp() * gaps).sum(-1)),
    )  # fmt: skip


def _joined(parts: list[Answers]) -> Answers:
    columns = ([getattr(part, name) for part in parts] for name in ("nats", "right", "kl"))
    return Answers(*map(np.concatenate, columns))
