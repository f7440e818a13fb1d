/**
 * What the kernel and the views send each other: `tree`.
 *
 * Generated from `neuronwidgets/widgets/protocol` by
 * `python -m neuronwidgets.widgets.protocol.generate`. Do not edit.
 */

import type { SampleKind, Tile } from "./previews";
import type { TruthMeta } from "./scores";

export type Span = [low: number, high: number];

/** The metadata of `tree`. */
export interface TreeMeta {
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
  /** The name of the layer. */
  layer: string;
  /** The neuron or direction, in words. */
  name: string;
  /** The width of the layer. */
  neurons: number;
  /** Samples in the data set. */
  samples: number;
  /** The clustering method. */
  method: string;
  /** How distances are measured. */
  metric: string;
  /** The least number of samples of a concept. */
  minSize: number;
  /** Titles of the class labels; empty without labels. */
  labels: string[];
  /** The least and the largest activation in the data set. */
  range: Span;
  /** The default threshold. */
  suggested: number;
  /** The CSS colours that `color` refers to. */
  palette: string[];
  /** Whether the samples are texts, which keywords can describe. */
  words: boolean;
  /** True where tree and map are not of the layer's own vectors. */
  elsewhere?: boolean;
  /** Why the concepts should not be trusted. Absent: they may be. */
  doubt?: string;
  /** The tokens that `token` refers to. Absent without `token`. */
  tokens?: string[];
  /** Absent where no true features are known. */
  truth?: TruthMeta;
}
