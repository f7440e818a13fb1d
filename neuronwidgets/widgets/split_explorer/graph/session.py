"""The concept graph of one SplitExplorer: which is open, and the steps that make it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from neuronwidgets.core.steps import mapped
from neuronwidgets.widgets.base.jobs import JobProgress, Steps, later
from neuronwidgets.widgets.split_explorer.graph.layers import LowerLayers
from neuronwidgets.widgets.split_explorer.graph.message import pack_graph
from neuronwidgets.widgets.split_explorer.keywords import Keywords
from neuronwidgets.widgets.split_explorer.session import SplitSession

if TYPE_CHECKING:
    from neuronwidgets.effects.graph.graph import ConceptGraph

EDGES, REPLACEMENT, SEED = 16, "mean", 0
"""As `nw.concept_graph` has them by default."""
TEXTS = 200
"""Texts that the keywords of a node are set apart from: a fifth of those of a card, because a graph
has many neurons."""


class GraphSession:
    """What feeds the concepts of the split on the screen.

    Args:
        split: the session of the explorer.
        put: sets traits of the explorer.

    Attributes:
        graph: the graph that is open; `None`: none is.
    """

    def __init__(self, split: SplitSession, put: Callable[[dict[str, Any]], None]) -> None:
        self._split, self._put = split, put
        use = split.recipe.use
        self.layers = None if use is None else LowerLayers(use, split.acts.layer, split.feed)
        self.graph: ConceptGraph | None = None
        self._root = -1
        self._words: dict[tuple[str, int | None, int], list[str]] = {}

    @property
    def below(self) -> str:
        """The name of the layer whose concepts feed those on the screen; "" if none can."""
        layers = self.layers
        return (layers.name_below(self._split.acts.layer) if layers is not None else None) or ""

    def close(self) -> None:
        """No graph is open any more."""
        self.graph = None

    def open_graph(self) -> ConceptGraph:
        """The graph that is open.

        Raises:
            ValueError: none is.
        """
        if self.graph is None:
            raise ValueError("no concept graph is open.")
        return self.graph

    def opening(self, node: int) -> Steps:
        """Find what feeds the concept of a node of the tree, and show it.

        Raises:
            ValueError: there is no such concept on the screen, no layer below, or the capture still
                uses the model.
        """
        layers, concepts = self.layers, self._split.concepts
        if layers is None or not self.below:
            raise ValueError(
                "no layer below is known: SplitExplorer(..., model=model, below=activations)."
            )
        if self._split.feed.running:
            raise ValueError("the capture still uses the model: wait for its end.")
        if concepts.refined:
            raise ValueError("concepts by k-means have no graph: switch k-means membership off.")
        nodes = concepts.nodes.tolist()
        if node < 0 or node not in nodes:
            raise ValueError(f"node {node} is no concept of the cut on the screen.")
        return self._opening(layers, node, nodes.index(node))

    def _opening(self, layers: LowerLayers, node: int, concept: int) -> Steps:
        from neuronwidgets.effects.graph.graph import Search, unfollowed

        concepts, acts = self._split.concepts, self._split.acts
        layer = yield from layers.getting(acts, self.below)
        search = Search(layers.rerun, (layer,), EDGES, REPLACEMENT, SEED)
        yield from self._following(unfollowed(concepts, concept, search), 0, node)

    def following(self, node: int) -> Steps:
        """Find what feeds one more node of the graph, and show it.

        Raises:
            IndexError, ValueError: see `ConceptGraph.follow`.
        """
        graph, layers = self.open_graph(), self.layers
        assert layers is not None
        found = graph.nodes[graph.check_node(node)]
        name = layers.name_below(found.layer)
        if found.concept < 0 or name is None:
            raise ValueError(f"no layer below feeds node {node}, neuron {found.neuron}.")
        return self._onwards(graph, layers, node, name)

    def _onwards(self, graph: ConceptGraph, layers: LowerLayers, node: int, name: str) -> Steps:
        search = graph.search
        if search.below(graph.nodes[node].layer) is None:
            layer = yield from layers.getting(self._split.acts, name)
            search = replace(search, layers=(*search.layers, layer))
            graph = replace(graph, layers=(*graph.layers, name), search=search)
        yield from self._following(graph, node, self._root)

    def _following(self, graph: ConceptGraph, node: int, root: int) -> Steps:
        text = f"finding what feeds {graph.names[node]}"
        yield JobProgress(0.0, text)
        steps = graph.following(node)
        followed = yield from mapped(steps, lambda share: JobProgress(share, text))
        yield self._showing(followed, root)
        yield from self._wording(followed, root)

    def _showing(self, graph: ConceptGraph, root: int) -> Callable[[], None]:
        """What shows a graph, unless another split is on the screen."""
        split = self._split.split
        layers = self.layers
        assert layers is not None
        packed = pack_graph(graph, root, self._words, layers)

        def show() -> None:
            if self._split.split is split:
                self.graph, self._root = graph, root
                self._put({"_graph": packed})

        return show

    def _wording(self, graph: ConceptGraph, root: int) -> Generator[Any, None, None]:
        """Find the keywords of the nodes, and show them."""
        for (layer, neuron), cut in graph.cuts.items():
            known = (layer, neuron, 0) in self._words or not len(cut)
            if known or not any(
                (node.layer, node.neuron) == (layer, neuron) for node in graph.nodes
            ):
                continue
            words = Keywords(cut.require_split("concept_graph"), most=TEXTS)
            nodes = cut.nodes.tolist()
            if not words.able:
                return
            for step in words.steps(nodes, lambda: None):
                yield later if isinstance(step, JobProgress) else step
            self._words |= {
                (layer, neuron, k): words.of(node) or [] for k, node in enumerate(nodes)
            }
            yield self._showing(graph, root)
