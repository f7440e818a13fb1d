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
  /** What the word answers, in plain sentences; for people who rest on it. */
  question: string;
  /** Whether it is no more than chance. */
  chance: boolean;
}

/** The strongest effect, up or down. */
export const strongest = ({ promoted, demoted }: Promoted): number =>
  Math.max(0, ...[...promoted, ...demoted].map(({ value }) => Math.abs(value)));

/** How a strip stands beside `high`, which 95% of random directions do not exceed. */
export function standingOf(strip: Promoted, high: number | null): Standing {
  const { agreement, apart } = strip;
  if (high !== null && strongest(strip) <= high) {
    const question =
      "Is it more than what any direction does? Its strongest effect is no stronger than what 95% of random directions reach.";
    return { word: "as a random direction", question, chance: true };
  }
  if (apart !== null && apart <= 1) {
    const question =
      "Does what it promotes set it apart? No: random groups of the neuron's top samples differ as much from all of them.";
    return { word: "as all top samples", question, chance: true };
  }
  if (agreement === null) return { word: "", question: "", chance: false };
  const chance = agreement < DISAGREE;
  return {
    word: `halves ${chance ? "disagree" : "agree"} ${agreement.toFixed(2)}`,
    question: `Do two halves of its samples promote and demote the same? The cosine of their effects is ${agreement.toFixed(2)}: 1 the same, 0 nothing in common.`,
    chance,
  };
}

/** A token as people read it: its leading space stays, what cannot be seen is written. */
export const visible = (token: string): string =>
  token
    .replace(/\n/g, "↵")
    .replace(/\t/g, "⇥")
    .replace(/\p{Cc}/gu, "�") || "∅";
