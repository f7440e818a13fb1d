/** Whether the samples fall into groups, in words. */
import type { NeuronScore, SuggestedCut } from "../protocol/schema";
import { rounded } from "./scale";

/** With a larger p, samples without groups separate as well. */
const LIKELY = 0.05;
/** Up to this p, it is not clear whether they do: twice the limit. */
const UNLIKELY = 0.1;
/** Standard deviations above chance from which groups are certain. */
const CERTAIN = 5;

/** Whether samples without groups would separate as clearly, as far as is known. */
export const asChance = (suggestions: readonly SuggestedCut[]): boolean =>
  suggestions.some(({ best }) => best.includes("chance"));

/** Whether the neuron is at rest on the samples, so that they have no clusters. */
export const atRest = (suggestions: readonly SuggestedCut[]): boolean =>
  suggestions.some(({ best }) => best.includes("rest"));

/** In words; null where it was not compared with chance. */
export function verdictOf(
  scores: readonly NeuronScore[],
  suggestions: readonly SuggestedCut[],
): string | null {
  const [p, z] = ["geometry_p", "geometry_z"].map(
    (wanted) => scores.find(({ name }) => name === wanted)?.value ?? null,
  );
  // Where no cut has several concepts, none is compared with chance. Two sets of draws may differ
  // about a p near the limit, not about a large one.
  const several = !suggestions.length || suggestions.some(({ concepts }) => concepts > 1);
  if (asChance(suggestions) || (p !== null && p > (several ? UNLIKELY : LIKELY)))
    return "no clear groups (as chance)";
  if (p === null) return null;
  const certain = p <= LIKELY && z !== null && z >= CERTAIN;
  const word = certain ? "clearly" : p <= LIKELY ? "probably" : "perhaps";
  return `${word} several concepts, p ${p <= LIKELY ? "≤" : "="} ${rounded(p)}`;
}
