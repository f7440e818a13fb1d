"""`concept_graph`: the concepts of lower layers that feed a concept."""

from __future__ import annotations

import html
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch import nn

from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.core.checks import integer, one_of
from neuronwidgets.core.progress import progress_line
from neuronwidgets.core.steps import drained, mapped
from neuronwidgets.display.html import table
from neuronwidgets.effects.graph.chart import chart
from neuronwidgets.effects.graph.core import CoreNeurons, Trials, finding_core
from neuronwidgets.effects.graph.edges import Edges, Layer, edges_of, require_same_samples
from neuronwidgets.effects.graph.fidelity import COUNTS, Fidelity, fidelity
from neuronwidgets.effects.graph.lower import reading_lower
from neuronwidgets.effects.graph.passage import Rerun

REPLACEMENTS = ("mean", "zero")
WHOLE = "no concept"
"""The name of a node that stands for a neuron without concepts."""


@dataclass(frozen=True, order=True)
class Node:
    """A concept of a neuron of a layer; concept -1: a neuron without concepts."""

    layer: str
    neuron: int | None
    concept: int


@dataclass(frozen=True, eq=False)
class Search:
    """How edges are found: the model, the layers below from top to bottom, and the settings."""

    rerun: Rerun
    layers: tuple[Layer, ...]
    most: int
    replacement: str
    seed: int

    def below(self, name: str) -> Layer | None:
        """The layer whose concepts feed those of the layer `name`; `None` of the lowest."""
        names = [layer.acts.layer for layer in self.layers]
        number = names.index(name) + 1 if name in names else 0
        return self.layers[number] if number < len(names) else None

    def finding(
        self, concepts: Concepts, concept: int
    ) -> Generator[float, None, tuple[CoreNeurons, Edges]]:
        """Steps that return the core neurons and the edges of one concept."""
        layer = self.below(concepts.layer)
        assert layer is not None
        trials = Trials(self.rerun, concepts, concept, layer.acts, self.replacement, self.seed)
        yield 0.1
        steps = finding_core(trials, self.most, self.seed)
        core = yield from mapped(steps, lambda share: 0.1 + 0.8 * share)
        return core, edges_of(core, layer, self.most)


