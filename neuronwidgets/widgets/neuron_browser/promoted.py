"""What the neurons of the table promote: their column, those in view first."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.steps import mapped
from neuronwidgets.widgets.base.jobs import JobProgress, Steps, pause
from neuronwidgets.widgets.protocol.buffers import pack

if TYPE_CHECKING:
    from neuronwidgets.effects.layer_lens import LayerLens

SIDE = 3
"""Outputs on each side: as many as a cell has room for."""
IN_VIEW = 64
"""Neurons of the first step, at most: those on a screen and some more."""
GRADIENTS = "what neurons promote: mean gradients"


class Promoted:
    """The outputs that each of `N` neurons promotes and demotes most, see `LayerLens`.

    Attributes:
        outputs: int32 `N x 2 x k`, the most promoted first, then the most demoted first; -1: not
            known yet, or fewer.
        effects: float32 `N x 2 x k`, changes of logits by one unit of activation, less their mean
            over the outputs; NaN: not known yet.
        note: why nothing is known, a sentence; "" if something is, or may be.
    """

    def __init__(self, neurons: np.ndarray, model: Any, **running: Any) -> None:
        self._neurons, self._model = neurons, model
        self._running = {name: value for name, value in running.items() if value is not None}
        self.outputs = np.full((len(neurons), 2, SIDE), -1, np.int32)
        self.effects = np.full((len(neurons), 2, SIDE), np.nan, np.float32)
        self.note = (
            "" if model is not None else "what neurons promote needs the model: pass model=."
        )
        self._lens: LayerLens | None = None
        self._shown = 0

    @property
    def known(self) -> np.ndarray:
        """Whether each neuron's outputs are known: bool `N`."""
        known: np.ndarray = self.outputs[:, 0, 0] >= 0
        return known

    @property
    def strongest(self) -> np.ndarray:
        """The strongest effect of each neuron, up or down: float32 `N`; NaN: not known yet."""
        found: np.ndarray = np.maximum(self.effects[:, 0, 0], -self.effects[:, 1, 0])
        return found

    def due(self) -> bool:
        """Whether outputs of some neurons are to be computed."""
        return not self.note and not self.known.all()

    def lens(self, acts: Activations) -> Generator[float, None, LayerLens]:
        """The lens of the layer; each step yields the share that is done.

        Raises:
            ValueError: there is no model, or it has no lens.
        """
        if self._lens is None:
            if self.note:
                raise ValueError(self.note)
            # Imported here: it needs torch, which a browser of plain arrays does not.
            from neuronwidgets.effects.layer_lens import LayerLens

            self._lens = yield from LayerLens.steps(acts, self._model, **self._running)
        return self._lens

    def steps(
        self,
        acts: Activations,
        seen: Callable[[], Sequence[int]],
        growth: float,
        publish: Callable[[bytes], None],
        in_view: bool = False,
    ) -> Steps:
        """Compute what is missing, and publish it: each time that neurons in view are among it, or
        `growth` times as many are known. `in_view`: only of neurons in view."""
        if not self.due():
            return
        yield pause
        try:
            lens = yield from mapped(self.lens(acts), lambda done: JobProgress(done, GRADIENTS))
        except (ImportError, IndexError, RuntimeError, TypeError, ValueError) as error:
            # A model that does not fit must not end the rest of the work.
            self.note = str(error)
            packed = self.packed(None)
            yield lambda: publish(packed)
            return
        while not (known := self.known).all():
            wanted = [n for n in seen() if not known[np.searchsorted(self._neurons, n)]]
            urgent = np.array(wanted[:IN_VIEW], np.int64)
            if in_view and not len(urgent):
                return
            chosen = urgent if len(urgent) else self._neurons[~known][: lens.together]
            self._take(lens, chosen)
            done = int(self.known.sum())
            if len(urgent) or done >= growth * self._shown or done == len(known):
                self._shown = done
                packed = self.packed(lens)
                yield lambda packed=packed: publish(packed)  # type: ignore[misc]
            yield JobProgress(
                done / len(known), f"what neurons promote: {done:,} of {len(known):,}"
            )
            yield pause

    def _take(self, lens: LayerLens, neurons: np.ndarray) -> None:
        found = lens.read(neurons.tolist(), SIDE)
        places, k = np.searchsorted(self._neurons, neurons), found.promoted.shape[1]
        self.outputs[places, :, :k] = np.stack([found.promoted, found.demoted], axis=1)
        self.effects[places, :, :k] = np.stack([found.raised, found.lowered], axis=1)

    def packed(self, lens: LayerLens | None) -> bytes:
        """The message `promoted`; without a lens it says why there is none."""
        shown = np.unique(self.outputs[self.outputs >= 0])
        place = np.where(self.outputs >= 0, np.searchsorted(shown, self.outputs), -1)
        known: dict[str, Any] = {"lens": "logit", "samples": 0, "kind": "class", "names": [],
                                 "high": 0.0, "poles": False}  # fmt: skip
        if lens is not None:
            known = {
                "lens": lens.lens,
                "samples": lens.samples,
                "kind": lens.kind,
                "names": lens.names(shown.tolist()),
                "high": lens.high,
                "poles": lens.poles,
            }
        return pack(
            {"output": place.astype(np.int32), "effect": self.effects}, known | {"note": self.note}
        )

    def words(self) -> list[tuple[list[str], list[str]]]:
        """The names of what each neuron promotes and demotes; empty where that is not known."""
        lens = self._lens
        if lens is None:
            return [([], [])] * len(self._neurons)
        shown = np.unique(self.outputs[self.outputs >= 0]).tolist()
        names = dict(zip(shown, lens.names(shown), strict=True))
        return [
            ([names[n] for n in up if n >= 0], [names[n] for n in down if n >= 0])
            for up, down in self.outputs.tolist()
        ]
