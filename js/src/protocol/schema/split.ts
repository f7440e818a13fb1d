/**
 * What the kernel and the views send each other: `split`.
 *
 * Generated from `neuronwidgets/widgets/protocol` by
 * `python -m neuronwidgets.widgets.protocol.generate`. Do not edit.
 */

import type { JobCancel, Status, ViewsCount } from "./base";
import type { Dtype } from "./dtypes";
import type { CausesMeasure, CausesMeta, EffectsMeta } from "./effects";
import type { GraphClose, GraphFollow, GraphOpen, GraphSplit } from "./graph";
import type { ConceptKeep, PinnedName } from "./library";
import type { SampleKind, Tile } from "./previews";
import type { CaptureCancel, CaptureProgress, Nothing } from "./reading";
import type { AgreementMeta, BandMeta, HalvesOfCut, NeuronScore, SuggestedCut } from "./scores";
import type { By, SamplesSpread, SplitRequest, TextRead } from "./split_requests";

/** The synced traits of SplitExplorer. */
export interface SplitExplorerTraits {
  /** What the kernel is doing. */
  status: Status;
  /** The version of the picture: counts what was put on the screen. */
  _version: number;
  /** The version that the view saw when it last set a trait. */
  _view_version: number;
  /** The widget's identity, by which a page counts its views. */
  _key: string;
  /** The arguments it was opened with, as code, but for those in traits. */
  _given: string;
  /** The model with its code: "IPY_MODEL_" and its id. */
  _front: string | null;
  /** The capture's progress; empty without one. */
  reading: CaptureProgress | Nothing;
  /** Whether the user holds something in a view. */
  _held: boolean;
  /** The neuron that is split; `None` for a direction. */
  neuron: number | null;
  /** How many top-activating samples are split. */
  top: number;
  /** The clustering method. */
  method: string;
  /** How distances are measured. */
  metric: string;
  /** The quantiles of the activation between which the samples lie; `None`: the top. */
  band: number[] | null;
  /** How concepts retrieve samples. */
  by: By;
  /** The height of the cut; lower is finer. */
  threshold: number;
  /** Whether membership is that of k-means instead of the tree's. */
  refined: boolean;
  /** Dataset indices of the selected samples. */
  selection: number[];
  /** Rows of the activations: the samples under the pointer, else those selected. */
  lit: number[];
  /** Names given by the user: tree node to name. */
  names: Record<string, string>;
  /** The concepts of the library; empty without one. */
  _library: PinnedName[];
  /** The methods that can be chosen. */
  _methods: string[];
  /** Suggested cuts, those with fewest concepts first. */
  _suggestions: SuggestedCut[];
  /** Scores of the neuron; empty before they are computed. */
  _scores: NeuronScore[];
  /** The message `tree`. */
  _tree: DataView;
  /** The message `evidence`. */
  _evidence: DataView;
  /** The message `refinement`; empty without k-means. */
  _refinement: DataView;
  /** The message `sae`; empty without features of an autoencoder. */
  _sae: DataView;
  /** The message `graph`; empty while none is open. */
  _graph: DataView;
  /** The layer whose concepts feed those of the split; empty: none can. */
  _below: string;
  /** The explorer of a node of the graph, `IPY_MODEL_` and id. */
  _node_split: string | null;
  /** Whose explorer it is: a place in `graph`'s `meta.nodes`. */
  _split_node: number | null;
}

/** The metadata of `evidence`. */
export interface EvidenceMeta {
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
  /** Keywords of each node's texts; `None`: not computed yet. */
  words: (string[] | null)[];
  /** Absent without a model. */
  effects?: EffectsMeta;
  /** Absent of top samples, and before it is computed. */
  band?: BandMeta;
  /** Absent without a model. */
  causes?: CausesMeta;
  /** With the default split. Absent of it, and before it is computed. */
  agreement?: AgreementMeta;
  /** Of the cuts that were on the screen. Absent: of none. */
  halves?: HalvesOfCut[];
}

/** The metadata of `refinement`. */
export interface RefinementMeta {
  /** The height of the cut that it refines. */
  threshold: number;
}

/** What a view of SplitExplorer may ask of the kernel. */
export type SplitExplorerRequest =
  | SplitRequest
  | SamplesSpread
  | TextRead
  | CausesMeasure
  | ConceptKeep
  | GraphOpen
  | GraphFollow
  | GraphSplit
  | GraphClose
  | JobCancel
  | CaptureCancel
  | ViewsCount;