@dataclass(frozen=True, repr=False, eq=False)
class ConceptGraph:
    """Concepts, and which of them feed which.

    Attributes:
        layers: the names of the layers, from top to bottom.
        nodes: `N` concepts; the first is the one that was asked for.
        names: `N` names of the concepts.
        source, target: int64 `E`, each edge's lower and upper node.
        weight: float64 `E`, the edge's integrated gradient over the sum of |integrated gradient| of
            all edges of its target, -1 to 1.
        attribution: float64 `E`, the integrated gradient, mean over the target's samples, in units
            of the target neuron's activation.
        samples: float64 `E`, the share of the target's samples that are in the source.
        cores: for each node that was followed its core neurons, with controls.
        cuts: the concepts of each layer and neuron of the nodes.
        search: how edges are found; for `follow`.
    """

    layers: tuple[str, ...]
    nodes: tuple[Node, ...]
    names: tuple[str, ...]
    source: np.ndarray
    target: np.ndarray
    weight: np.ndarray
    attribution: np.ndarray
    samples: np.ndarray
    cores: Mapping[int, CoreNeurons]
    cuts: Mapping[tuple[str, int | None], Concepts]
    search: Search = field(repr=False)

    def __len__(self) -> int:
        return len(self.nodes)

    def concepts(self, node: int) -> Concepts:
        """The concepts of a node's neuron, to open its split.

        Raises:
            IndexError: there is no such node.
        """
        found = self.nodes[self.check_node(node)]
        return self.cuts[found.layer, found.neuron]

    def edges(self, node: int) -> np.ndarray:
        """int64: the edges (indices into `source`) that end at a node, the largest |weight|
        first."""
        return np.flatnonzero(self.target == self.check_node(node))

    def can_follow(self, node: int) -> bool:
        """Whether `follow` finds edges of a node: it is a concept, and a layer below was given."""
        found = self.nodes[self.check_node(node)]
        return found.concept >= 0 and self.search.below(found.layer) is not None

    def follow(self, node: int) -> ConceptGraph:
        """This graph with the edges that end at one more node.

        Raises:
            IndexError: there is no such node.
            ValueError: it stands for no concept, or no layer below its own was given.
        """
        return drained(self.following(node))

    def following(self, node: int) -> Generator[float, None, ConceptGraph]:
        """`follow` in steps; each is the share that is done, 0 to 1."""
        node = self.check_node(node)
        if node in self.cores:
            return self
        found = self.nodes[node]
        if found.concept < 0:
            raise ValueError(f"node {node} is neuron {found.neuron}, which has no concepts.")
        layer = self.search.below(found.layer)
        if layer is None:
            raise ValueError(
                f"node {node} is of layer {found.layer!r}, and no layer below that was given: pass "
                "it in below=."
            )
        core, edges = yield from self.search.finding(self.concepts(node), found.concept)
        nodes, names, cuts = list(self.nodes), list(self.names), dict(self.cuts)
        number = {known: i for i, known in enumerate(nodes)}
        source = []
        for neuron, concept in zip(edges.neuron.tolist(), edges.concept.tolist(), strict=True):
            lower = Node(layer.acts.layer, neuron, concept)
            if lower not in number:
                number[lower] = len(nodes)
                cut = layer.concepts(neuron)
                nodes.append(lower)
                names.append(WHOLE if concept < 0 else cut.names[concept])
                cuts[lower.layer, neuron] = cut
            source.append(number[lower])
        return replace(
            self, nodes=tuple(nodes), names=tuple(names), cuts=cuts,
            source=np.concatenate([self.source, np.array(source, np.int64)]),
            target=np.concatenate([self.target, np.full(len(source), node)]),
            weight=np.concatenate([self.weight, edges.weight]),
            attribution=np.concatenate([self.attribution, edges.attribution]),
            samples=np.concatenate([self.samples, edges.samples]),
            cores={**self.cores, node: core},
        )  # fmt: skip

    @property
    def strength(self) -> np.ndarray:
        """float64 `N`: what each node carries of the first: 1, and for others the sum over their
        edges of |weight| times the strength of the edge's target."""
        strength = np.zeros(len(self))
        strength[0] = 1
        for layer in self.layers:
            for i, node in enumerate(self.nodes):
                if node.layer == layer and i:
                    out = self.source == i
                    strength[i] = (np.abs(self.weight[out]) * strength[self.target[out]]).sum()
        return strength

    @property
    def findings(self) -> tuple[str, ...]:
        """A sentence for each node that was followed: what its core neurons do, beside random
        ones."""
        sentences = []
        for node, core in self.cores.items():
            of = f"{self.names[node]!r} of neuron {self.nodes[node].neuron}"
            one = core.count == 1
            cores = "core neuron" if one else f"{core.count} core neurons"
            others = "a random one" if one else f"{core.count} random ones"
            text = (
                f"Without its {cores}, {core.without:.0%} of the samples of {of} "
                f"stay the strongest; without {others} {core.without_random:.0%}."
            )
            if core.as_random:
                these = "this neuron does" if one else "these neurons do"
                text += f" So {these} no more than {'a random one' if one else 'random ones'}."
            if core.error > 0.05:
                text += f" Integrated gradients miss {core.error:.0%} of the activation."
            sentences.append(text)
        return tuple(sentences)

    def fidelity(self, node: int = 0, counts: Sequence[int] = COUNTS, draws: int = 3) -> Fidelity:
        """What is left of a node's concept with only a few neurons of the layer below.

        All other neurons of that layer are replaced. The neurons that are left are those with the
        largest attributions; the controls are those with the largest gradients, and random ones.

        Args:
            node: the node; it need not be followed.
            counts: numbers of neurons that keep their values.
            draws: random choices.

        Raises:
            IndexError: there is no such node.
            ValueError: no layer below the node's own was given.
        """
        return fidelity(self, node, tuple(counts), draws)

    def check_node(self, node: Any) -> int:
        """`node` as an index into `nodes`.

        Raises:
            IndexError: there is no such node.
        """
        number = integer("node", node, 0)
        if number >= len(self.nodes):
            raise IndexError(f"node must be less than {len(self.nodes)}, got {number}.")
        return number

    def to_frame(self) -> Any:
        """A `pandas.DataFrame` with a row for each edge: `layer`, `neuron`, `concept` and `name` of
        its source, the same of its target (`target_layer` ...), `weight`, `attribution`,
        `samples`."""
        import pandas as pd

        rows = []
        for e, (source, target) in enumerate(zip(self.source, self.target, strict=True)):
            lower, upper = self.nodes[source], self.nodes[target]
            rows.append({
                "layer": lower.layer, "neuron": lower.neuron, "concept": lower.concept,
                "name": self.names[source], "target_layer": upper.layer,
                "target_neuron": upper.neuron, "target_concept": upper.concept,
                "target_name": self.names[target], "weight": self.weight[e],
                "attribution": self.attribution[e], "samples": self.samples[e],
            })  # fmt: skip
        columns = [
            "layer", "neuron", "concept", "name", "target_layer", "target_neuron",
            "target_concept", "target_name", "weight", "attribution", "samples",
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=columns)

    def to_altair(self) -> Any:
        """An Altair chart: a row of concepts for each layer, the edges as lines between them."""
        return chart(self)

    def __repr__(self) -> str:
        first = self.nodes[0]
        return (
            f"ConceptGraph({self.names[0]!r} of neuron {first.neuron} of {first.layer!r}: "
            f"{len(self.source)} edges, {len(self) - 1} concepts of {len(self.layers) - 1} "
            f"{'layer' if len(self.layers) == 2 else 'layers'} below)"
        )

    def _repr_html_(self) -> str:
        rows = [
            (f"{html.escape(self.names[s])} ({self.nodes[s].neuron})",
             f"{html.escape(self.names[t])} ({self.nodes[t].neuron})", f"{w:+.2f}", f"{n:.0%}")
            for s, t, w, n in zip(self.source, self.target, self.weight, self.samples, strict=True)
        ]  # fmt: skip
        notes = "".join(f"<p>{html.escape(text)}</p>" for text in self.findings)
        head = ("concept (neuron)", "feeds", "weight", "samples")
        return f"<p>{html.escape(repr(self))}</p>{notes}{table(head, rows)}"


