"""The cost of the masks on the screen: RangeExplorer's bars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from neuronwidgets.core.layer_place import At
from neuronwidgets.data.batches import batches
from neuronwidgets.interventions.bootstrap import averaged, ends, resampled
from neuronwidgets.interventions.cached_scores import CachedScores
from neuronwidgets.interventions.edited_forward import EditedForward
from neuronwidgets.interventions.findings import (
    constant_answer,
    no_better_than_random,
    one_neuron,
)
from neuronwidgets.interventions.held_out import HeldOut, PredictionReader
from neuronwidgets.interventions.perplexity import check_causal, losses
from neuronwidgets.models.classes import class_names
from neuronwidgets.models.forward import move
from neuronwidgets.models.layers import find_layer
from neuronwidgets.models.left_padding import LeftPadding

RESAMPLES = 300
"""Bootstrap resamples of an interval: it is drawn anew at every batch."""
MASKS = ("base", "range", "neuron")


class MaskCost:
    """Measures accuracy on held-out samples, and perplexity on texts, under two edits."""

    def __init__(
        self, model: Any, data: Any, layer: str, label_names: tuple[str, ...],
        seen: frozenset[int], *, labels: Any, texts: Any, language_model: Any, tokenizer: Any,
        classes: Any, predict: Any, transform: Any, batch_size: int, max_length: int | None,
        neuron_axis: int | None, at: At,
    ) -> None:  # fmt: skip
        names = class_names(model, label_names, classes)
        self.classes = [names.index(name) for name in label_names]
        held_out = HeldOut(
            model, data, names, seen, labels, tokenizer, transform, batch_size, max_length
        )
        self._held_out, self._names, self._label_names = held_out, names, label_names
        self._predicted = np.zeros((len(MASKS), 0), np.int64)
        self._passes = EditedForward(model, find_layer(model, layer), neuron_axis, at=at)
        answers = PredictionReader(len(names), predict)

        def score(output: Any, _inputs: Any, codes: Any) -> tuple[np.ndarray, ...]:
            predicted, _, nats = answers.with_nats(output, codes)
            return predicted, codes.numpy(), nats

        source = ((batch.inputs, batch.codes) for batch in held_out)
        self._meter = CachedScores(model, self._passes, source, score)
        self._speech: CachedScores | None = None
        self._speaks: EditedForward | None = None
        if texts is not None:
            speaker = model if language_model is None else language_model
            check_causal(speaker)
            read = batches(texts, model=speaker, processor=tokenizer, batch_size=batch_size,
                           max_length=max_length)  # fmt: skip
            made = map(LeftPadding.of_output(speaker), read.batches)
            spoken = ((move(speaker, b.inputs), b.mask) for b in made)
            self._speaks = EditedForward(speaker, find_layer(speaker, layer), neuron_axis, at=at)
            self._speech = CachedScores(speaker, self._speaks, spoken, _nats)

    @property
    def total(self) -> int | None:
        """The number of held-out samples, if known."""
        return self._held_out.total

    def changed(self) -> bool:
        """Whether a model's weights have changed since they were measured."""
        return self._meter.changed() or (self._speech is not None and self._speech.changed())

    def steps(
        self, label: int, edits: Mapping[str, Any], keys: Mapping[str, Any]
    ) -> Iterator[tuple[float, dict[str, Any]]]:
        """The share done and the bars so far, after each batch.

        The bars "target", "other" and "perplexity" have `[value, low, high]` for each mask, `None`
        where not known. "target_change" and "other_change" are accuracies less those without a
        mask; "target_nats" and "other_nats" are the same of the mean log-probability of the right
        label. Both are paired: their intervals are of the differences on the same samples.

        Args:
            label: the index of the target class among the labels.
            edits, keys: by "range" and "neuron"; equal keys stand for equal edits.
        """
        by_key = {keys[name]: edits[name] for name in edits}
        key_by_mask = {"base": "base", **keys}
        share = 0.7 if self._speech is not None else 1.0
        bars: dict[str, Any] = {}
        done = 0
        for scores in self._meter.measuring(by_key):
            truth = scores["base"][1]
            predicted, nats = (
                np.stack([scores[key_by_mask[name]][part] for name in MASKS]) for part in (0, 2)
            )
            self._predicted = predicted
            target = truth == self.classes[label]
            done = len(truth)
            bars = {"samples": done, "of": self.total or done, "note": self._notes()}
            bars |= {"findings": []}
            for name, chosen in (("target", target), ("other", ~target)):
                bars |= _bars(name, predicted == truth, nats, chosen)
            yield share * done / max(done, self.total or done), bars
        if self._speech is None:
            return
        for scores in self._speech.measuring(by_key):
            nats = np.stack([scores[key_by_mask[name]][0] for name in MASKS])
            about = {"perplexity": _perplexity(nats, scores["base"][1]), "note": self._notes()}
            yield 0.85, {**bars, **about}

    def control(
        self, label: int, edits: Mapping[str, Any], bands: Mapping[Any, Any], key: Any
    ) -> Iterator[tuple[float, dict[str, Any]]]:
        """The share done after each batch, and at the end what the trait `measure` says of random
        bands: "random", their mean cost, and "findings", a sentence if the range costs no more.

        Args:
            label: the index of the target class among the labels.
            edits: the masks on the screen; "range" is used.
            bands: the masks of random bands by their keys.
            key: of the range mask.
        """
        found: dict[str, Any] = {"draws": len(bands), "perplexity": [None] * 3}
        share = 0.7 if self._speech is not None else 1.0
        scores: Mapping[Any, Any] = {}
        for scores in self._meter.measuring({key: edits["range"], **bands}):
            done = len(scores["base"][1])
            yield share * done / max(done, self.total or done), {}
        if not scores:
            return
        truth = scores["base"][1]
        target = truth == self.classes[label]
        predicted, nats = (np.stack([scores[k][i] for k in ("base", key, *bands)]) for i in (0, 2))
        right, nats = predicted == truth, nats.astype(np.float64)
        means = np.stack([right[2:].mean(axis=0), (nats[2:] - nats[0]).mean(axis=0)])
        for name, chosen in (("target", target), ("other", ~target)):
            found[name], found[f"{name}_nats"] = _with_intervals(means[:, chosen])
        if self._speech is not None:
            for scores in self._speech.measuring(bands):
                spoken = np.mean([scores[k][0] for k in bands], axis=0)
                found |= _perplexity(spoken[None], scores["base"][1], ["perplexity"])
                yield 0.85, {}
        name = self._label_names[label]
        sentence = no_better_than_random("the range mask", name, right, target, nats)
        yield 1.0, {"random": found, "findings": [sentence] if sentence else []}

    def point(self, label: int, edit: Any, key: Any) -> Iterator[dict[str, float | None]]:
        """Accuracy under one edit, and the change of the mean log-probability of the right label,
        after each batch: "target", "other", "target_nats" and "other_nats"; `None` without samples.

        Args:
            label: the index of the target class among the labels.
            edit, key: equal keys stand for equal edits.
        """
        for scores in self._meter.measuring({key: edit}):
            predicted, truth, nats = scores[key]
            right, change = predicted == truth, nats.astype(np.float64) - scores["base"][2]
            target = truth == self.classes[label]
            yield {
                f"{name}{ending}": _finite(values[chosen].mean()) if chosen.any() else None
                for name, chosen in (("target", target), ("other", ~target))
                for ending, values in (("", right), ("_nats", change))
            }

    def findings(self, label: int, alone: bool, bars: Mapping[str, Any]) -> list[str]:
        """What the bars of the last `steps` hide, in sentences.

        Args:
            label: the index of the target class among the labels.
            alone: whether the masks edit a single neuron.
            bars: the last bars of `steps`.
        """
        found = []
        if alone:
            changes = (bars["target_change"]["range"], bars["target_nats"]["range"])
            found.append(one_neuron(self._label_names[label], *changes))
        samples = max(1, self._predicted.shape[1])
        for row, mask in zip(self._predicted[1:], MASKS[1:], strict=True):
            most = int(np.bincount(row, minlength=1).argmax())
            share, before = ((of == most).sum() / samples for of in (row, self._predicted[0]))
            title = self._names[most] if most < len(self._names) else str(most)
            found.append(constant_answer(f"the {mask} mask", title, share, before))
        return [sentence for sentence in found if sentence]

    def _notes(self) -> str:
        """Why passes run the whole model, where they do."""
        notes = (self._passes.note, self._speaks and self._speaks.note)
        return "; ".join(dict.fromkeys(f"full passes: {note}" for note in notes if note))


