/** Whether concepts come back from another half of the top samples. */
import type { HalvesOfCut } from "../protocol/schema";
import { sameNodes } from "./concepts";

/** Of a concept: the cosine of its directions from two halves, and that of permuted clusters. */
export interface Halves {
  agreement: number;
  /** On average. */
  chance: number | null;
  /** What 95% of them have at most. */
  high: number | null;
  /** Whether it agrees no more than that. */
  asChance: boolean;
}

/** That of the concept `node` in the cut into `nodes`; null: not known. */
export function halvesOf(
  cuts: readonly HalvesOfCut[],
  nodes: readonly number[],
  node: number,
): Halves | null {
  const cut = cuts.find((one) => sameNodes(one.nodes, nodes));
  const at = cut?.nodes.indexOf(node) ?? -1;
  const agreement = cut?.agreement[at] ?? null;
  if (!cut || agreement === null) return null;
  // An older version saved the mean only.
  const [chance, high] = [cut.chance[at] ?? null, cut.high?.[at] ?? null];
  return { agreement, chance, high, asChance: agreement <= (high ?? chance ?? -1) };
}