def unfollowed(concepts: Concepts, concept: int, search: Search) -> ConceptGraph:
    """The graph of one concept, without edges: `follow(0)` finds them."""
    empty, none = np.zeros(0), np.zeros(0, np.int64)
    layers = (concepts.layer, *(layer.acts.layer for layer in search.layers))
    return ConceptGraph(
        layers, (Node(concepts.layer, concepts.neuron, concept),), (concepts.names[concept],), none,
        none, empty, empty, empty, {}, {(concepts.layer, concepts.neuron): concepts}, search,
    )  # fmt: skip


def concept_graph(
    concepts: Concepts, concept: int = 0, *, below: Any, model: nn.Module, data: Any = None,
    edges: int = 16, onwards: int = 3, replacement: str = "mean", seed: int = 0,
    tokenizer: Any = None, transform: Callable[[Any], Any] | None = None, batch_size: int = 64,
    max_length: int | None = None, neuron_axis: int | None = None, progress: bool = True,
) -> ConceptGraph:  # fmt: skip
    """The concepts of lower layers that feed a concept, after NeurFlow (arXiv 2502.16105).

    The activation `a` of the concept's neuron on the concept's samples is attributed to the neurons
    `u` of the layer below by integrated gradients (Sundararajan et al. 2017), from a replacement
    `r` to the layer's values `h`, and added up over positions `p`:
    `sum_p (h_pu - r_u) * integral da/dh_pu (r + t (h - r)) dt`. Over all neurons these add up to
    `a(h) - a(r)`. Of the 16 strongest neurons, those are core neurons without which the concept's
    samples do not stay the strongest (see `neuronwidgets.effects.graph.core.finding_core`). The
    attribution of a core neuron is divided among its own concepts, by the samples in each. These
    are the edges.

    Args:
        concepts: `split.cut()` of a neuron or direction of the upper layer.
        concept: the index of one of them.
        below: the layer below: `Activations` of the same samples, captured at once with the upper
            layer; what `nw.split_layer` returned for these; or its name, then the model reads it.
            Or several layers, from top to bottom.
        model: the model that was captured.
        data: the data given to `capture`. Not needed for texts and plain images, which the
            activations hold.
        edges: core neurons and edges of a concept, at most.
        onwards: the concepts of each further layer whose own edges are found: the strongest.
            `graph.follow(node)` finds those of any other.
        replacement: what a neuron is without its values: "mean" over the data, or "zero" as in the
            paper. A residual stream has no state at zero; gradients explode on the way there.
        seed: of the random samples and neurons that serve as controls.
        tokenizer, transform, batch_size, max_length, neuron_axis: as given to `capture`.
        progress: show a line with the progress and the time left.

    Returns:
        A `ConceptGraph`. `findings` says what the core neurons do beside as many random ones.

    Raises:
        TypeError: `below` is something else.
        IndexError: no such concept.
        ValueError: other samples below, a layer that runs later or twice in the list, a model that
            gives other activations than those that were captured, no gradients.
    """
    split = concepts.require_split("concept_graph")
    concept = integer("concept", concept, 0)
    if concept >= len(concepts):
        raise IndexError(f"concept must be less than {len(concepts)}, got {concept}.")
    one_of("replacement", replacement, REPLACEMENTS)
    several = isinstance(below, Sequence) and not isinstance(below, str)
    rerun = Rerun(model, data, tokenizer, transform, batch_size, max_length, neuron_axis)
    layers = tuple(
        Layer(drained(reading_lower(split.acts, one, rerun)) if isinstance(one, str) else one)
        for one in (below if several else [below])
    )
    if not layers:
        raise ValueError("below must be at least one layer, got none.")
    names = (concepts.layer, *(layer.acts.layer for layer in layers))
    if len(set(names)) < len(names):
        raise ValueError(f"below must be other layers, each once, got {', '.join(names[1:])}.")
    for layer in layers:
        require_same_samples(split.acts, layer.acts)
    search = Search(
        rerun, layers, integer("edges", edges, 1), replacement, integer("seed", seed, 0)
    )
    onwards = integer("onwards", onwards, 0)
    graph = unfollowed(concepts, concept, search)
    names = graph.layers
    total = 1 + onwards * (len(layers) - 1)
    with progress_line("following", total, "concepts", progress) as line:
        for name in names[:-1]:
            strength = graph.strength
            strongest = sorted(range(len(graph)), key=lambda i: -strength[i])
            nodes = [i for i in strongest if graph.nodes[i].layer == name and graph.can_follow(i)]
            for node in nodes[: onwards if name != names[0] else 1]:
                graph = graph.follow(node)
                line.update(1)
    return graph
