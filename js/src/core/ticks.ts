/** Where the suggested cuts are said beside the tree. */
import type { SuggestedCut } from "../protocol/schema";
import { toUnit } from "./scale";

/** A line of text. */
const LINE = 13;
/** Between two ticks. */
const SPACE = 1;

export interface Tick extends SuggestedCut {
  /** What is said of it, a word a line. */
  words: string[];
  /** Its height on the screen, and the middle of its words: nearby, where they have room. */
  at: number;
  y: number;
}

/**
 * Ticks for a tree `tall` pixels high, from the top. The best of a kind are all there, moved where
 * they would overlap; the others only where they have room.
 */
export function ticksOf(suggestions: SuggestedCut[], top: number, tall: number): Tick[] {
  const placed: Tick[] = [];
  const high = (words: string[]) => words.length * LINE;
  const wanted = suggestions.map((one) => ({
    ...one,
    words: one.best.length ? one.best : ["gap"],
    at: (1 - toUnit(one.threshold, top)) * tall,
  }));
  for (const cut of wanted.sort((a, b) => b.best.length - a.best.length)) {
    const half = high(cut.words) / 2;
    const within = (y: number) => Math.min(Math.max(y, half - LINE / 2), tall - half + LINE / 2);
    const reach = (other: Tick) => half + high(other.words) / 2 + SPACE;
    const free = (y: number) =>
      y === within(y) && placed.every((other) => Math.abs(other.y - y) >= reach(other));
    const places = [within(cut.at)];
    if (cut.best.length)
      for (const other of placed) places.push(other.y - reach(other), other.y + reach(other));
    const y = places.filter(free).sort((a, b) => Math.abs(a - cut.at) - Math.abs(b - cut.at))[0];
    if (y !== undefined) placed.push({ ...cut, y });
  }
  return placed.sort((a, b) => a.at - b.at);
}
