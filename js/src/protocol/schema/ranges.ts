/**
 * What the kernel and the views send each other: `ranges`.
 *
 * Generated from `neuronwidgets/widgets/protocol` by
 * `python -m neuronwidgets.widgets.protocol.generate`. Do not edit.
 */

import type { JobCancel, Status, ViewsCount } from "./base";
import type { Dtype } from "./dtypes";
import type { SampleKind, Tile } from "./previews";
import type { CaptureCancel, CaptureProgress, Nothing } from "./reading";

export type Rule = "gaussian" | "quantile" | "discriminative";

export type ClassKind = "label" | "concept";

export type Bar = [value: number | null, low: number | null, high: number | null];

/** What the kernel can do with the models and data it was given. */
export interface Capabilities {
  /** Measure what a mask costs the model. */
  measure: boolean;
  /** Measure perplexity on texts, too. */
  perplexity: boolean;
  /** Complete a prompt. */
  complete: boolean;
}

/** The traits that a measurement was made for, each by its name. */
export interface MaskSetting {
  neuron: number;
  label: number;
  tau: number;
  rule: Rule;
  edges: (number | null)[];
  top: number;
  this_neuron_only: boolean;
}

/** A quantity under each mask, with its 95% bootstrap interval; `None`: not known. */
export interface Bars {
  /** No mask. */
  base: Bar;
  /** The range mask. */
  range: Bar;
  /** The neuron mask. */
  neuron: Bar;
}

/**
 * What a mask changes: a quantity's difference to no mask, with its 95% bootstrap interval over
 * the same samples; `None`: not known.
 */
export interface Changes {
  /** The range mask. */
  range: Bar;
  /** The neuron mask. */
  neuron: Bar;
}

/**
 * The control of a range mask: the mean over masks of the same neurons, in bands at random
 * places that hold as many samples. Each with its 95% bootstrap interval for the places drawn;
 * `None`: not known.
 */
export interface RandomBands {
  /** How many masks were measured. */
  draws: number;
  /** Accuracy on samples of the class. */
  target: Bar;
  /** Accuracy on all other samples. */
  other: Bar;
  /** Change of the mean log-probability of the right class, on samples of the class. */
  target_nats: Bar;
  /** The same on all other samples. */
  other_nats: Bar;
  /** Perplexity on texts; not known without texts. */
  perplexity: Bar;
}

/** What the masks cost the model, as far as it was measured. */
export interface Measure {
  /** The traits that are being measured. */
  for: MaskSetting;
  /** Accuracy on samples of the class. */
  target: Bars;
  /** Accuracy on all other samples. */
  other: Bars;
  /** Change of that accuracy on samples of the class. */
  target_change: Changes;
  /** Change of that accuracy on all other samples. */
  other_change: Changes;
  /** Change of the mean log-probability of the right class, on samples of the class. */
  target_nats: Changes;
  /** The same on all other samples. */
  other_nats: Changes;
  /** What the bars hide, in sentences; empty before the end. */
  findings: string[];
  /** Held-out samples measured so far. */
  samples: number;
  /** Held-out samples in all; at least `samples`. */
  of: number;
  /** Why whole forward passes are made; empty where they are not. */
  note: string;
  /** Perplexity on texts. Absent without texts, or before the end. */
  perplexity?: Bars;
  /** The control. Absent before it is measured. */
  random?: RandomBands;
  /** The same as `for` when the measurement is complete. */
  done?: MaskSetting;
}

/** The traits that a curve is for, each by its name. */
export interface CurveSetting {
  /** The neuron, if a mask edits this neuron only. */
  neuron: number | null;
  label: number;
  rule: Rule;
  top: number;
  this_neuron_only: boolean;
}

/** What the rule's range mask costs at each width, `None` where there are no samples. */
export interface Curve {
  /** The traits that the widths are measured for. */
  for: CurveSetting;
  /** The widths that have been measured, ascending. */
  tau: number[];
  /** How many widths are measured in all. */
  of: number;
  /** Accuracy on samples of the class at each width. */
  target: (number | null)[];
  /** Accuracy on all other samples. */
  other: (number | null)[];
  /** Change of the mean log-probability of the right class, on samples of the class. */
  target_nats: (number | null)[];
  /** The same on all other samples. */
  other_nats: (number | null)[];
}

/** What the language model writes after a prompt. */
export interface Completions {
  prompt: string;
  /** The class whose range is masked. */
  label: number;
  /** The text without a mask. */
  base: string;
  /** The text under the range mask. */
  range: string;
  /** The text under the neuron mask. */
  neuron: string;
  /** Whether the texts are complete. */
  done: boolean;
}