/** The arrays of the message `tree`, the trait `_tree` of SplitExplorer. */
export interface TreeArrays {
  /** `(n - 1, 2)`. The children of each merge, the larger first. */
  merge: Int32Array;
  /** `(n - 1,)`. The height of each merge. */
  height: Float64Array;
  /** `(n,)`. The dataset index of each sample. */
  row: Int32Array;
  /** `(n,)`. The neuron's activation on each sample. */
  activation: Float32Array;
  /** `(n,)`. The class label of each sample in `meta.labels`; -1: none. */
  label?: Int32Array;
  /** `(n,)`. The token of each sample in `meta.tokens`; -1: none. */
  token?: Int32Array;
  /** `(n,)`. The text or image that each sample is of, from 0. */
  source?: Int32Array;
  /** `(n, 2)`. The samples in the plane. */
  map: Float32Array;
  /** `(2 * n - 1,)`. Palette slot of each node; -1: too small to be a concept. */
  color: Int16Array;
  /** `(b,)`. Samples in each of `b` equal steps from the least to the largest activation. */
  histogram?: Int32Array;
  /** `(p,)`. The nodes of `truth`. */
  truth_node?: Int32Array;
  /** `(p, d)`. Cosines of the nodes' vectors with `meta.truth.names`. */
  truth?: Float64Array;
  /** `(F,)`. Dataset index of each sample that has a preview. */
  face: Int32Array;
  /** `(B,)`. A PNG or JPEG file of square tiles, row by row. */
  atlas?: Uint8Array;
  /** `(V,)`. Activation of each segment, text after text. */
  value?: Float32Array;
}

/** The dtypes of the arrays of `tree`. */
export const TREE: Record<keyof TreeArrays, Dtype> = {
  merge: "I32",
  height: "F64",
  row: "I32",
  activation: "F32",
  label: "I32",
  token: "I32",
  source: "I32",
  map: "F32",
  color: "I16",
  histogram: "I32",
  truth_node: "I32",
  truth: "F64",
  face: "I32",
  atlas: "U8",
  value: "F32",
};

/** The arrays of the message `evidence`, the trait `_evidence` of SplitExplorer. */
export interface EvidenceArrays {
  /** `(m,)`. The tree nodes that were looked up. */
  node: Int32Array;
  /** `(R, m, f)`. Dataset indices that each retrieves, best first, by each reading. */
  retrieved: Int32Array;
  /** `(R, m, f)`. Their class labels; -1: none. */
  retrieved_label: Int32Array;
  /** `(R, m, f)`. The neuron's activation on each. */
  retrieved_activation?: Float32Array;
  /**
   * `(R, m)`. Of the samples outside of each that it retrieves first (of tokens: one of each other
   * text), the share with its label, which more than half of its own samples carry; NaN: no such
   * label, or no such samples.
   */
  precision?: Float32Array;
  /** `(m,)`. How many samples these are. */
  precision_of?: Int32Array;
  /**
   * `(R, m)`. Where the retrieved samples stand among all activations of the neuron: the median, 0
   * to 100.
   */
  percentile: Float32Array;
  /** `(m,)`. Cosine of each concept vector with the neuron's axis. */
  cosine: Float32Array;
  /**
   * `(m,)`. The share of random halves of the samples in which the node is a cluster again; NaN:
   * not known.
   */
  recurs: Float32Array;
  /** `(g,)`. Samples in a random group. */
  chance_size?: Int32Array;
  /** `(l,)`. The class labels. */
  chance_label?: Int32Array;
  /**
   * `(R, g, l)`. The mean share of the label in what such groups that have it themselves (of a
   * label that few have, any) retrieve outside of themselves, as `precision`; NaN: no sample
   * outside carries it.
   */
  chance?: Float32Array;
  /** `(R, g, l)`. The share that 95% of such groups do not exceed. */
  chance_high?: Float32Array;
  /** `(s,)`. The tree nodes; -1: the neuron itself. */
  spread_node?: Int32Array;
  /**
   * `(s, w)`. Dataset indices: evenly spaced quantiles of the activations of the selected samples,
   * largest first; -1: there are no more.
   */
  spread?: Int32Array;
  /** `(s, w)`. The neuron's activation on each. */
  spread_activation?: Float32Array;
  /** `(s, w)`. Their class labels; -1: none. */
  spread_label?: Int32Array;
  /** `(s,)`. How many samples each selects. */
  spread_selected?: Int32Array;
  /** `(e,)`. The tree nodes; -1: the neuron itself; -2 and below: the k-means concepts in order. */
  effect_node?: Int32Array;
  /**
   * `(e, 2, o)`. Places in `meta.effects.names`: the most promoted first, then the most demoted
   * first.
   */
  effect_output?: Int32Array;
  /**
   * `(e, 2, o)`. The change of each logit by one unit of the vector, less the mean over all
   * outputs.
   */
  effect?: Float32Array;
  /** `(e,)`. Cosine of the effects from two halves of the samples; NaN: unknown. */
  effect_agreement?: Float32Array;
  /**
   * `(e,)`. The largest difference of an effect from that of all top samples, as a multiple of what
   * 95% of random groups of the top samples reach at most; NaN: not compared.
   */
  effect_apart?: Float32Array;
  /** `(c,)`. The tree nodes. */
  band_node?: Int32Array;
  /** `(c,)`. The largest cosine with a concept of the top samples; -1: they have none. */
  band_cosine?: Float32Array;
  /** `(c,)`. The share of random groups of the band whose cosine is below `meta.band.limit`. */
  band_chance?: Float32Array;
  /**
   * `(u, 3, 3, 3)`. Nats that are lost without the concept, the whole neuron, a random direction;
   * by the concept's own, its siblings' and other samples; value and 95% interval. NaN: unknown.
   */
  cause?: Float32Array;
  /** `(u, 3)`. What own samples lose more than without random directions. */
  cause_above?: Float32Array;
  /** `(u, 3)`. What own samples lose more than siblings'. */
  cause_selectivity?: Float32Array;
  /** `(v, 3)`. Each cut's mean selectivity, less that of random directions. */
  cause_gain?: Float32Array;
  /** `(F,)`. Dataset index of each sample that has a preview. */
  face: Int32Array;
  /** `(B,)`. A PNG or JPEG file of square tiles, row by row. */
  atlas?: Uint8Array;
  /** `(V,)`. Activation of each segment, text after text. */
  value?: Float32Array;
}

