/** The messages of RangeExplorer: one neuron's activations, class by class, and examples of them. */
import { type Faces, facesOf } from "./faces";
import { unpack } from "./safetensors";

export interface RangesMessage {
  /** Activations, class after class, ascending within each class. */
  activation: Float32Array;
  /** Class `c` has `activation[start[c] .. start[c + 1])`. */
  start: Int32Array;
  mean: Float64Array;
  std: Float64Array;
  /** Class by class, at `scores`. */
  quantile: Float64Array;
  /** Of the equal bins of the neuron's axis. */
  edges: Float64Array;
  /** Share of each class in each bin, class by class; each class has 1 in all. */
  density: Float32Array;
  /** The narrowest discriminative range that a bin is in, in hundredths of tau, class by class. */
  first: Uint16Array;
  /** How dense such a range is at least, as `barAt` reads it. */
  bar: Uint8Array;
  /** How salient the neuron is for each class, 1 = most. */
  rank: Int32Array;
  layer: string;
  name: string;
  neurons: number;
  samples: number;
  labels: string[];
  /** Samples of each class; of large classes only some were sent. */
  count: number[];
  /** One for each class, or one for all. */
  colors: string[];
  /** Normal scores of the quantiles, ascending. */
  scores: number[];
  /** Why a class has no range, or "". */
  why: string[];
  what: "label" | "concept";
  unit: string;
}

/** Samples that can be shown. */
export interface ExamplesMessage {
  faces: Faces;
  /** Activation and class of each, and its dataset row. */
  faceRow: Int32Array;
  faceValue: Float32Array;
  faceLabel: Int32Array;
}

export type Rule = "gaussian" | "quantile" | "discriminative";

/** A value with its 95% interval; null is not known yet. */
export type Bar = [value: number | null, low: number | null, high: number | null];

/** Nothing masked, the ranges masked, the neurons masked. */
export interface Bars {
  base: Bar;
  range: Bar;
  neuron: Bar;
}

/** What a measurement is of: the traits as they were. */
export interface Setting {
  neuron: number;
  label: number;
  tau: number;
  rule: Rule;
  edges: (number | null)[];
  top: number;
  alone: boolean;
}

export interface Measure {
  for: Setting;
  samples: number;
  of: number | null;
  target: Bars;
  other: Bars;
  perplexity?: Bars;
  note: string;
}

export interface Completions {
  prompt: string;
  label: number;
  base: string;
  range: string;
  neuron: string;
  done: boolean;
}

/** What the kernel can do. */
export interface Can {
  measure: boolean;
  perplexity: boolean;
  complete: boolean;
}

/** Messages from the view to the kernel. */
export type Request =
  | { type: "neuron.request"; neuron: number }
  | { type: "prompt.request"; prompt: string }
  | { type: "job.cancel" };

export function readRanges(view: DataView | null): RangesMessage | null {
  const packed = unpack(view);
  if (!packed) return null;
  return {
    ...(packed.meta as unknown as RangesMessage),
    activation: packed.tensor("activation", Float32Array),
    start: packed.tensor("start", Int32Array),
    mean: packed.tensor("mean", Float64Array),
    std: packed.tensor("std", Float64Array),
    quantile: packed.tensor("quantile", Float64Array),
    edges: packed.tensor("edges", Float64Array),
    density: shares(packed.tensor("density", Uint8Array), packed.shape("density")[1]),
    first: packed.tensor("first", Uint16Array),
    bar: packed.tensor("bar", Uint8Array),
    rank: packed.tensor("rank", Int32Array),
  };
}

/** Densities were sent as their roots, of 255 where they are largest. */
function shares(root: Uint8Array, bins: number): Float32Array {
  const out = Float32Array.from(root, (value) => value * value);
  for (let from = 0; from < out.length; from += bins) {
    const row = out.subarray(from, from + bins);
    const sum = row.reduce((a, b) => a + b, 0) || 1;
    for (let b = 0; b < bins; b++) row[b] /= sum;
  }
  return out;
}

export function readExamples(view: DataView | null): ExamplesMessage | null {
  const packed = unpack(view);
  if (!packed) return null;
  return {
    faces: facesOf(packed),
    faceRow: packed.tensor("face", Int32Array),
    faceValue: packed.tensor("face_value", Float32Array),
    faceLabel: packed.tensor("face_label", Int32Array),
  };
}
