/**
 * What the kernel and the views send each other: `browser`.
 *
 * Generated from `neuronwidgets/widgets/protocol` by
 * `python -m neuronwidgets.widgets.protocol.generate`. Do not edit.
 */

import type { JobCancel, Status, ViewsCount } from "./base";
import type { Dtype } from "./dtypes";
import type { PinnedName } from "./library";
import type { CaptureCancel, CaptureProgress, Nothing } from "./reading";

export type Limits = [low: number | null, high: number | null];

export type SearchKind = "name" | "text" | "samples" | "contrast" | "promoted";

/** The column that orders the table. */
export interface Sorting {
  /** The name of a column, "neuron", "concepts", "match" or "promotes". */
  column: string;
  descending: boolean;
}

/** What was searched for. */
export interface Search {
  /**
   * "name": a label or word of the samples. "text": neurons that fire for a typed text. "samples":
   * neurons that fire for these samples. "contrast": neurons that tell `these` from `those`.
   * "promoted": neurons that promote a token or class.
   */
  kind: SearchKind;
  /** What was typed; "" for samples. */
  text: string;
  /** Rows of the activations. */
  these: number[];
  /** Of those to compare with; empty: all others. */
  those: number[];
}

/** The empty object: nothing was searched for. */
export type NoSearch = Record<string, never>;

/** The synced traits of NeuronBrowser. */
export interface NeuronBrowserTraits {
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
  /** The chosen neuron. */
  neuron: number | null;
  /** The selected neurons. */
  neurons: number[];
  /** Rows of the activations: the selected samples. */
  selection: number[];
  /** Rows of the activations: the samples under the pointer, else those selected. */
  lit: number[];
  /** The pinned neurons, in the order of pinning. */
  pinned: number[];
  /** Notes of the user: neuron to text. */
  notes: Record<string, string>;
  /** The height of every cut, on the common scale of `trees`; -1: each tree's own. */
  threshold: number;
  sorting: Sorting;
  /** Column to limits; `None`: no limit. */
  filters: Record<string, Limits>;
  /** The search whose result the column `match` holds. */
  searched: Search | NoSearch;
  /** The concepts of the library; empty without one. */
  _library: PinnedName[];
  /** The message `table`. */
  _table: DataView;
  /** The message `trees`; empty before any tree is there. */
  _trees: DataView;
  /** The message `map`; empty before the layer is read. */
  _map: DataView;
  /** The message `match`; empty without a search. */
  _match: DataView;
  /** The message `promoted`; empty where it is not known. */
  _promoted: DataView;
  /** The message `previews`. */
  _previews: DataView;
  /** The message `peaks`; empty where no text was read. */
  _peaks: DataView;
}

/** Search, and sort by the result. */
export interface SearchRequest {
  type: "search.request";
  kind: SearchKind;
  text: string;
  these: number[];
  those: number[];
}

/** Drop the search and its column. */
export interface SearchClear {
  type: "search.clear";
}

/** Send previews of samples that the view shows and does not hold yet. */
export interface PreviewsRequest {
  type: "previews.request";
  /** Rows of the activations, at most 512. */
  samples: number[];
}

/** Add a concept to the library, as the present cut has it. */
export interface LibraryPin {
  type: "library.pin";
  neuron: number;
  /** Its number, from 0, from left to right in the tree. */
  concept: number;
  /** How many samples it has on the screen. */
  size: number;
  /** The name that the user typed; empty: its own. */
  name: string;
}

/** What rows in view lack comes before that of others: peak tokens, late scores. */
export interface RowsRequest {
  type: "rows.request";
  /** The neurons in view, at most 512, from top to bottom. */
  neurons: number[];
}

/** A column of scores. */
export interface BrowserColumn {
  /** The column of the registry of scores. */
  name: string;
  /** The heading. */
  title: string;
  /** The range, what a higher value means, and the source. */
  about: string;
  /** Whether it is shown at first. */
  main: boolean;
  /** Whether it is computed after the others: see `unscored`. */
  late: boolean;
}

