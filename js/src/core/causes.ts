/** What the model loses without the concepts of a cut: which cut was measured, how bars are drawn. */
import type { Cause, Causes, Interval } from "../protocol/split";
import type { Tree } from "../protocol/tree";
import { type Concept, sameNodes } from "./concepts";
import { rootOf, topOf } from "./tree";

export const SIDES = ["own", "siblings", "others"] as const;
export const WAYS = ["concept", "neuron", "random"] as const;

export type MeasuredCut = Causes["cuts"][number];

/**
 * The measurement of the cut with just these nodes; null: not measured.
 *
 * @param refined The cut's height, of k-means membership; null: the tree's own.
 */
export function cutOf(
  causes: Causes | null,
  nodes: readonly number[],
  refined: number | null = null,
): MeasuredCut | null {
  const cut = causes?.cuts.find(
    (one) => (one.refined ?? null) === refined && sameNodes(one.nodes, nodes),
  );
  return cut ?? null;
}

/** What the model loses without one of a cut's concepts; null: not measured yet. */
export function causeOf(cut: MeasuredCut, concept: Concept): Cause | null {
  // With k-means membership, several concepts may be of no node.
  const at = concept.refined ? concept.number - 1 : cut.nodes.indexOf(concept.node);
  return cut.note || at >= (cut.done ?? cut.nodes.length) ? null : (cut.of[at] ?? null);
}

const ends = ({ value, low, high }: Interval) => [value, low, high].filter(Number.isFinite);

/** The scale of all bars of a cut: from the least loss (0 or less) to the largest. */
export function scaleOf(causes: Iterable<Cause>): [number, number] {
  let [low, high] = [0, 0];
  for (const cause of causes)
    for (const side of SIDES) {
      const shown = [
        ...ends(cause.concept[side]),
        ...[cause.neuron, cause.random].map((way) => way[side].value).filter(Number.isFinite),
      ];
      low = Math.min(low, ...shown);
      high = Math.max(high, ...shown);
    }
  return high > low ? [low, high] : [0, 1];
}

/** What a concept does to the model, in a few words, and whether that may be chance. */
export function verdictOf({ above, selectivity }: Cause): { word: string; chance: boolean } {
  if (!Number.isFinite(above.value)) return { word: "no samples of its own", chance: true };
  if (!(above.low > 0)) return { word: "not clearly above random", chance: true };
  return { word: selectivity.low > 0 ? "selective" : "not selective", chance: false };
}

/** Over which heights a measured cut holds, and its selectivity less that of random directions. */
export interface CutGain extends Interval {
  from: number;
  to: number;
  concepts: number;
}

/** Of the measured cuts of a tree, the finest first. */
export function gainsOf(causes: Causes | null, tree: Tree): CutGain[] {
  const gains = (causes?.cuts ?? []).filter(
    ({ note, gain, refined }) => !note && refined === undefined && Number.isFinite(gain.value),
  );
  return gains
    .map(({ nodes, gain }) => {
      const above = nodes.map((node) =>
        node === rootOf(tree) ? topOf(tree) * 1.02 : tree.height[tree.parent[node]],
      );
      return {
        ...gain,
        from: Math.max(...nodes.map((node) => tree.height[node])),
        to: Math.min(...above),
        concepts: nodes.length,
      };
    })
    .sort((a, b) => a.from - b.from);
}