def _nats(output: Any, inputs: Any, mask: Any) -> tuple[np.ndarray, ...]:
    nats, tokens = losses(output, inputs, mask)
    return nats.numpy(), tokens.numpy()


def _bars(
    name: str, right: np.ndarray, nats: np.ndarray, chosen: np.ndarray
) -> dict[str, dict[str, list[float | None]]]:
    """Accuracy and changes under each mask over the chosen samples, with 95% bootstrap intervals.

    Args:
        name: what the chosen samples are.
        right, nats: bool and float32 `masks x S`; the first row is without a mask.
        chosen: bool `S`.
    """
    right, nats = right[:, chosen].astype(np.float64), nats[:, chosen].astype(np.float64)
    bars = _with_intervals(np.concatenate([right, right[1:] - right[0], nats[1:] - nats[0]]))
    edits, count = MASKS[1:], len(MASKS)
    return {
        name: dict(zip(MASKS, bars, strict=False)),
        f"{name}_change": dict(zip(edits, bars[count:], strict=False)),
        f"{name}_nats": dict(zip(edits, bars[count + len(edits) :], strict=True)),
    }


def _with_intervals(rows: np.ndarray) -> list[list[float | None]]:
    """The mean of each row of `P x S`, with its 95% bootstrap interval; `None` without samples."""
    count = rows.shape[1]
    if not count:
        return [[None, None, None] for _ in rows]
    low, high = ends(averaged(rows, np.ones(count, bool), _draws(count)))
    values = zip(rows.mean(axis=1), low, high, strict=True)
    return [[_finite(v) for v in each] for each in values]


def _perplexity(
    nats: np.ndarray, tokens: np.ndarray, names: Sequence[str] = MASKS
) -> dict[str, list[float | None]]:
    """Perplexity with its interval in each pass: nats of texts `len(names) x T`, tokens `T`."""
    if not tokens.sum():
        return {name: [None, None, None] for name in names}
    weight = np.concatenate([np.ones((1, len(tokens))), _draws(len(tokens))])
    weight = weight[weight @ tokens > 0]
    with np.errstate(over="ignore"):
        found = np.exp(weight @ nats.T / (weight @ tokens)[:, None])
    low, high = ends(found[1:])
    made = zip(names, found[0], low, high, strict=True)
    return {name: [_finite(v) for v in values] for name, *values in made}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _draws(count: int) -> np.ndarray:
    return resampled(count, RESAMPLES, seed=0)
