"""The texts of neurons' top samples, read token by token: where each neuron's activation peaks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.widgets.base.jobs import Steps, pause
from neuronwidgets.widgets.base.previews import Text, cut_text, pack_texts
from neuronwidgets.widgets.base.screen import Screen
from neuronwidgets.widgets.neuron_browser.rows import Rows
from neuronwidgets.widgets.protocol.buffers import pack

MOST = 512
"""Neurons whose texts are kept: some screens. Those read first make room."""
TOGETHER = 4
"""Neurons whose texts are read before they are shown."""


class Peaks:
    """The texts of neurons' top samples, cut around the token that activates the neuron most.

    Samples that are tokens are peaks themselves: of them nothing has to be read.

    Attributes:
        seen: the neurons in view, from top to bottom.
    """

    def __init__(self, acts: Activations, seen: Sequence[int] = ()) -> None:
        self._acts, self.seen = acts, list(seen)
        self._texts: dict[int, tuple[tuple[int, ...], list[Text]]] = {}
        samples = acts.samples
        known = samples.kind != "text" or samples.token is not None or not len(samples.spans)
        self._can_read = acts.tokens is not None and not known

    def missing(self, rows: Rows) -> list[int]:
        """The neurons in view whose top samples are known and not read yet."""
        if not self._can_read:
            return []
        return [n for n in self.seen if n not in self._texts and _tops(rows, n)]

    def steps(self, rows: Rows, screen: Screen) -> Steps:
        """Read what is missing, and show it bit by bit."""
        fresh: list[int] = []
        while missing := self.missing(rows):
            try:
                self._read(missing[0], rows)
            except Exception as error:
                self._can_read = False
                yield partial(screen.fail, error)
                return
            fresh.append(missing[0])
            if len(fresh) == TOGETHER or len(missing) == 1:
                yield partial(screen.put, {"_peaks": self.packed(fresh)})
                fresh = []
            yield pause

    def _read(self, neuron: int, rows: Rows) -> None:
        """Run the model on the top samples of a neuron."""
        acts, tops = self._acts, _tops(rows, neuron)
        direction = np.zeros(acts.shape[1])
        direction[neuron] = 1
        assert acts.tokens is not None
        values = acts.tokens(tops, direction)
        texts = []
        for row, each in zip(tops, values, strict=True):
            item = acts.samples.item_of(row)
            spans = acts.samples.spans[item]
            texts.append(cut_text(acts.samples.texts[item], spans, each if len(each) else None))
        self._texts[neuron] = tuple(tops), texts
        for old in list(self._texts)[:-MOST]:
            del self._texts[old]

    def packed(self, neurons: Sequence[int]) -> bytes:
        """The message `peaks` of those of `neurons` that were read."""
        known = [(n, *self._texts[n]) for n in neurons if n in self._texts]
        of = [neuron for neuron, tops, _ in known for _ in tops]
        rows = [row for _, tops, _ in known for row in tops]
        tensors, meta = pack_texts(rows, [text for _, _, texts in known for text in texts])
        return pack({"neuron": np.array(of, np.int32), **tensors}, meta)


def _tops(rows: Rows, neuron: int) -> list[int]:
    """The rows of a neuron's top samples, as far as they are known."""
    top = rows.top[int(np.searchsorted(rows.neurons, neuron))]
    tops: list[int] = top[top >= 0].tolist()
    return tops
