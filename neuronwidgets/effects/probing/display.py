"""Charts of probes: each value with its interval, and with its control in grey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.display.vega import offline

if TYPE_CHECKING:
    from neuronwidgets.effects.probing.control import Control
    from neuronwidgets.effects.probing.l1 import L1Probe
    from neuronwidgets.effects.probing.null import Measured
    from neuronwidgets.effects.probing.sparse import SparseProbe

DATA, NULL = "#4477AA", "#999999"
"""Colours of the labels and of the control, seen on white and on black."""
INK = "#777777"
"""Colour of texts and axes: contrast 4.5 on white, 4.2 on JupyterLab's dark page."""
SIZE = {"width": 240, "height": 200}
"""Pixels of a chart: two stand side by side, with their axes, in a notebook of 900 pixels."""


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


def lines(table: Any, x: Any, y: str, title: str) -> Any:
    """Lines with their intervals, a colour for each name in the column `of`."""
    import altair as alt

    names = list(dict.fromkeys(table["of"]))
    color = alt.Color("of:N").title(None).scale(domain=names, range=[DATA, NULL])
    base = alt.Chart(table).encode(x=x, color=color, tooltip=["of", "x", "value", "low", "high"])
    up = alt.Y("value:Q").title(y).scale(zero=False)
    band = base.mark_area(opacity=0.2).encode(y=alt.Y("low:Q").title(y), y2="high:Q")
    drawn = base.mark_line(strokeWidth=1.5, point=alt.OverlayMarkDef(size=25)).encode(y=up)
    return (band + drawn).properties(title=title, **SIZE)


def styled(page: Any) -> Any:
    """The page, readable on white and on black."""
    page = page.configure(background="transparent").configure_view(stroke="transparent")
    page = page.configure_axis(
        grid=False, labelColor=INK, titleColor=INK, domainColor=INK, tickColor=INK,
        labelOverlap=True, tickCount=5,
    ).configure_legend(labelColor=INK, titleColor=INK, orient="bottom")  # fmt: skip
    return offline(page.configure_title(color=INK, fontWeight="normal", anchor="start"))


def l1_charts(probe: L1Probe) -> Any:
    """ROC AUC against C, and how many neurons are chosen."""
    import altair as alt
    import pandas as pd

    counts = pd.DataFrame({"x": probe.Cs, "value": (probe.weights > 0).sum(axis=1)})
    chosen = (
        alt.Chart(counts)
        .mark_line(color=DATA, strokeWidth=1.5, interpolate="step-after")
        .encode(x=_strength(), y=alt.Y("value:Q").title("chosen neurons"), tooltip=["x", "value"])
        .properties(title="neurons with a weight above 0", **SIZE)
    )
    return styled(alt.hconcat(_readout(probe), chosen))


def control_charts(control: Control) -> Any:
    """Readout: ROC AUC against C. Control: the change of behaviour against the factor."""
    import altair as alt
    import pandas as pd

    frame = control.to_frame()
    parts = [
        pd.DataFrame({"x": frame["alpha"], "of": name, "value": frame[column],
                      "low": frame[f"{column}_low"], "high": frame[f"{column}_high"]})
        for name, column in (("chosen neurons", "change"), ("random neurons", "change_random"))
    ]  # fmt: skip
    across = alt.X("x:Q").title("factor of the neurons (1: the plain model)")
    scaled = lines(pd.concat(parts, ignore_index=True), across, "change of behaviour", "control")
    page = alt.hconcat(_readout(control.probe), scaled)
    return styled(page.resolve_scale(color="independent"))


def _readout(probe: L1Probe) -> Any:
    names = ("the labels", "permuted labels")
    curve = banded(probe.Cs, probe.test, "roc_auc", names)
    return lines(curve, _strength(), "ROC AUC on the test part", "readout")


def _strength() -> Any:
    import altair as alt

    return alt.X("x:Q").title("C (larger: more neurons)").scale(type="log", nice=False)
