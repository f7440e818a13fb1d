/** How often a concept comes back from half of the samples, in words. */
import type { Concept } from "./concepts";
import { UNSTABLE } from "./retrieved";
import { percent } from "./scale";

/** From this share on, a concept is stable. */
const STABLE = 0.75;

/**
 * On a concept's card; null where it is not known.
 *
 * @param recurs the share of halves in which it is a cluster again; null: not tested.
 * @param of what samples are parts of, of which whole ones are drawn; null: samples are whole.
 */
export function stabilityOf(
  { size, sources }: Pick<Concept, "size" | "sources">,
  recurs: number | null,
  of: "images" | "texts" | null,
): { text: string; question: string } | null {
  if (recurs === null) {
    if (!of || size < 2 || sources !== 1) return null;
    const one = of.slice(0, -1);
    return {
      text: `one ${one}: not tested`,
      question: `Would it come back without this ${one}? All its samples are of one ${one}, so no other ${one} can tell.`,
    };
  }
  const word = recurs < UNSTABLE ? "unstable" : recurs < STABLE ? "fairly stable" : "stable";
  return {
    text: `${word} ${percent(recurs)}`,
    question: `How often is it a cluster again when only half of the ${of ?? "samples"} are clustered?`,
  };
}
