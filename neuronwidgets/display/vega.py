"""Altair charts that a notebook draws without a network."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

INK = "#777777"
"""Colour of texts and axes: contrast 4.5 on white, 4.2 on JupyterLab's dark page."""


def readable(chart: Any, *, axis: Any = None, legend: Any = None, title: Any = None) -> Any:
    """The chart with words and lines in `INK` on no background, drawn as by `offline`.

    Args:
        axis, legend, title: more of Vega-Lite's settings for all axes, legends and titles.
    """
    ink = {"labelColor": INK, "titleColor": INK}
    lines = {"grid": False, "domainColor": INK, "tickColor": INK}
    chart = chart.configure(background="transparent").configure_view(stroke="transparent")
    chart = chart.configure_axis(**ink, **lines, **(axis or {}))
    chart = chart.configure_legend(**ink, **(legend or {}))
    return offline(chart.configure_title(color=INK, **(title or {})))


def offline(chart: Any) -> Any:
    """The chart, changed so that a notebook draws it with its own Vega-Lite.

    Altair's default renderer loads Vega from a CDN. JupyterLab, Notebook and VS Code draw Vega-Lite
    5 themselves, and our charts look the same in 5 and 6. A renderer that the user has enabled is
    used instead.
    """
    import altair as alt

    def bundle(*_args: Any, **_kwargs: Any) -> Any:
        if alt.renderers.active != "default" or "google.colab" in sys.modules:
            return type(chart)._repr_mimebundle_(chart)
        # JSON has no NaN and no infinity; Vega omits marks whose number is null.
        spec = json.loads(json.dumps(chart.to_dict()), parse_constant=lambda _: None)
        spec["$schema"] = re.sub(r"v\d[\d.]*\.json$", "v5.json", spec["$schema"])
        kind = "application/vnd.vegalite.v5+json"
        return {kind: spec, "text/plain": repr(type(chart))}, {kind: {"embed_options": {}}}

    # Plain assignment would make it a property of the chart.
    object.__setattr__(chart, "_repr_mimebundle_", bundle)
    return chart
