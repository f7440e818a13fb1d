"""Sentences about what the numbers of `ConceptEffects` do not show by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neuronwidgets.core.layer_place import titled
from neuronwidgets.effects.losses import NEURON, RANDOM, interval, listed, signed
from neuronwidgets.effects.strengths import LARGEST, TOLERANCE

if TYPE_CHECKING:
    from neuronwidgets.activations.activations import Activations
    from neuronwidgets.effects.concept_effects import ConceptEffects

MOVED = 0.01
"""Accuracy: smaller losses are called none."""
ENOUGH = 10
"""Random edits: with as many, the interval is a fifth wider than with any number (Student's t)."""


def remarks(acts: Activations, readout_only: bool, note: str) -> tuple[str, ...]:
    """Sentences about a layer and how it was captured."""
    lines = []
    if readout_only:
        lines.append(
            f"Only a linear readout comes after {titled(acts.layer, acts.at)}. Concept directions "
            "are nearly the readout's own there, so large and selective losses are expected and "
            "say little about how the model computes."
        )
    if acts.pooling == "max":
        lines.append(
            "The concepts are of maxima over positions (pooling='max'). Such a vector mixes "
            "several positions, the model holds it at none, and taking its direction out may do "
            "nothing: capture with pooling='mean', 'last' or 'token'."
        )
    if note:
        lines.append(f"Every pass was a full one: {note}.")
    return tuple(lines)


def findings(effects: ConceptEffects) -> tuple[str, ...]:
    """The sentences of `ConceptEffects.findings`."""
    lines = list(effects.remarks)
    count = range(len(effects))
    above = [effects.above_random(k) for k in count]
    known = [k for k in count if np.isfinite(above[k].value)]
    kind = "direction" if effects.edit == "direction" else "edit of the same kind"
    draws = effects.ways.count(RANDOM)
    if known and draws < 2:
        lines.append(
            f"One random {kind} does not tell whether the concepts do more than random ones: pass "
            "draws=3 or more."
        )
    same = [k for k in known if draws > 1 and not above[k].low > 0]
    if same:
        who = listed([effects.names[k] for k in same])
        losses = [
            [effects.losses(k, way)["own"].value for k in same] for way in ("concept", RANDOM)
        ]
        own, random = (signed(float(np.mean(values))) for values in losses)
        lines.append(
            f"{len(same)} of {len(known)} concepts ({who}) are not clearly above a random "
            f"{kind}: their own samples lose {own} nats on average without the concept and "
            f"{random} without the random one."
        )
        if draws < ENOUGH and any(above[k].value > 0 for k in same):
            lines[-1] += f" More draws than {draws} tell smaller differences."
    clear = [k for k in known if above[k].low > 0]
    chosen = [k for k in clear if effects.selectivity(k).low > 0]
    if chosen:
        best = max(chosen, key=lambda k: above[k].value)
        lines.append(
            f"{len(chosen)} of {len(known)} concepts are selective: their own samples lose more "
            f"than the siblings' and more than under random edits. Most: {effects.names[best]!r}, "
            f"{interval(effects.losses(best)['own'])} nats."
        )
    unselective = [k for k in clear if not effects.selectivity(k).low > 0]
    if unselective:
        lines.append(
            f"{listed([effects.names[k] for k in unselective])}: the own samples lose more than "
            "under random edits, but not more than the siblings' samples."
        )
    accuracy = [effects.losses(k, measure="accuracy")["own"] for k in known]
    if clear and not any(loss.low > 0 or abs(loss.value) >= MOVED for loss in accuracy):
        lines.append("Accuracy does not move: only log-probabilities show a difference.")
    whole = [effects.losses(k, NEURON)["own"] for k in known]
    if chosen and not any(loss.low > 0 for loss in whole):
        lines.append("Taking out the whole neuron costs no concept's own samples anything clear.")
    if effects.wanted is not None:
        short = effects.kl < effects.wanted * (1 - TOLERANCE)
        weak = [way for v, way in enumerate(effects.ways) if short[:, v].any()]
        if weak:
            ways = " and ".join(dict.fromkeys(weak))
            lines.append(
                f"The cost of KL {effects.wanted:g} was not reached by: {ways}. Compare their "
                f"numbers with their own `kl` (strengths end at {LARGEST:g})."
            )
        beyond = [effects.names[k] for k in count if effects.strength[k, 0] > 1]
        if beyond:
            lines.append(
                f"Taking out {listed(beyond)} completely (strength 1) costs less than KL "
                f"{effects.wanted:g}: the strength goes beyond, to "
                f"{effects.strength[:, 0].max():.3g}, where the component changes its sign."
            )
    return tuple(lines)
