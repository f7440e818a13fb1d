"""The outputs that the concepts of a split promote and demote: the strips on the cards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.concepts.split import Split
from neuronwidgets.widgets.base.jobs import JobProgress, Steps, later
from neuronwidgets.widgets.split_explorer.apart import Apart
from neuronwidgets.widgets.split_explorer.groups import concepts_of, disjoint
from neuronwidgets.widgets.split_explorer.model_use import ModelUse
from neuronwidgets.widgets.split_explorer.spread import NEURON

if TYPE_CHECKING:
    from neuronwidgets.concepts.concepts import Concepts
    from neuronwidgets.effects.effects import Effects

SIDE = 5
"""Outputs on each side of a strip: as many as fit beside each other."""
DRAWS = 100
"""Random directions as a control, if they cost one matrix product together."""
FEW_DRAWS = 20
"""Random directions if each needs passes of the model: the fewest whose largest effect is a 95%
bound."""
SAMPLES = 32
"""Samples of the Jacobian lens, if there is no logit lens. Two halves of 16 agree within 0.1."""
AT_ONCE = 4
"""Concepts between two looks for a newer job, if each needs passes of the model."""
REFINED = -2
"""The place of the first k-means concept's strip; those of the others follow downwards. Nodes of
the tree are 0 and above, the neuron is -1."""
READING = ("tokenizer", "transform", "classes", "predict", "max_length", "neuron_axis")


@dataclass(frozen=True, eq=False)
class Strip:
    """The outputs that one vector promotes and demotes, each `SIDE` at most.

    Attributes:
        outputs: int64 `2 x k`, the most promoted first, then the most demoted first.
        effects: float64 `2 x k`, changes of logits by one unit, less their mean over all outputs.
        agreement: the cosine of the effects from two halves of the samples; NaN if unknown.
        apart: see `Apart.of`; NaN where it is not compared.
    """

    outputs: np.ndarray
    effects: np.ndarray
    agreement: float
    apart: float = float("nan")


@dataclass(eq=False)
class Strips:
    """The strips that are known.

    Attributes:
        kind: what the outputs are, "token" or "class".
        lens: "logit" or "jacobian"; "" before it is known.
        high: the strongest effect that 95% of random directions do not exceed; NaN if unknown.
        note: why there are no strips, a sentence; "" if there are, or may be.
        names: of the outputs.
        of: by tree node, `NEURON`, or `REFINED` and below.
        refined: the height at which the k-means concepts are cut; `None`: there are none.
    """

    kind: str = "token"
    lens: str = ""
    high: float = float("nan")
    note: str = ""
    names: dict[int, str] = field(default_factory=dict)
    of: dict[int, Strip] = field(default_factory=dict)
    refined: float | None = None

    def pack(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The arrays and the metadata of the `evidence` message."""
        strips = list(self.of.values())
        shown = sorted({n for strip in strips for n in strip.outputs.ravel().tolist()})
        about = {
            "kind": self.kind, "lens": self.lens or "logit", "note": self.note,
            "high": self.high if np.isfinite(self.high) else None,
            "names": [self.names[n] for n in shown],
            **({} if self.refined is None else {"refined": self.refined}),
        }  # fmt: skip
        if not strips:
            return {}, {"effects": about}
        outputs = np.stack([strip.outputs for strip in strips])
        arrays = {
            "effect_node": np.array(list(self.of), np.int32),
            "effect_output": np.searchsorted(shown, outputs).astype(np.int32),
            "effect": np.stack([strip.effects for strip in strips]).astype(np.float32),
            "effect_agreement": np.array([strip.agreement for strip in strips], np.float32),
            "effect_apart": np.array([strip.apart for strip in strips], np.float32),
        }
        return arrays, {"effects": about}