/** The metadata of `table`. */
export interface TableMeta {
  /** The layer's name. */
  layer: string;
  /** Samples of the dataset. */
  samples: number;
  /** How many neurons are split so far; the others have NaN scores. */
  split: number;
  /** The scores, in the order of `score`'s rows. */
  columns: BrowserColumn[];
  /** For each neuron the names of its concepts; empty: none. */
  words: string[];
  /** The names of the label codes; empty without labels. */
  labels: string[];
  /**
   * The label codes that have a colour, in the order of the palette: of more than 12 those that
   * most samples of the dataset have. The others are grey.
   */
  colored: number[];
}

/** The metadata of `trees`. */
export interface TreesMeta {
  /** The height that 65,535 in `height` stands for. */
  scale: number;
  /** What the heights measure, in words. */
  unit: string;
  /** Clusters of fewer samples are no concepts. */
  minSize: number;
  /** A threshold that suits the layer: the median of its trees' own. */
  suggested: number;
  /** The names of the label codes; empty without labels. */
  labels: string[];
}

/** The metadata of `map`. */
export interface MapMeta {
  /** Cells in a row. */
  columns: number;
  /** Rows of cells. */
  rows: number;
  /** The share of top samples that neighbours have in common, mean. */
  shared: number;
  /** The same for pairs of cells drawn at random. */
  chance: number;
}

/** The metadata of `match`. */
export interface MatchMeta {
  /** The heading of the column. */
  title: string;
  /** What the numbers are, and what chance gives. */
  about: string;
  /** A sentence on the result, such as that nothing was found. */
  note: string;
  /** Of a "text" search the tokens; else empty. */
  segments: string[];
}

/** The metadata of `promoted`. */
export interface PromotedMeta {
  /** How effects are read: along the linear way to the output, or by mean gradients. */
  lens: "logit" | "jacobian";
  /** Samples of the mean gradients; 0 for the logit lens. */
  samples: number;
  /** Why nothing is known, a sentence; "" if something is. */
  note: string;
  /** What the outputs are. */
  kind: "token" | "class";
  /** The outputs that `output` refers to. */
  names: string[];
  /** The strongest effect that 95% of random directions do not exceed. */
  high: number;
  /**
   * Whether activations take both signs, so that one below zero promotes what the neuron demotes.
   */
  poles: boolean;
}

/** What a view of NeuronBrowser may ask of the kernel. */
export type NeuronBrowserRequest =
  | SearchRequest
  | SearchClear
  | PreviewsRequest
  | RowsRequest
  | LibraryPin
  | CaptureCancel
  | JobCancel
  | ViewsCount;

/** The arrays of the message `table`, the trait `_table` of NeuronBrowser. */
export interface TableArrays {
  /** `(N,)`. The neurons' numbers, ascending. */
  neuron: Int32Array;
  /**
   * `(N, B)`. Samples in equal bins from `least` to `largest`: the square root of the share of the
   * fullest bin, times 255.
   */
  histogram: Uint8Array;
  /** `(N,)`. The smallest activation. */
  least: Float32Array;
  /** `(N,)`. The largest activation. */
  largest: Float32Array;
  /** `(N, T)`. Rows of the activations: the top samples; -1: fewer. */
  top: Int32Array;
  /** `(N,)`. Concepts at the tree's own cut; -1: not split yet. */
  concepts: Int32Array;
  /** `(C, N)`. The scores; NaN: not known. */
  score: Float32Array;
  /** `(N,)`. 1: the neuron's late scores are not computed yet. */
  unscored?: Uint8Array;
}

/** The dtypes of the arrays of `table`. */
export const TABLE: Record<keyof TableArrays, Dtype> = {
  neuron: "I32",
  histogram: "U8",
  least: "F32",
  largest: "F32",
  top: "I32",
  concepts: "I32",
  score: "F32",
  unscored: "U8",
};

