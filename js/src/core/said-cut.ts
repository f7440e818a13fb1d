/** What a cut is, in words. */
import { isolated } from "./direction";
import { short } from "./scale";

/** Names that are read out: as many as one listens to. */
const NAMED = 6;

/** At the line, and as the slider's value. */
export function saidCut(count: number, threshold: number): string {
  return `${count} ${count === 1 ? "concept" : "concepts"} at ${short(threshold)}`;
}

/** The same with the concepts' names, for people who hear them. */
export function spokenCut(titles: readonly string[], threshold: number): string {
  const said = saidCut(titles.length, threshold);
  if (!titles.length) return said;
  const rest = titles.length - NAMED;
  const more = rest > 0 ? ` and ${rest} more` : "";
  return `${said}: ${titles.slice(0, NAMED).map(isolated).join(", ")}${more}`;
}
