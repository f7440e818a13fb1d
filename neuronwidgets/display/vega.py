"""Altair charts that a notebook can draw without a network."""

from __future__ import annotations

import json
import re
import sys
from typing import Any


def offline(chart: Any) -> Any:
    """The chart, shown by the notebook's own Vega-Lite where that is the default.

    Altair's default loads Vega from a CDN. JupyterLab, Notebook and VS Code draw Vega-Lite 5
    themselves, and our charts are the same in 5 and 6. A renderer that the user has enabled wins.
    """
    import altair as alt

    def bundle(*_args: Any, **_kwargs: Any) -> Any:
        if alt.renderers.active != "default" or "google.colab" in sys.modules:
            return type(chart)._repr_mimebundle_(chart)
        # NaN and infinity are no JSON: a mark without a number is left out.
        spec = json.loads(json.dumps(chart.to_dict()), parse_constant=lambda _: None)
        spec["$schema"] = re.sub(r"v\d[\d.]*\.json$", "v5.json", spec["$schema"])
        kind = "application/vnd.vegalite.v5+json"
        return {kind: spec, "text/plain": repr(type(chart))}, {kind: {"embed_options": {}}}

    # Altair would take an attribute for a part of the chart.
    object.__setattr__(chart, "_repr_mimebundle_", bundle)
    return chart
