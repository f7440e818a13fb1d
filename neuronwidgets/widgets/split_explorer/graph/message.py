"""The message `graph`: a concept graph as a view shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from neuronwidgets.concepts.naming.text import preview
from neuronwidgets.widgets.base.given import given
from neuronwidgets.widgets.base.previews import pack_previews
from neuronwidgets.widgets.protocol.buffers import pack

if TYPE_CHECKING:
    from neuronwidgets.activations.samples import Samples
    from neuronwidgets.concepts.concepts import Concepts
    from neuronwidgets.effects.graph.graph import ConceptGraph
    from neuronwidgets.widgets.split_explorer.graph.layers import LowerLayers

SAMPLES = 4
"""Pictures of a node: as many as fit beside each other."""
GREY = "#777777"
"""The colour of a neuron without concepts: contrast 4.5 on white, 4.2 on JupyterLab's dark."""

LETTERS = 60
"""Letters of a text that are sent: more than a node has room for."""

Words = Mapping[tuple[str, int | None, int], list[str]]
"""Keywords by layer, neuron and concept."""


def pack_graph(graph: ConceptGraph, root: int, words: Words, layers: LowerLayers) -> bytes:
    """The message `graph`.

    Args:
        graph: the graph.
        root: the node of the tree whose concept is first.
        words: the keywords that are known.
        layers: the lower layers.
    """
    from neuronwidgets.effects.graph.chart import places

    place, strength = places(graph), graph.strength
    samples = graph.cuts[graph.nodes[0].layer, graph.nodes[0].neuron].require_split("").acts.samples
    nodes, rows = [], set[int]()
    for i, node in enumerate(graph.nodes):
        cut = graph.concepts(i)
        shown = _strongest(cut, node.concept)
        rows |= set(shown) if samples.kind == "image" else set()
        nodes.append({
            "layer": graph.layers.index(node.layer), "neuron": node.neuron,
            "concept": node.concept, "name": graph.names[i],
            "color": GREY if node.concept < 0 else cut.colors[node.concept],
            "size": len(cut.index) if node.concept < 0 else int(cut.sizes[node.concept]),
            "place": float(place[i, 0]), "strength": float(strength[i]),
            "words": words.get((node.layer, node.neuron, node.concept)), "samples": shown,
            "text": beginning(samples, shown),
            "follow": node.concept >= 0 and layers.name_below(node.layer) is not None,
        })  # fmt: skip
    edges = [
        {"source": s, "target": t, "weight": w, "samples": n}
        for s, t, w, n in zip(
            graph.source.tolist(), graph.target.tolist(), graph.weight.tolist(),
            graph.samples.tolist(), strict=True,
        )
    ]  # fmt: skip
    findings = [
        {
            "node": node, "text": text, "core": core.count, "without": core.without,
            "random": core.without_random, "chance": core.as_random,
        }
        for (node, core), text in zip(graph.cores.items(), graph.findings, strict=True)
    ]  # fmt: skip
    previews, about = pack_previews(samples, sorted(rows), {})
    if samples.kind == "text":
        about = {"kind": "text", "segments": [], "values": [], "peaks": [], "cut": []}
    return pack(previews, {
        "root": root, "layers": list(graph.layers), "nodes": nodes, "edges": edges,
        "findings": findings, "code": code_of(graph, layers), **about,
    })  # fmt: skip


def code_of(graph: ConceptGraph, layers: LowerLayers) -> str:
    """The Python lines that make a graph, beside the explorer."""
    first = graph.nodes[0]
    threshold = graph.cuts[first.layer, first.neuron].threshold
    arguments = given(
        f"explorer.split.cut({threshold!r})", str(first.concept),
        **layers.written(graph.layers[1:]), onwards=0,
    )  # fmt: skip
    follow = [f"graph = graph.follow({node})" for node in graph.cores if node]
    return "\n".join([f"graph = nw.concept_graph({arguments})", *follow, "graph"])


def beginning(samples: Samples, rows: list[int]) -> str:
    """The beginning of the first text; for a token, the text from there on."""
    if samples.kind != "text" or not rows:
        return ""
    text, place = preview(samples, rows[0])
    start = 0 if place is None else place[0]
    return " ".join(text[start : start + 2 * LETTERS].split())[:LETTERS]


def _strongest(cut: Concepts, concept: int) -> list[int]:
    """Rows of the strongest samples of a concept, or of the neuron."""
    members = range(len(cut.index)) if concept < 0 else sorted(cut.groups[concept].tolist())
    return [int(cut.index[member]) for member in list(members)[:SAMPLES]]
