/** What a cut is, in words. */
import { isolated } from "./direction";
import { counted, short } from "./scale";

/** Names that are read out: as many as one listens to. */
const NAMED = 6;

/** At the line, and as the slider's value. */
export function saidCut(count: number, threshold: number): string {
  return `${counted(count, "concept")} at ${short(threshold)}`;
}

/** The same with the concepts' names, for people who hear them. */
export function spokenCut(titles: readonly string[], threshold: number): string {
  const said = saidCut(titles.length, threshold);
  if (!titles.length) return said;
  const rest = titles.length - NAMED;
  const more = rest > 0 ? ` and ${rest} more` : "";
  return `${said}: ${titles.slice(0, NAMED).map(isolated).join(", ")}${more}`;
}

/**
 * Why a cut has no concept, and what to do.
 *
 * @param refined whether the membership is k-means', by the paper's rule.
 */
export function saidNone(resting: boolean, refined: boolean, minSize: number): string {
  if (resting) return "The neuron is at rest on these samples: there is nothing to split.";
  if (refined)
    return `k-means leaves no concept here: by the paper’s rule, all samples are too far from the middle of their cluster, or in clusters of fewer than ${minSize}. Switch it off for the concepts of the tree.`;
  return `No cluster has ${minSize} samples or more here. Raise the cut height for coarser concepts.`;
}
