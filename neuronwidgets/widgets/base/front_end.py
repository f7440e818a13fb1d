"""The built front end, and how it reaches a page: once for all widgets of a kind.

A notebook saves the state of every widget, and a page keeps every module that it has loaded. So in
a Jupyter kernel a widget has a loader of 1 KB, and its code stands in one model of its kernel.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import ipywidgets
import traitlets as t
from IPython import get_ipython

STATIC = Path(__file__).parents[2] / "static"


def front_end(name: str) -> Path | str:
    """The text of a built file of the front end; its path where files are rebuilt on save.

    anywidget keeps every widget in memory whose file it watches, so the path is the exception.

    Raises:
        ImportError: the front end was not built.
    """
    path = STATIC / name
    if not path.exists():
        raise ImportError(
            f"the front end is not built ({path.name} is missing). Install the package with "
            "`pip install .`, or in a clone run `npm ci && npm run build` in js/."
        )
    return path if rebuilt() else path.read_text("utf-8")


def rebuilt() -> bool:
    """Whether files of the front end are rebuilt on save."""
    return os.environ.get("ANYWIDGET_HMR") == "1"


class FrontEnd(ipywidgets.Widget):
    """The code and the style of all widgets of a kind in a kernel."""

    code = t.Unicode().tag(sync=True)
    style = t.Unicode().tag(sync=True)


_shared: dict[str, FrontEnd] = {}


def shared(kind: str) -> FrontEnd | None:
    """The front end that widgets of a kind share.

    `None` where each has its own: outside of Jupyter's kernels, whose pages alone are sure to find
    another model, and where files are rebuilt on save.
    """
    if rebuilt() or getattr(get_ipython(), "kernel", None) is None:
        return None
    front = _shared.get(kind)
    if front is None or front.comm is None:  # ipywidgets.Widget.close_all() closes it
        front = _shared[kind] = FrontEnd(
            code=str(front_end(f"{kind}.js")), style=str(front_end(f"{kind}.css"))
        )
    return front


@cache
def loader() -> str:
    """What stands in a widget for its code: it loads that of its `FrontEnd`."""
    return str(front_end("loader.js"))
