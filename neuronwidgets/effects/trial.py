"""One set of held-out samples on which the concepts of any cut of a split are taken out."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.activations.activations import Activations
from neuronwidgets.capturing.capture import capture
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.measures import own_labels
from neuronwidgets.core.labels import index_of, titled
from neuronwidgets.core.layer_place import at_of
from neuronwidgets.core.steps import drained, mapped
from neuronwidgets.effects.cause_words import remarks
from neuronwidgets.effects.concept_edits import DIRECTION, ConceptEdits, Edits
from neuronwidgets.effects.concept_effects import ConceptEffects
from neuronwidgets.effects.losses import CONCEPT, NEURON, RANDOM
from neuronwidgets.effects.own_samples import retrieved
from neuronwidgets.effects.passes import Answers, Passes
from neuronwidgets.effects.strengths import QUADRATIC, StrengthSearch
from neuronwidgets.models.classes import class_codes, class_names
from neuronwidgets.models.layers import find_layer


class Trial:
    """Held-out samples, and every edit that was tried on them.

    Args:
        acts: the activations that were split.
        own: "label", "retrieved" or `None`, see `causes`.
        k: samples that a concept retrieves.
        kl: the cost to which strengths are set, in nats; `None`: strength 1.
        draws: random edits beside each concept.
        reading: what `capture` takes to read the data.
    """

    def __init__(
        self, model: nn.Module, data: Any, labels: Any, acts: Activations, layers: Sequence[str], *,
        kl: float | None, own: str | None, k: int, draws: int, seed: int,
        classes: Sequence[str] | Mapping[Any, str] | None, tokenizer: Any, transform: Any,
        predict: Callable[[Any], Any] | None, batch_size: int, max_length: int | None,
        neuron_axis: int | None,
    ) -> None:  # fmt: skip
        if iter(data) is data:
            raise TypeError(
                "data is an iterator, which can be read once, and it is read twice: pass "
                "list(data)."
            )
        self._kl, self._own, self._k, self._draws, self._seed = kl, own, k, draws, seed
        self._model, self._acts, self._classes = model, acts, classes
        self._names: list[str] = []
        self._last: dict[str, tuple[float, float]] = {}
        self._searches: dict[Hashable, StrengthSearch] = {}
        reading = {"transform": transform, "batch_size": batch_size, "max_length": max_length}
        self.passes = Passes(
            model, data, layers, at_of(acts), labels=labels, what="the concepts",
            seen=frozenset(acts.samples.fingerprints()), codes=self._codes, predict=predict,
            neuron_axis=neuron_axis, processor=tokenizer, **reading,
        )  # fmt: skip
        if own == "label" and self.passes.codes is None:
            raise ValueError("own='label' needs labels: pass labels=, one per sample.")

        def held_out() -> Activations:
            return capture(
                model, data, acts.layer, acts.pooling or "mean", tokenizer=tokenizer,
                neuron_axis=neuron_axis, at=acts.at, call=acts.call, first=acts.first or None,
                progress=False, **reading,
            )  # fmt: skip

        self._capture = held_out
        self._held_out: Activations | None = None
        self._remarks = remarks(
            acts, self.passes.readout_only(find_layer(model, acts.layer)), self.passes.note
        )

    def _codes(self, rows: list[Any], passes: Passes) -> torch.Tensor:
        """Labels as numbers of the model's classes; of texts under a language model, of labels."""
        known = self._acts.label_names or passes.label_names or ()
        if passes.language:
            self._names = list(known)
            return torch.tensor([index_of(row, self._names) for row in rows], dtype=torch.int64)
        known = known or tuple(sorted({titled(row) for row in rows}))
        self._names = class_names(self._model, known, self._classes)
        return class_codes(rows, self._names, passes.label_names)

    def measured(
        self, concepts: Concepts, edits: ConceptEdits, update: Callable[[], Any]
    ) -> ConceptEffects:
        """Take each concept out, the whole neuron, and random edits; `update()` after each."""
        return drained(mapped(self.measuring(concepts, edits), lambda _: update()))

    def measuring(
        self, concepts: Concepts, edits: ConceptEdits
    ) -> Generator[ConceptEffects | None, None, ConceptEffects]:
        """The same in steps, one after each edit: the effects of the concepts that are done, or
        `None` where the edit did not end one."""
        own, others, own_by = self._samples_of(concepts)
        ways = (CONCEPT, NEURON, *[RANDOM] * self._draws)
        shape = (len(concepts), len(ways))
        samples = len(self.passes.plain.nats)
        strength, kl = np.ones(shape), np.full(shape, np.nan)
        nats, right = (np.zeros((*shape, samples), np.float32) for _ in range(2))
        siblings = np.stack([
            own[[i for i in range(len(own)) if i != k]].any(axis=0) for k in range(len(own))
        ])  # fmt: skip
        own, others, siblings = (
            np.repeat(mask[:, None], len(ways), axis=1) for mask in (own, others, siblings)
        )

        def effects(done: int) -> ConceptEffects:
            return ConceptEffects(
                concepts.layer, at_of(concepts.origin), concepts.neuron, concepts.names[:done],
                ways, edits.kind, self._kl, strength[:done], kl[:done], nats[:done], right[:done],
                own[:done], siblings[:done], others[:done], own_by[:done],
                float(self.passes.plain.right.mean()), self._remarks, self.passes.ran, self._seed,
            )  # fmt: skip

        for k in range(len(concepts)):
            for v, way in enumerate(ways):
                draw = v - 2
                if way == CONCEPT:
                    search = self._search(edits.key(k), partial(edits.of, k))
                elif way == NEURON:
                    search = self._search(NEURON, edits.neuron)
                else:
                    make = partial(edits.random, k, draw)
                    search = self._search(edits.random_key(k, draw), make)
                    if own_by[k] == "retrieved" and edits.kind == DIRECTION:
                        # Samples far along a direction lose most with it, whatever it means.
                        direction = edits.random_direction(draw).direction[None]
                        near, far = self._retrieved(direction, concepts.layer_mean)
                        own[k, v], others[k, v] = near[0], far[0]
                siblings[k, v] &= ~own[k, v]
                others[k, v] &= ~siblings[k, v]
                rest = others[k, v] if others[k, v].any() else siblings[k, v]
                strength[k, v], answers = self._at_cost(search, rest, way)
                kl[k, v] = _mean(answers.kl, rest)
                nats[k, v] = self.passes.plain.nats - answers.nats
                right[k, v] = self.passes.plain.right - answers.right
                yield effects(k + 1) if v == len(ways) - 1 else None
        return effects(len(concepts))

    def _search(self, key: Hashable, edits: Callable[[], Edits]) -> StrengthSearch:
        if key not in self._searches:
            self._searches[key] = StrengthSearch(self.passes, edits())
        return self._searches[key]

    def _at_cost(
        self, search: StrengthSearch, others: np.ndarray, way: str
    ) -> tuple[float, Answers]:
        if self._kl is None:
            return 1.0, search.at(1.0)
        if not others.any():
            raise ValueError(
                "every held-out sample is one of a concept's own, so no other can tell what taking "
                "it out costs: pass more data, or kl=None."
            )
        # Edits of one kind need similar strengths, and the divergence grows alike: the last one's
        # are good first guesses.
        found = search.costing(self._kl, others, *self._last.get(way, (1.0, QUADRATIC)))
        self._last[way] = found[0], search.power(self._kl, others)
        return found

    def _samples_of(self, concepts: Concepts) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
        """Own and other samples, bool `K x S`, and for each concept "label" or "retrieved"."""
        codes, labels = self.passes.codes, own_labels(concepts)
        wanted = np.array([
            self._names.index(name) if (name := self._label_name(label)) in self._names else -1
            for label in labels
        ])  # fmt: skip
        by_label = np.zeros(len(concepts), bool)
        if codes is not None and self._own != "retrieved":
            by_label = wanted >= 0
        if self._own == "label" and not by_label.all():
            name = concepts.names[int(np.flatnonzero(~by_label)[0])]
            raise ValueError(
                f"concept {name!r} has no label that more than half of its samples carry: leave "
                "own out, so that its samples are those that it retrieves."
            )
        own = np.zeros((len(concepts), len(self.passes.plain.nats)), bool)
        others = own.copy()
        if not by_label.all():
            own, others = self._retrieved(concepts.differences, concepts.layer_mean)
        if codes is not None:
            own[by_label] = codes == wanted[by_label, None]
            others[by_label] = ~own[by_label]
        return own, others, tuple("label" if label else "retrieved" for label in by_label)

    def _label_name(self, label: int) -> str | None:
        return self._acts.label_names[label] if label >= 0 else None

    def _retrieved(self, vectors: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self._held_out is None:
            self._held_out = self._capture()
        return retrieved(self._held_out, self.passes.dataset_index, vectors, mean, self._k)


def _mean(values: np.ndarray, mask: np.ndarray) -> float:
    return float(values[mask].mean(dtype=np.float64)) if mask.any() else float("nan")
