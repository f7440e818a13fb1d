/** The messages of RangeExplorer: one neuron's activations, class by class, and examples of them. */
import { type Previews, previewsOf } from "./previews";
import { unpack } from "./safetensors";
import {
  EXAMPLES,
  type ExamplesArrays,
  type ExamplesMeta,
  RANGES,
  type RangesArrays,
  type RangesMeta,
} from "./schema";

/** The message `ranges`, decoded. */
export interface RangesMessage extends Omit<RangesArrays, "density">, RangesMeta {
  /** The share of each class in each bin, class by class; each class has 1 in all. */
  density: Float32Array;
}

/** The message `examples`, decoded: samples that can be shown. */
export interface ExamplesMessage {
  faces: Previews;
  /** The dataset index of each sample, its activation and its class. */
  faceRow: Int32Array;
  faceValue: Float32Array;
  faceLabel: Int32Array;
}

export function readRanges(view: DataView | null): RangesMessage | null {
  const packed = unpack<RangesArrays, RangesMeta>(view, RANGES);
  if (!packed) return null;
  const { meta, tensor, shape } = packed;
  return {
    ...meta,
    activation: tensor("activation"),
    start: tensor("start"),
    mean: tensor("mean"),
    std: tensor("std"),
    quantile: tensor("quantile"),
    edges: tensor("edges"),
    density: shares(tensor("density"), shape("density")[1]),
    first: tensor("first"),
    bar: tensor("bar"),
    rank: tensor("rank"),
  };
}

/** Shares of bins from their roots, of which 255 stands for the largest. */
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
  const packed = unpack<ExamplesArrays, ExamplesMeta>(view, EXAMPLES);
  if (!packed) return null;
  return {
    faces: previewsOf(packed),
    faceRow: packed.tensor("face"),
    faceValue: packed.tensor("face_value"),
    faceLabel: packed.tensor("face_label"),
  };
}
