/** Whether concepts come back from another half of the top samples. */
import type { HalvesOfCut } from "../protocol/schema";
import { sameNodes } from "./concepts";

/** Of a concept: the cosine of its directions from two halves, and that of permuted clusters. */
export interface Halves {
  agreement: number;
  chance: number | null;
  /** Whether it agrees no more than permuted clusters. */
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
  const chance = cut.chance[at] ?? null;
  return { agreement, chance, asChance: chance !== null && agreement <= chance };
}