/** The dtypes of the arrays of `evidence`. */
export const EVIDENCE: Record<keyof EvidenceArrays, Dtype> = {
  node: "I32",
  retrieved: "I32",
  retrieved_label: "I32",
  retrieved_activation: "F32",
  precision: "F32",
  precision_of: "I32",
  percentile: "F32",
  cosine: "F32",
  recurs: "F32",
  chance_size: "I32",
  chance_label: "I32",
  chance: "F32",
  chance_high: "F32",
  spread_node: "I32",
  spread: "I32",
  spread_activation: "F32",
  spread_label: "I32",
  spread_selected: "I32",
  effect_node: "I32",
  effect_output: "I32",
  effect: "F32",
  effect_agreement: "F32",
  effect_apart: "F32",
  band_node: "I32",
  band_cosine: "F32",
  band_chance: "F32",
  cause: "F32",
  cause_above: "F32",
  cause_selectivity: "F32",
  cause_gain: "F32",
  face: "I32",
  atlas: "U8",
  value: "F32",
};

/** The arrays of the message `refinement`, the trait `_refinement` of SplitExplorer. */
export interface RefinementArrays {
  /** `(n,)`. The concept of each sample; -1: none. */
  concept: Int32Array;
  /** `(n,)`. 0 as in the tree, 1 reassigned, 2 outlier. */
  mark: Int8Array;
  /** `(m,)`. The tree node that each concept matches; -1: none. */
  node: Int32Array;
  /** `(m, d)`. Cosines of the concept vectors with the true features. */
  truth?: Float64Array;
  /** `(R, m, f)`. Dataset indices that each retrieves, best first, by each reading. */
  retrieved: Int32Array;
  /** `(R, m, f)`. Their class labels; -1: none. */
  retrieved_label: Int32Array;
  /** `(R, m, f)`. The neuron's activation on each. */
  retrieved_activation?: Float32Array;
  /**
   * `(R, m)`. Of the samples outside of each that it retrieves first (of tokens: one of each other
   * text), the share with its label, which more than half of its own samples carry; NaN: no such
   * label, or no such samples.
   */
  precision?: Float32Array;
  /** `(m,)`. How many samples these are. */
  precision_of?: Int32Array;
  /**
   * `(R, m)`. Where the retrieved samples stand among all activations of the neuron: the median, 0
   * to 100.
   */
  percentile: Float32Array;
  /** `(m,)`. Cosine of each concept vector with the neuron's axis. */
  cosine: Float32Array;
}

/** The dtypes of the arrays of `refinement`. */
export const REFINEMENT: Record<keyof RefinementArrays, Dtype> = {
  concept: "I32",
  mark: "I8",
  node: "I32",
  truth: "F64",
  retrieved: "I32",
  retrieved_label: "I32",
  retrieved_activation: "F32",
  precision: "F32",
  precision_of: "I32",
  percentile: "F32",
  cosine: "F32",
};

/** The arrays of the message `graph`, the trait `_graph` of SplitExplorer. */
export interface GraphArrays {
  /** `(F,)`. Dataset index of each sample that has a preview. */
  face: Int32Array;
  /** `(B,)`. A PNG or JPEG file of square tiles, row by row. */
  atlas?: Uint8Array;
  /** `(V,)`. Activation of each segment, text after text. */
  value?: Float32Array;
}

/** The dtypes of the arrays of `graph`. */
export const GRAPH: Record<keyof GraphArrays, Dtype> = {
  face: "I32",
  atlas: "U8",
  value: "F32",
};
