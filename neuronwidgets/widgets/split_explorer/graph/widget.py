"""The part of SplitExplorer that shows the concept graph: traits and requests."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, cast

import traitlets as t
from ipywidgets import widget_serialization

from neuronwidgets.widgets.base.jobs import JobProgress, Steps, silently
from neuronwidgets.widgets.base.widget import Widget
from neuronwidgets.widgets.split_explorer.graph.session import GraphSession
from neuronwidgets.widgets.split_explorer.job_kinds import FOLLOWING
from neuronwidgets.widgets.split_explorer.on_screen import OnScreen


class GraphWidget(OnScreen):
    """A SplitExplorer's concept graph. It has the explorer's job, and its session."""

    _graphs: GraphSession
    _graph = t.Bytes().tag(sync=True)
    _below = t.Unicode().tag(sync=True)
    _node_split = t.Instance(Widget, allow_none=True).tag(sync=True, **widget_serialization)
    _split_node = t.Int(None, allow_none=True).tag(sync=True)
    _open_elsewhere: Callable[[str, int], None] | None = None
    """Opens a node of the graph, by its layer and neuron, instead of the explorer itself."""

    def _graph_messages(self) -> dict[str, Callable[[dict[str, Any]], None]]:
        """The requests about the graph, and their answers."""
        graphs = self._graphs
        return {
            "graph.open": lambda wanted: self._follow(lambda: graphs.opening(int(wanted["node"]))),
            "graph.follow": lambda wanted: self._follow(
                lambda: graphs.following(int(wanted["node"]))
            ),
            "graph.split": lambda wanted: self._open_split(wanted.get("node")),
            "graph.close": lambda _: self._close_graph(),
        }

    @t.observe("_tree")
    def _tree_changed(self, _change: Any) -> None:
        """Another split is on the screen, which the graph is not about."""
        if self._graph:
            self._close_graph()

    def _close_graph(self) -> None:
        with self._jobs.lock:
            if self._jobs.kind == FOLLOWING:
                self._jobs.cancel()
                # It would have ended with the evidence for the picture.
                self._go_on()
            self._graphs.close()
            self._embed(None, None, {"_graph": b""})

    def _follow(self, steps: Callable[[], Steps]) -> None:
        """Run steps of the graph as the job, then gather evidence as before."""
        with self._jobs.lock:
            self._clear()
            self._run(steps())

    def _run(self, steps: Steps) -> None:
        def running() -> Steps:
            try:
                yield from steps
            except Exception as error:
                failure = error
                yield lambda: self._fail(failure)
                yield from silently(self._session.work())
                return
            yield from self._session.work()

        self._start(running(), kind=FOLLOWING)

    def _open_split(self, node: Any) -> None:
        """Open the split of a node of the graph, or close it (`None`)."""
        if node is None:
            self._embed(None, None)
            return
        graph = self._graphs.open_graph()
        number = graph.check_node(node)
        cut, layer = graph.concepts(number), graph.nodes[number].layer
        neuron = graph.nodes[number].neuron
        if self._open_elsewhere is not None and neuron is not None:
            self._open_elsewhere(layer, neuron)
            return

        def steps() -> Steps:
            yield JobProgress(0.3, f"opening neuron {graph.nodes[number].neuron} of {layer}")
            explorer = self._explorer_of(cut, layer)
            try:
                yield lambda: self._embed(explorer, number)
            finally:
                if self._node_split is not explorer:
                    explorer.close()

        self._clear()
        self._run(steps())

    def _opening_lower(self, layer: str, neuron: int) -> Generator[JobProgress, None, Any]:
        """Steps that return an explorer of a neuron of a layer below, in no cell.

        Raises:
            ValueError, IndexError: no model, no such layer, or no such neuron.
        """
        layers = self._graphs.layers
        if layers is None or not self._graphs.below:
            raise ValueError("no layer below is known: pass a model.")
        found = yield from layers.getting(self._session.acts, layer)
        return self._explorer_of(found.concepts(found.acts.check_neuron(neuron)), layer)

    def _explorer_of(self, cut: Any, layer: str) -> Widget:
        layers, use = self._graphs.layers, self._session.recipe.use
        assert layers is not None
        assert use is not None
        about = {**use.given, "below": layers.known_below(layer) or None}
        made = cast(Any, type(self))(cut.split, threshold=cut.threshold, **about)
        made._presence.released()
        return cast(Widget, made)

    def _embed(
        self, explorer: Widget | None, node: int | None, traits: dict[str, Any] | None = None
    ) -> None:
        before = self._node_split
        self._put({"_node_split": explorer, "_split_node": node, **(traits or {})})
        if before is not None:
            before.close()
