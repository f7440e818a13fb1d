"""What the model loses without each concept of a cut: the bars on the cards, once asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.split import Split
from neuronwidgets.widgets.base.errors import in_words
from neuronwidgets.widgets.base.jobs import JobProgress, Steps
from neuronwidgets.widgets.split_explorer.model_use import ModelUse

if TYPE_CHECKING:
    from neuronwidgets.effects.concept_effects import ConceptEffects
    from neuronwidgets.effects.trial import Trial

COST, DRAWS, RETRIEVED, TAU, TOP, SEED = 0.01, 3, 20, 2.0, 0.3, 0
"""As `nw.causes` has them by default."""
BATCH = 64
"""Samples of a pass, as in `nw.causes`."""
READING = ("tokenizer", "transform", "predict", "classes", "max_length", "neuron_axis")

CutKey = tuple[tuple[int, ...], "float | None"]
"""A cut's nodes, and its height where membership is k-means'."""


@dataclass(frozen=True, eq=False)
class Measured:
    """The `K` concepts of one cut, each taken out of the model.

    Attributes:
        losses: float64 `K x 3 x 3 x 3`: by concept, whole neuron and random direction; on own,
            siblings' and other samples; value and 95% interval, in nats.
        above: float64 `K x 3`, what own samples lose more than by random directions.
        selectivity: float64 `K x 3`, what own samples lose more than siblings'.
        gain: float64 3, the cut's, see `nw.Selectivity.gain`.
        findings: sentences.
        samples: held-out samples.
        note: why the cut was not measured; "" if it was.
        done: how many concepts, the first ones, are measured; `None`: all. The others' numbers,
            `gain` and `findings` are still missing.
    """

    losses: np.ndarray
    above: np.ndarray
    selectivity: np.ndarray
    gain: np.ndarray
    findings: tuple[str, ...] = ()
    samples: int = 0
    note: str = ""
    done: int | None = None

    @classmethod
    def of(cls, effects: ConceptEffects, threshold: float) -> Measured:
        """The numbers that the cards show."""
        from neuronwidgets.effects.losses import CONCEPT, NEURON, RANDOM
        from neuronwidgets.effects.selectivity import Selectivity

        def three(loss: Any) -> list[float]:
            return [loss.value, loss.low, loss.high]

        ks = range(len(effects))
        losses = [
            [[three(loss) for loss in effects.losses(k, way).values()]
             for way in (CONCEPT, NEURON, RANDOM)]
            for k in ks
        ]  # fmt: skip
        return cls(
            np.array(losses), np.array([three(effects.above_random(k)) for k in ks]),
            np.array([three(effects.selectivity(k)) for k in ks]),
            np.array(three(Selectivity(np.array([threshold]), (effects,)).gain(0))),
            effects.findings, effects.nats.shape[2],
        )  # fmt: skip

    @classmethod
    def begun(cls, effects: ConceptEffects, before: Measured | None, concepts: int) -> Measured:
        """The numbers of the first concepts of a cut, the last of them new.

        Args:
            effects: of the concepts that are done.
            before: the numbers without the last of them; `None`: of none.
            concepts: how many the cut has.
        """
        k, whole = len(effects) - 1, before or cls.failed(concepts, "")
        one = cls.of(effects.only(k), np.nan)
        losses, above = whole.losses.copy(), whole.above.copy()
        selectivity = whole.selectivity.copy()
        losses[k], above[k], selectivity[k] = one.losses[0], one.above[0], one.selectivity[0]
        return cls(losses, above, selectivity, whole.gain, samples=one.samples, done=k + 1)

    @classmethod
    def failed(cls, concepts: int, note: str) -> Measured:
        """A cut that could not be measured, and why."""
        none = np.full((concepts, 3), np.nan)
        return cls(np.full((concepts, 3, 3, 3), np.nan), none, none, none[0], note=note)


class Causes:
    """Takes the concepts of cuts out of the model, in steps.

    Args:
        split: what is cut.
        use: the model and the held-out samples; `None`: nothing can be measured.
    """

    def __init__(self, split: Split, use: ModelUse | None) -> None:
        self._split, self._use = split, use
        self.known: dict[CutKey, Measured] = {}
        self._wanted: dict[CutKey, Concepts] = {}
        self._trial: Trial | None = None
        # A job that was replaced ends its pass while the next one begins.
        self._one_at_a_time = threading.Lock()

    @property
    def able(self) -> bool:
        """Whether there is a model with held-out samples."""
        return self._use is not None and self._use.held_out is not None

    def want(self, concepts: Concepts) -> None:
        """Have the concepts of a cut taken out.

        Raises:
            ValueError: nothing can be measured, or there are no concepts.
        """
        if not self.able:
            raise ValueError(
                "there are no held-out samples: SplitExplorer(..., model=model, "
                "held_out=(data, labels))."
            )
        if not len(concepts):
            raise ValueError("the cut has no concepts: choose another cut height.")
        key = tuple(concepts.nodes.tolist()), concepts.threshold if concepts.refined else None
        known = self.known.get(key)
        if known is None or known.note or known.done is not None:
            self._wanted[key] = concepts

    def drop(self) -> None:
        """Want nothing any more: the user has stopped it."""
        self._wanted.clear()

    def lacks(self) -> bool:
        """Whether a wanted cut is still to be measured."""
        return bool(self._wanted)

    def steps(self, publish: Callable[[], None]) -> Steps:
        """Measure the wanted cuts."""
        for key, concepts in list(self._wanted.items()):
            # Kept when published: a job that was replaced publishes nothing.
            def showing(measured: Measured, key: CutKey = key) -> Callable[[], None]:
                def show() -> None:
                    self.known[key] = measured
                    if measured.done is None:
                        self._wanted.pop(key, None)
                    publish()

                return show

            try:
                measured = yield from self._measuring(concepts, showing)
            except (ImportError, IndexError, RuntimeError, TypeError, ValueError) as error:
                measured = Measured.failed(len(concepts), in_words(error))
            yield showing(measured)

    def _measuring(
        self, concepts: Concepts, showing: Callable[[Measured], Callable[[], None]]
    ) -> Any:
        from neuronwidgets.effects.concept_edits import DIRECTION, ConceptEdits

        edits = ConceptEdits(concepts, DIRECTION, TAU, TOP, SEED)
        yield JobProgress(0.0, "reading the held-out samples")
        with self._one_at_a_time:
            trial = self._trial = self._trial or self._opened(edits)
        count, steps = len(concepts), trial.measuring(concepts, edits)
        total, begun = count * (2 + DRAWS), None
        for step in range(total + 1):
            share = step / (total + 1)
            concept = min(count, step // (2 + DRAWS) + 1)
            yield JobProgress(share, f"taking out concept {concept} of {count}")
            with self._one_at_a_time:
                try:
                    effects = next(steps)
                except StopIteration as end:
                    return Measured.of(end.value, concepts.threshold)
            if effects is not None and len(effects) < count:
                begun = Measured.begun(effects, begun, count)
                yield showing(begun)
        raise RuntimeError("a measurement has more steps than edits.")

    def _opened(self, edits: Any) -> Trial:
        from neuronwidgets.effects.trial import Trial

        use = self._use
        assert use is not None
        assert use.held_out is not None
        data, labels = use.held_out
        given = dict.fromkeys(READING) | use.reading(*READING)
        return Trial(
            use.model, data, labels, self._split.acts, edits.layers, kl=COST, own=None,
            k=RETRIEVED, draws=DRAWS, seed=SEED, batch_size=use.batch_size or BATCH, **given,
        )  # fmt: skip

    def pack(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The arrays and the metadata of the `evidence` message; both empty without a model."""
        if self._use is None:
            return {}, {}
        known = list(self.known.items())
        cuts: list[dict[str, Any]] = [
            {
                "nodes": list(nodes), "findings": list(one.findings), "samples": one.samples,
                "note": one.note,
                **({} if refined is None else {"refined": refined}),
                **({} if one.done is None else {"done": one.done}),
            }
            for (nodes, refined), one in known
        ]  # fmt: skip
        about = {"causes": {"able": self.able, "kl": COST, "cuts": cuts}}
        if not known:
            return {}, about
        arrays = {
            "cause": np.concatenate([one.losses for _, one in known]),
            "cause_above": np.concatenate([one.above for _, one in known]),
            "cause_selectivity": np.concatenate([one.selectivity for _, one in known]),
            "cause_gain": np.stack([one.gain for _, one in known]),
        }
        return {name: array.astype(np.float32) for name, array in arrays.items()}, about