class Promoted:
    """The strips of a split's nodes and of the neuron itself, gathered in steps.

    Args:
        split: what they are about.
        use: the model; `None`: there are no strips.

    Attributes:
        strips: those that are known; `None` without a model.
    """

    def __init__(self, split: Split, use: ModelUse | None) -> None:
        self.split, self._use = split, use
        self.strips = None if use is None else Strips()
        self._samples = 0
        self._apart = Apart(split, self._strongest)
        self._refined: Concepts | None = None

    def refine(self, concepts: Concepts) -> None:
        """These k-means concepts are on the screen."""
        strips = self.strips
        if strips is not None and strips.refined != concepts.threshold:
            strips.refined, self._refined = concepts.threshold, concepts
            strips.of = {place: strip for place, strip in strips.of.items() if place > REFINED}

    def lacks(self, nodes: Iterable[int]) -> bool:
        """Whether strips of some of `nodes`, of the neuron, or of k-means concepts on the screen,
        are still to be found."""
        strips = self.strips
        if strips is None or strips.note or self.split.at_rest:
            return False
        return bool(self._refined) or any(node not in strips.of for node in [NEURON, *nodes])

    def steps(
        self, nodes: Sequence[int], possible: Sequence[int], publish: Callable[[], None]
    ) -> Steps:
        """Find the strips of `nodes` and of the neuron. Where that takes no passes of the model,
        also those of all `possible` nodes."""
        strips = self.strips
        if strips is None or not self.lacks(nodes):
            return
        yield later
        try:
            yield from self._finding(strips, nodes, possible, publish)
        except (ImportError, IndexError, RuntimeError, TypeError, ValueError) as error:
            # A model that does not fit must not end the rest of the evidence.
            failure = str(error)

            def show() -> None:
                strips.note = failure
                publish()

            yield show

    def _finding(
        self,
        strips: Strips,
        nodes: Sequence[int],
        possible: Sequence[int],
        publish: Callable[[], None],
    ) -> Steps:
        if not strips.lens:
            yield JobProgress(0.0, "what random directions promote")
            control, self._samples = self._control()
            ((name, lens),) = control.lenses.items()
            strips.high = lens.bound
            strips.kind, strips.lens = control.kind, name
        if NEURON not in strips.of:
            yield later
            own = self._effects(self.split, self._samples)
            yield self._showing(strips, [NEURON], own, np.full(1, np.nan), publish)
        quick = not self._samples
        yield from self._finding_refined(strips, publish)
        wanted = [n for n in nodes if n not in strips.of]
        if quick:
            wanted += [n for n in possible if n not in strips.of and n not in wanted]
            yield later
        apart = self._apart_of([self.split.tree.samples_of(node) for node in wanted])
        of_node = dict(zip(wanted, apart, strict=True))
        groups = disjoint(self.split, wanted, len(wanted) if quick else AT_ONCE)
        for i, group in enumerate(groups):
            yield later if quick else JobProgress(i / len(groups), "what the concepts promote")
            concepts = concepts_of(self.split, group)
            effects = self._effects(concepts, self._samples)
            apart = np.array([of_node[node] for node in group])
            yield self._showing(strips, group, effects, apart, publish)

    def _finding_refined(self, strips: Strips, publish: Callable[[], None]) -> Steps:
        concepts = self._refined
        if not concepts:
            return
        size = AT_ONCE if self._samples else len(concepts)
        place = {"layer": self.split.layer, "at": self.split.at}
        apart = self._apart_of(concepts.groups)
        for start in range(0, len(concepts), size):
            yield JobProgress(start / len(concepts), "what the concepts promote")
            part = range(start, min(start + size, len(concepts)))
            effects = (
                self._effects(concepts.differences[start : start + size], self._samples, **place)
                if self._samples
                else self._effects(concepts, 0)
            )
            shown = self._showing(
                strips, [REFINED - k for k in part], effects, apart[start : part.stop], publish,
            )  # fmt: skip

            def show(shown: Callable[[], None] = shown, end: int = part.stop) -> None:
                if self._refined is concepts:
                    self._refined = None if end == len(concepts) else concepts
                    shown()

            yield show

    def _control(self) -> tuple[Effects, int]:
        """The effects of random directions, and the samples that a vector needs."""
        split = self.split
        rng = np.random.default_rng(0)
        rows = rng.normal(size=(DRAWS, split.acts.shape[1]))
        place = {"layer": split.layer, "at": split.at}
        try:
            return self._effects(rows, 0, **place), 0
        except ValueError:
            # No linear way to the output.
            return self._effects(rows[:FEW_DRAWS], SAMPLES, **place), SAMPLES

    def _effects(self, source: Any, samples: int, **place: Any) -> Effects:
        # Imported here: it needs torch, which an explorer of plain arrays does not.
        from neuronwidgets.effects.lenses import effects_of

        assert self._use is not None
        return effects_of(
            source, self._use.model, self._data(), top=SIDE, samples=samples, random=0, **place,
            **self._use.reading(*READING),
        )  # fmt: skip

    def _apart_of(self, groups: Sequence[np.ndarray]) -> np.ndarray:
        """`Apart.of`; NaN where each vector needs passes of the model."""
        if self._samples or not len(groups):
            return np.full(len(groups), np.nan)
        return self._apart.of(groups)

    def _strongest(self, vectors: np.ndarray) -> np.ndarray:
        """The strongest effect of each vector by the logit lens, up or down."""
        place = {"layer": self.split.layer, "at": self.split.at}
        return self._effects(vectors, 0, **place).lenses["logit"].strongest

    def _data(self) -> Any:
        """Samples for the model: those given, or those that the activations hold."""
        use, held = self._use, self.split.acts.samples
        assert use is not None
        if use.data is not None:
            return use.data
        if held.kind == "text" and use.tokenizer is not None:
            return list(held.texts[:SAMPLES])
        return list(held.images[:SAMPLES]) if held.kind == "image" else None

    def _showing(
        self,
        strips: Strips,
        places: Sequence[int],
        effects: Effects,
        apart: np.ndarray,
        publish: Callable[[], None],
    ) -> Callable[[], None]:
        lens = effects.lenses[strips.lens]
        found = {
            node: Strip(
                np.stack([lens.promoted[k], lens.demoted[k]]),
                np.stack([lens.raised[k], lens.lowered[k]]), float(lens.agreement[k]),
                float(apart[k]),
            )
            for k, node in enumerate(places)
        }  # fmt: skip

        # Kept when published: a job that was replaced publishes nothing.
        def show() -> None:
            strips.of |= found
            strips.names |= effects.outputs
            publish()

        return show

    def pack(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The arrays and the metadata of the `evidence` message about the strips; both empty
        without a model."""
        return ({}, {}) if self.strips is None else self.strips.pack()
