"""NeuronBrowser's table as a frame of pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neuronwidgets.overviews.forest import NONE
from neuronwidgets.widgets.neuron_browser.messages import columns
from neuronwidgets.widgets.neuron_browser.session import BrowserSession


def frame(session: BrowserSession, pinned: Sequence[int], notes: Mapping[str, str]) -> Any:
    """A row for each neuron, see `NeuronBrowser.to_frame`."""
    import pandas as pd

    rows, forest, match = session.rows, session.forest, session.match
    promoted = session.promoted
    concepts = pd.array(forest.concepts.astype(np.int64), dtype="Int64")
    concepts[forest.concepts == NONE] = pd.NA
    made: dict[str, Any] = {"neuron": rows.neurons, "concepts": concepts}
    if any(forest.words):
        made["names"] = list(forest.words)
    made |= {name: forest.scores[name].astype(np.float64) for name in columns(forest)}
    top = [tuple(i for i in line if i >= 0) for line in rows.top.tolist()]
    made |= {"least": rows.least, "largest": rows.largest, "top": top}
    if promoted.known.any():
        words = promoted.words()
        made |= {"promotes": [up for up, _ in words], "demotes": [down for _, down in words]}
        made["effect"] = promoted.strongest
    if match is not None:
        made["match"] = match.value[rows.neurons]
        if match.q is not None:
            made["q"] = match.q[rows.neurons]
    made["pinned"] = np.isin(rows.neurons, list(pinned))
    made["note"] = [notes.get(str(neuron), "") for neuron in rows.neurons.tolist()]
    return pd.DataFrame(made)
