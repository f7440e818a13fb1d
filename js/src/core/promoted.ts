/** Whether what a vector promotes is more than chance. */
import type { Promoted } from "../protocol/split";
import type { Concept } from "./concepts";

/** Where the strip of a concept is kept: a tree node, or a place among the k-means concepts. */
export const stripOf = ({ node, number, refined }: Concept) => (refined ? -1 - number : node);

/** A smaller cosine of the effects from two halves of the samples: they disagree. */
export const DISAGREE = 0.5;

export interface Standing {
  /** In a few words. */
  word: string;
  /** Whether it is no more than chance. */
  chance: boolean;
}

/** The strongest effect, up or down. */
export const strongest = ({ promoted, demoted }: Promoted): number =>
  Math.max(0, ...[...promoted, ...demoted].map(({ value }) => Math.abs(value)));

/** How a strip stands beside `high`, which 95% of random directions do not exceed. */
export function standingOf(strip: Promoted, high: number | null): Standing {
  const { agreement } = strip;
  if (high !== null && strongest(strip) <= high) {
    return { word: "as a random direction", chance: true };
  }
  if (agreement === null) return { word: "", chance: false };
  const chance = agreement < DISAGREE;
  return { word: `halves ${chance ? "disagree" : "agree"} ${agreement.toFixed(2)}`, chance };
}

/** A token as people read it: its leading space stays, what cannot be seen is written. */
export const visible = (token: string): string =>
  token
    .replace(/\n/g, "↵")
    .replace(/\t/g, "⇥")
    .replace(/\p{Cc}/gu, "�") || "∅";