/** The synced traits of RangeExplorer. */
export interface RangeExplorerTraits {
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
  /** The neuron on the screen. */
  neuron: number;
  /** The class whose range is shown. */
  label: number;
  /** The width of the range in standard deviations, 0 to 4. */
  tau: number;
  /** How the range follows from the class. */
  rule: Rule;
  /**
   * The user's own band on this neuron, `[low, high, low, high, ...]`; `None`: an open end. Every
   * masked neuron has it at the same z-scores of the class. Empty: the rule's range.
   */
  edges: (number | null)[];
  /** The share of the class's salient neurons that a mask edits. */
  top: number;
  /** Whether a mask edits this neuron only. */
  this_neuron_only: boolean;
  /** Dataset indices of the selected samples. */
  selection: number[];
  /** Rows of the activations: samples that another widget lights. */
  lit: number[];
  /** For each lit sample that has a class: the activation and the class. */
  _lit_dots: number[][];
  /** What the kernel can do. */
  capabilities: Capabilities;
  /** What the masks cost; empty before it is measured. */
  measure: Measure | Nothing;
  /** The cost at every width; empty before it is measured. */
  curve: Curve | Nothing;
  /** The prompt to complete; empty without one. */
  prompt: string;
  /** The completions; empty without a prompt. */
  completions: Completions | Nothing;
  /** The message `ranges`. */
  _picture: DataView;
  /** The message `examples`. */
  _examples: DataView;
}

/** Show another neuron. */
export interface NeuronRequest {
  type: "neuron.request";
  neuron: number;
}

/** Complete a prompt. */
export interface PromptRequest {
  type: "prompt.request";
  prompt: string;
}

/** The metadata of `ranges`. */
export interface RangesMeta {
  /** The name of the layer. */
  layer: string;
  /** The neuron, in words. */
  name: string;
  /** The width of the layer. */
  neurons: number;
  /** Labelled samples in the data set. */
  samples: number;
  /** The title of each class. */
  labels: string[];
  /** Samples of each class; a large class sends only some of them. */
  count: number[];
  /** The CSS colour of each class, or one for all. */
  colors: string[];
  /** The normal scores of `quantile`, ascending. */
  scores: number[];
  /** Why each class has no range; empty where it has one. */
  why: string[];
  /** The neuron that is most salient for each class. */
  salient: number[];
  /** What the classes are. */
  what: ClassKind;
  /** The pooling of a sample; empty if it is not known. */
  pooling: string;
}

/** The metadata of `examples`. */
export interface ExamplesMeta {
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
}

/** What a view of RangeExplorer may ask of the kernel. */
export type RangeExplorerRequest =
  | NeuronRequest
  | PromptRequest
  | JobCancel
  | CaptureCancel
  | ViewsCount;

/** The arrays of the message `ranges`, the trait `_picture` of RangeExplorer. */
export interface RangesArrays {
  /** `(N,)`. Class after class, ascending in each. */
  activation: Float32Array;
  /** `(C + 1,)`. Where each class begins in `activation`. */
  start: Int32Array;
  /** `(C,)`. The mean of each class. */
  mean: Float64Array;
  /** `(C,)`. The standard deviation of each class. */
  std: Float64Array;
  /** `(C, L)`. Quantiles of each class at `meta.scores`; the ends are the extremes. */
  quantile: Float64Array;
  /** `(B + 1,)`. Edges of the bins; values beyond are in the end bins. */
  edges: Float64Array;
  /** `(C, B)`. Root of the smoothed share of each class in each bin; 255: the class's largest. */
  density: Uint8Array;
  /**
   * `(C, B)`. The narrowest discriminative range that holds the bin, in hundredths of tau; 401:
   * none.
   */
  first: Uint16Array;
  /**
   * `(C, 81)`. How dense a discriminative range is at least relative to the mean of the other
   * classes, for each 0.05 of tau: 40 log10(ratio) + 120.
   */
  bar: Uint8Array;
  /** `(C,)`. How salient the neuron is for each class; 1: most. */
  rank: Int32Array;
}

/** The dtypes of the arrays of `ranges`. */
export const RANGES: Record<keyof RangesArrays, Dtype> = {
  activation: "F32",
  start: "I32",
  mean: "F64",
  std: "F64",
  quantile: "F64",
  edges: "F64",
  density: "U8",
  first: "U16",
  bar: "U8",
  rank: "I32",
};

/** The arrays of the message `examples`, the trait `_examples` of RangeExplorer. */
export interface ExamplesArrays {
  /** `(E,)`. The neuron's activation on each sample. */
  face_value: Float32Array;
  /** `(E,)`. The class of each sample. */
  face_label: Int32Array;
  /** `(F,)`. Dataset index of each sample that has a preview. */
  face: Int32Array;
  /** `(B,)`. A PNG or JPEG file of square tiles, row by row. */
  atlas?: Uint8Array;
  /** `(V,)`. Activation of each segment, text after text. */
  value?: Float32Array;
}

/** The dtypes of the arrays of `examples`. */
export const EXAMPLES: Record<keyof ExamplesArrays, Dtype> = {
  face_value: "F32",
  face_label: "I32",
  face: "I32",
  atlas: "U8",
  value: "F32",
};