/** The arrays of the message `trees`, the trait `_trees` of NeuronBrowser. */
export interface TreesArrays {
  /** `(M,)`. The neurons' numbers. */
  neuron: Int32Array;
  /** `(M,)`. How many top samples each has; the rest is filling. */
  tops: Int32Array;
  /**
   * `(M, n - 1, 2)`. The nodes that each merge joins, in order of height: leaves from 0, merges
   * from `n` (for neurons with fewer top samples from `tops`).
   */
  child: Uint16Array;
  /** `(M, n - 1)`. Heights, in steps of `scale / 65535`. */
  height: Uint16Array;
  /** `(M,)`. The height of each tree's own cut, on the same scale. */
  own: Float32Array;
  /** `(M, n)`. Rows of the activations: the top samples; -1: filling. */
  sample: Int32Array;
  /** `(M, n)`. Their label codes; -1: none. */
  label?: Int16Array;
}

/** The dtypes of the arrays of `trees`. */
export const TREES: Record<keyof TreesArrays, Dtype> = {
  neuron: "I32",
  tops: "I32",
  child: "U16",
  height: "U16",
  own: "F32",
  sample: "I32",
  label: "I16",
};

/** The arrays of the message `map`, the trait `_map` of NeuronBrowser. */
export interface MapArrays {
  /** `(N,)`. The column of each neuron's cell, in `table`'s order. */
  column: Int16Array;
  /** `(N,)`. Its row. */
  row: Int16Array;
}

/** The dtypes of the arrays of `map`. */
export const MAP: Record<keyof MapArrays, Dtype> = {
  column: "I16",
  row: "I16",
};

/** The arrays of the message `match`, the trait `_match` of NeuronBrowser. */
export interface MatchArrays {
  /** `(N,)`. The match of each neuron, in `table`'s order. */
  value: Float32Array;
  /** `(N,)`. Its q value. */
  q?: Float32Array;
  /** `(N,)`. The token that the neuron fires for most. */
  token?: Int32Array;
}

/** The dtypes of the arrays of `match`. */
export const MATCH: Record<keyof MatchArrays, Dtype> = {
  value: "F32",
  q: "F32",
  token: "I32",
};

/** The arrays of the message `previews`, the trait `_previews` of NeuronBrowser. */
export interface PreviewsArrays {
  /** `(F,)`. Dataset index of each sample that has a preview. */
  face: Int32Array;
  /** `(B,)`. A PNG or JPEG file of square tiles, row by row. */
  atlas?: Uint8Array;
  /** `(V,)`. Activation of each segment, text after text. */
  value?: Float32Array;
}

/** The dtypes of the arrays of `previews`. */
export const PREVIEWS: Record<keyof PreviewsArrays, Dtype> = {
  face: "I32",
  atlas: "U8",
  value: "F32",
};

/** The arrays of the message `peaks`, the trait `_peaks` of NeuronBrowser. */
export interface PeaksArrays {
  /** `(F,)`. The neuron whose activation each text shows. */
  neuron: Int32Array;
  /** `(F,)`. Dataset index of each sample that has a preview. */
  face: Int32Array;
  /** `(B,)`. A PNG or JPEG file of square tiles, row by row. */
  atlas?: Uint8Array;
  /** `(V,)`. Activation of each segment, text after text. */
  value?: Float32Array;
}

/** The dtypes of the arrays of `peaks`. */
export const PEAKS: Record<keyof PeaksArrays, Dtype> = {
  neuron: "I32",
  face: "I32",
  atlas: "U8",
  value: "F32",
};

/** The arrays of the message `promoted`, the trait `_promoted` of NeuronBrowser. */
export interface PromotedArrays {
  /**
   * `(N, 2, k)`. Places in `names`: the most promoted first, then the most demoted first; -1: not
   * known yet, or fewer. In `table`'s order.
   */
  output: Int32Array;
  /**
   * `(N, 2, k)`. Changes of logits by one unit of activation, less their mean over all outputs;
   * NaN: not known.
   */
  effect: Float32Array;
}

/** The dtypes of the arrays of `promoted`. */
export const PROMOTED: Record<keyof PromotedArrays, Dtype> = {
  output: "I32",
  effect: "F32",
};
