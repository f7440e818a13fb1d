"""Charts of probes: each value with its interval, and with its control in grey."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.display.vega import INK, readable

if TYPE_CHECKING:
    from neuronwidgets.effects.probing.control import Control
    from neuronwidgets.effects.probing.l1 import L1Probe
    from neuronwidgets.effects.probing.null import Measured
    from neuronwidgets.effects.probing.sparse import SparseProbe

DATA, NULL = "#4477AA", "#999999"
"""Colours of the labels and of the control, seen on white and on black."""
SIZE = {"width": 240, "height": 200}
"""Pixels of a chart: two stand side by side, with their axes, in a notebook of 900 pixels."""

STRENGTH = "C (larger: more neurons)"
LARGEST = 12
"""Neurons whose weights are drawn."""


def sparse_charts(probe: SparseProbe) -> Any:
    """F1 against k, and F1 as the best neurons are removed."""
    import altair as alt

    labels, control = "the labels", "permuted labels"
    curve = banded(probe.ks, probe.test, "f1", (labels, control))
    rounds = np.arange(len(probe.removal.removed))
    removal = banded(rounds, probe.removal.test, "f1", (labels, control))
    across = alt.X("x:Q").title("neurons of the probe (k)").scale(type="log", base=2, nice=False)
    across = across.axis(values=[int(k) for k in probe.ks if k & (k - 1) == 0])
    removals = alt.X("x:Q").title("best neurons removed").axis(tickMinStep=1)
    title = probe.label or "the label"
    return styled(
        alt.hconcat(
            lines(curve, across, "F1 on the test part", f"{title}, from k neurons"),
            lines(removal, removals, "F1 of five others", "carried by few neurons, or by many?"),
        )
    )


def banded(x: Any, test: Measured, metric: str, names: tuple[str, str]) -> Any:
    """A table of a metric and its null: `x`, `of`, `value`, `low`, `high`."""
    import pandas as pd

    null = test.null[metric]
    parts = [pd.DataFrame({"x": x, "of": names[0], "value": test.value[metric],
                           "low": test.low[metric], "high": test.high[metric]})]  # fmt: skip
    if len(null):
        low, high = np.quantile(null, [0.025, 0.975], axis=0)
        parts.append(pd.DataFrame({"x": x, "of": names[1], "value": null.mean(axis=0), "low": low,
                                   "high": high}))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def lines(table: Any, x: Any, y: str, title: str, more: Sequence[Any] = ()) -> Any:
    """Lines with their intervals, a colour for each name in the column `of`; then more layers."""
    import altair as alt

    names = list(dict.fromkeys(table["of"]))
    color = alt.Color("of:N").title(None).scale(domain=names, range=[DATA, NULL])
    base = alt.Chart(table).encode(x=x, color=color, tooltip=["of", "x", "value", "low", "high"])
    up = alt.Y("value:Q").title(y).scale(zero=False)
    band = base.mark_area(opacity=0.2).encode(y=alt.Y("low:Q").title(y), y2="high:Q")
    drawn = base.mark_line(strokeWidth=1.5, point=alt.OverlayMarkDef(size=25)).encode(y=up)
    return alt.layer(band, drawn, *more).properties(title=title, **SIZE)


def styled(page: Any) -> Any:
    """The page, readable on white and on black, its legends below it."""
    return readable(
        page,
        axis={"labelOverlap": True, "tickCount": 5},
        legend={"orient": "bottom", "symbolOpacity": 1},
        title={"fontWeight": "normal", "anchor": "start"},
    )


def l1_charts(probe: L1Probe) -> Any:
    """ROC AUC against C and how many neurons are chosen; a slider moves C along the path and shows
    the largest weights there."""
    import altair as alt
    import pandas as pd

    steps = pd.DataFrame({"step": np.arange(len(probe.Cs)), "x": probe.Cs,
                          "value": (probe.weights > 0).sum(axis=1)})  # fmt: skip
    at = _slider("C: step of the path", probe.best, len(steps) - 1)
    across = alt.X("x:Q").title(STRENGTH).scale(type="log", nice=False)
    chosen = (
        alt.Chart(steps)
        .mark_line(color=DATA, strokeWidth=1.5, interpolate="step-after")
        .encode(x=across, y=alt.Y("value:Q").title("chosen neurons"), tooltip=["x", "value"])
    )
    auc, null = probe.test.value["roc_auc"], probe.test.null["roc_auc"]
    steps["said"] = [f"C = {C:.3g}: {value:.3f}" for C, value in zip(probe.Cs, auc, strict=True)]
    if len(null):
        steps["said"] += [f", permuted {value:.3f}" for value in null.mean(axis=0)]
    steps["count"] = [f"{count:,} neurons" for count in steps["value"]]
    readout = _readout(probe, _reading(steps, across, at, "said"))
    counts = alt.layer(chosen, *_reading(steps, across, at, "count")).properties(
        title="neurons with a weight above 0", **SIZE
    )
    return styled(alt.vconcat(alt.hconcat(readout, counts), _largest(probe, at)).add_params(at))


def control_charts(control: Control) -> Any:
    """Readout: ROC AUC against C. Control: the change of behaviour against the factor, which a
    slider moves."""
    import altair as alt
    import pandas as pd

    frame = control.to_frame()
    parts = [
        pd.DataFrame({"x": frame["alpha"], "of": name, "value": frame[column],
                      "low": frame[f"{column}_low"], "high": frame[f"{column}_high"]})
        for name, column in (("chosen neurons", "change"), ("random neurons", "change_random"))
    ]  # fmt: skip
    across = alt.X("x:Q").title("factor of the neurons (1: the plain model)")
    at = _slider("factor: its number in the list", len(frame) - 1, len(frame) - 1)
    steps = pd.DataFrame({"step": np.arange(len(frame)), "x": frame["alpha"]})
    steps["said"] = [_scaled_words(row) for row in frame.to_dict("records")]
    table, read = pd.concat(parts, ignore_index=True), _reading(steps, across, at, "said")
    scaled = lines(table, across, "change of behaviour", "control", read)
    page = alt.hconcat(_readout(control.probe), scaled).add_params(at)
    return styled(page.resolve_scale(color="independent"))


def _scaled_words(row: dict[str, Any]) -> str:
    words = f"x {row['alpha']:g}: {row['change']:+.3g}, random {row['change_random']:+.3g}"
    if "perplexity" not in row:
        return words
    return f"{words}; perplexity {row['perplexity']:.3g}, {row['perplexity_random']:.3g}"


def _slider(name: str, value: int, most: int) -> Any:
    import altair as alt

    return alt.param("at", value=value, bind=alt.binding_range(min=0, max=most, step=1, name=name))


def _reading(steps: Any, across: Any, at: Any, column: str) -> tuple[Any, Any]:
    """A rule at the slider's step, and above it what is read off there."""
    import altair as alt

    here = alt.Chart(steps).transform_filter(alt.datum.step == at)
    rule = here.mark_rule(color=INK, strokeDash=[3, 3]).encode(x=across)
    words = here.mark_text(color=INK, align="left", baseline="bottom").encode(
        x=alt.value(0), y=alt.value(-2), text=f"{column}:N"
    )
    return rule, words


def _largest(probe: L1Probe, at: Any) -> Any:
    """The largest weights at each step of the path."""
    import altair as alt
    import pandas as pd

    parts = []
    for step, C in enumerate(probe.Cs):
        neurons = probe.neurons(C)[:LARGEST]
        weights = probe.weights[step, neurons]
        parts.append(pd.DataFrame({"step": step, "neuron": neurons, "weight": weights}))
    return (
        alt.Chart(pd.concat(parts, ignore_index=True))
        .transform_filter(alt.datum.step == at)
        .mark_bar(color=DATA, size=18)
        .encode(
            x=alt.X("neuron:N").sort("-y").axis(labelAngle=0),
            y=alt.Y("weight:Q"),
            tooltip=["neuron", "weight"],
        )
        .properties(title="largest weights at this C", width=2 * SIZE["width"] + 80, height=90)
    )


def _readout(probe: L1Probe, more: Sequence[Any] = ()) -> Any:
    import altair as alt

    names = ("the labels", "permuted labels")
    curve = banded(probe.Cs, probe.test, "roc_auc", names)
    across = alt.X("x:Q").title(STRENGTH).scale(type="log", nice=False)
    return lines(curve, across, "ROC AUC on the test part", "readout", more)
