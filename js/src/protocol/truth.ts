/** The true features of a toy model, beside the concepts of its neurons. */

import type { Packed } from "./safetensors";
import type { TreeArrays, TreeMeta, TruthMeta } from "./schema";

/** The true features that drive the neuron, and how near each node's vector is to them. */
export interface TruthOfTree extends TruthMeta {
  /** The cosines with each feature, of each node that can be a concept. */
  cosines: Map<number, Float64Array>;
}

export function cosinesOf<Arrays extends Pick<TreeArrays, "truth">>(
  packed: Packed<Arrays, unknown>,
): Float64Array[] {
  const [count, width] = packed.shape("truth");
  const all = packed.tensor("truth");
  return Array.from({ length: count }, (_, i) => all.subarray(i * width, (i + 1) * width));
}

/** null where no true features are known. */
export function truthOf(packed: Packed<TreeArrays, TreeMeta>): TruthOfTree | null {
  const { truth } = packed.meta;
  if (!truth) return null;
  const rows = cosinesOf(packed);
  const nodes = packed.tensor("truth_node");
  return {
    ...truth,
    cosines: new Map(Array.from(nodes, (node, i) => [node, rows[i]] as const)),
  };
}
