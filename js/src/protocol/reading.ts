/** What the progress of a capture says. */
import type { CaptureProgress } from "./schema";

/** The share of the samples that was read, 0 to 1; null where that is not known. */
export function shareOf({ samples, total }: CaptureProgress): number | null {
  return total ? Math.min(1, samples / total) : null;
}

/** What a screen reader says: the beginning and the end, and not every step. */
export function spoken({ state, text }: CaptureProgress): string {
  if (state === "running") return "reading samples";
  // "400 samples": what follows it stands for itself.
  return state === "done" ? text.replace(/ samples/, "$& read") : text;
}
