/**
 * What the kernel and the views send each other: `graph`.
 *
 * Generated from `neuronwidgets/widgets/protocol` by
 * `python -m neuronwidgets.widgets.protocol.generate`. Do not edit.
 */

import type { SampleKind, Tile } from "./previews";

/** Find the concepts of the layer below that feed one. The answer is in `graph`. */
export interface GraphOpen {
  type: "graph.open";
  /** The concept's node of the tree. */
  node: number;
}

/** Find the concepts that feed a node of the graph. The answer is in `graph`. */
export interface GraphFollow {
  type: "graph.follow";
  /** Its place in `meta.nodes`. */
  node: number;
}

/** Open the split that a node of the graph comes from. */
export interface GraphSplit {
  type: "graph.split";
  /** Its place in `meta.nodes`; `None`: close the split. */
  node: number | null;
}

/** Close the graph, and the split that it has opened. */
export interface GraphClose {
  type: "graph.close";
}

/** A concept in the graph. */
export interface GraphNode {
  /** Its layer's place in `meta.layers`. */
  layer: number;
  /** Its neuron; `None`: a direction. */
  neuron: number | null;
  /** Its place in the split; -1: the neuron has no concepts. */
  concept: number;
  /** Its name. */
  name: string;
  /** Its CSS colour in its own split. */
  color: string;
  /** Its samples. */
  size: number;
  /** Where it stands in its layer, 0 to 1, so that few edges cross. */
  place: number;
  /** What it carries of the first node, 0 to 1. */
  strength: number;
  /** Keywords of its texts; `None`: not known yet. */
  words: string[] | null;
  /** The beginning of its strongest text; empty without texts. */
  text: string;
  /** Dataset indices of its strongest samples. */
  samples: number[];
  /** Whether what feeds it can be found: a layer is below. */
  follow: boolean;
}

/** An edge of the graph. */
export interface GraphEdge {
  /** The place of the lower node. */
  source: number;
  /** The place of the upper node. */
  target: number;
  /**
   * What the source adds to the target's activation, over the sum of absolute values of all edges
   * of the target: -1 to 1.
   */
  weight: number;
  /** The share of the target's samples that are in the source. */
  samples: number;
}

/** What the neurons of a node's edges do, beside as many random ones. */
export interface GraphFinding {
  /** Whose edges were found: its place in `meta.nodes`. */
  node: number;
  /** A sentence. */
  text: string;
  /** How many neurons its edges come from. */
  core: number;
  /** The share of its samples that stay the strongest without these. */
  without: number;
  /** The same without as many random neurons. */
  random: number;
  /** Whether these neurons do no more than random ones. */
  chance: boolean;
}

/** The metadata of `graph`. */
export interface GraphMeta {
  /** What the samples are. */
  kind: SampleKind;
  /** The layout of `atlas`. */
  tile?: Tile;
  /** The segments of each text; joined, they are the text. */
  segments?: string[][];
  /** How many elements of `value` each text has; 0: not read. */
  values?: number[];
  /** The segment of each text's peak token; -1: none. */
  peaks?: number[];
  /** Whether each text is a part of a longer one. */
  cut?: boolean[];
  /** The node of the tree whose concept is first. */
  root: number;
  /** The names of the layers, from top to bottom. */
  layers: string[];
  /** The first is the one that was asked for. */
  nodes: GraphNode[];
  /** Those of one target, the strongest first. */
  edges: GraphEdge[];
  /** One for each node whose edges were found. */
  findings: GraphFinding[];
  /** Python lines that make it. */
  code: string;
}
