/** The suggested cuts, in words beside the tree. */
import type { SuggestedCut } from "../protocol/schema";
import { toUnit } from "./scale";

/** A line of text. */
const LINE = 13;
/** Between two ticks. */
const SPACE = 1;
/** The least height of what one clicks, in pixels (WCAG 2.5.8); as in suggestions.css. */
const TARGET = 24;

/** How high a tick's words are. */
const high = ({ words }: Pick<Tick, "words">) => (1 + words.length) * LINE;

/** How far apart two ticks are at least: their words are apart, and so is what one clicks. */
const reach = (a: Pick<Tick, "words">, b: Pick<Tick, "words">) =>
  Math.max(
    (high(a) + high(b)) / 2 + SPACE,
    (Math.max(TARGET, high(a)) + Math.max(TARGET, high(b))) / 2,
  );

/** The kinds of reason, as a reader knows them, and what each means. */
export const KINDS: Record<string, readonly [word: string, sentence: string]> = {
  rest: ["at rest", "The neuron is at rest on all of these samples."],
  method: ["by the method", "The clustering method itself chose these concepts."],
  compact: ["most compact", "Samples of one concept are alike, and unlike those of the others."],
  gap: ["wide gap", "While the line moves here, the number of concepts stays the same."],
  stable: [
    "most stable",
    "Its concepts come back most often when only half of the samples are clustered.",
  ],
  chance: [
    "as chance",
    "Samples without any groups separate as clearly, so there may be one concept.",
  ],
};

export interface Tick extends SuggestedCut {
  /** Why it is suggested, a reason a line; none where it is no kind's best. */
  words: string[];
  /** Its height on the screen, and the middle of its words: nearby, where they have room. */
  at: number;
  y: number;
}

/**
 * Ticks for a tree `tall` pixels high, from the top. The best of a kind are all there, moved where
 * they would overlap; the others only where they have room.
 */
export function ticksOf(suggestions: SuggestedCut[], top: number, tall: number, comb = 0): Tick[] {
  const placed: Tick[] = [];
  const wanted = suggestions.map((one) => ({
    ...one,
    words: one.best.map((kind) => KINDS[kind]?.[0] ?? kind),
    at: (1 - toUnit(one.threshold, top, comb)) * tall,
  }));
  for (const cut of wanted.sort((a, b) => b.best.length - a.best.length)) {
    const half = high(cut) / 2;
    const within = (y: number) => Math.min(Math.max(y, half - LINE / 2), tall - half + LINE / 2);
    const free = (y: number) =>
      y === within(y) && placed.every((other) => Math.abs(other.y - y) >= reach(other, cut));
    const places = [within(cut.at)];
    if (cut.best.length)
      for (const other of placed)
        places.push(other.y - reach(other, cut), other.y + reach(other, cut));
    const y = places.filter(free).sort((a, b) => Math.abs(a - cut.at) - Math.abs(b - cut.at))[0];
    if (y !== undefined) placed.push({ ...cut, y });
  }
  return inOrder(placed, tall);
}

/** The words in the order of their ticks, none over another: pushed down, and up from the end. */
function inOrder(placed: Tick[], tall: number): Tick[] {
  const ticks = placed.sort((a, b) => a.at - b.at || b.threshold - a.threshold);
  const out = ticks.map((tick) => ({ ...tick, y: Math.max(tick.at, (high(tick) - LINE) / 2) }));
  for (let i = 1; i < out.length; i++)
    out[i].y = Math.max(out[i].y, out[i - 1].y + reach(out[i - 1], out[i]));
  for (let i = out.length - 1; i >= 0; i--) {
    const below = i + 1 < out.length ? out[i + 1].y - reach(out[i], out[i + 1]) : tall;
    out[i].y = Math.min(out[i].y, below, tall - (high(out[i]) - LINE) / 2);
  }
  return out;
}
