"""What a page holds after its garbage is collected: objects, listeners, widgets that are gone."""

from __future__ import annotations

from typing import Any, NamedTuple

from playwright.sync_api import Page

MEASURED = ("ResizeObserver", "MutationObserver", "AbortController")
"""Classes of what listens. JupyterLab and anywidget have some of their own, and keep some."""


class Held(NamedTuple):
    """What a page holds.

    Attributes:
        heap: bytes of the JavaScript heap. Compiled code is part of it, which comes and goes.
        objects: JavaScript objects, functions and arrays.
        nodes: DOM nodes, in the page or not.
        roots: roots of our widgets that are in memory, in the page or not. A listener, a timer or
            a signal that outlives its widget holds its root.
        listeners: on the window, the document and its body.
    """

    heap: int
    objects: int
    nodes: int
    roots: int
    listeners: int


class PageMemory:
    """Looks into a page through the protocol of Chromium's developer tools."""

    def __init__(self, page: Page) -> None:
        self._cdp = page.context.new_cdp_session(page)
        self._cdp.send("HeapProfiler.enable")
        self._cdp.send("Runtime.enable")

    def held(self) -> Held:
        """Collect the garbage, and count what is left."""
        for _ in range(3):
            self._cdp.send("HeapProfiler.collectGarbage")
        heap = int(self._cdp.send("Runtime.getHeapUsage")["usedSize"])
        objects, nodes = self._count("Object"), self._cdp.send("Memory.getDOMCounters")["nodes"]
        roots = self._count("HTMLDivElement", "e => e.classList.contains('nw')")
        return Held(heap, objects, int(nodes), roots, self._listeners())

    def observers(self) -> dict[str, int]:
        """The page's observers and `AbortController`s, by class."""
        return {name: self._count(name) for name in MEASURED}

    def _count(self, name: str, such: str = "() => true") -> int:
        """The objects of a class that are in memory, with those that wait to be collected."""
        prototype = self._evaluate(f"{name}.prototype")
        found = self._cdp.send("Runtime.queryObjects", {"prototypeObjectId": prototype})
        objects = found["objects"]["objectId"]
        counted = self._cdp.send(
            "Runtime.callFunctionOn",
            {
                "functionDeclaration": f"function () {{ return this.filter({such}).length; }}",
                "objectId": objects,
                "returnByValue": True,
            },
        )
        for held in (objects, prototype):
            self._cdp.send("Runtime.releaseObject", {"objectId": held})
        return int(counted["result"]["value"])

    def _listeners(self) -> int:
        total = 0
        for target in ("window", "document", "document.body"):
            object_id = self._evaluate(target)
            found = self._cdp.send("DOMDebugger.getEventListeners", {"objectId": object_id})
            total += len(found["listeners"])
            self._cdp.send("Runtime.releaseObject", {"objectId": object_id})
        return total

    def _evaluate(self, expression: str) -> Any:
        return self._cdp.send("Runtime.evaluate", {"expression": expression})["result"]["objectId"]
