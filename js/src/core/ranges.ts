/** A class's range on a neuron's axis: the three rules, and who else is inside. */
import type { RangesMessage } from "../protocol/ranges";
import type { Rule } from "../protocol/schema";

/** Intervals low, high, low, high, ..., ascending and disjoint; both ends belong to them. */
export type Pieces = readonly number[];

/** Widths per deviation, and up to how many deviations. */
const [STEPS, EXTREME] = [100, 4];
/** Steps between the widths whose bar is known. */
const STRIDE = 5;

const stepOf = (tau: number): number =>
  Math.floor(Math.min(EXTREME, Math.max(0, tau)) * STEPS + 0.5);

/** How many times as dense as the others class `c` is at least in a discriminative range; 0 where
 * that is next to nothing. */
export function barAt(data: RangesMessage, c: number, tau: number): number {
  const each = (EXTREME * STEPS) / STRIDE + 1;
  // Of the next wider one that is known: a wider range asks for less.
  const code = data.bar[c * each + Math.ceil(stepOf(tau) / STRIDE)];
  return code ? 10 ** ((code - 120) / 40) : 0;
}

/** The quantile of class `c` at a normal score, between those that were sent. */
export function quantileAt(data: RangesMessage, c: number, score: number): number {
  const { scores, quantile } = data;
  const last = scores.length - 1;
  const offset = c * scores.length;
  if (score <= scores[0]) return quantile[offset];
  if (score >= scores[last]) return quantile[offset + last];
  let i = 1;
  while (scores[i] < score) i++;
  const share = (score - scores[i - 1]) / (scores[i] - scores[i - 1]);
  return quantile[offset + i - 1] + share * (quantile[offset + i] - quantile[offset + i - 1]);
}

/** Where the class has enough of the density, against the others' mean. */
function outweighing({ edges, first }: RangesMessage, c: number, tau: number): number[] {
  const bins = edges.length - 1;
  const step = stepOf(tau);
  const pieces: number[] = [];
  let before = false;
  for (let bin = 0; bin < bins; bin++) {
    const inside = first[c * bins + bin] <= step;
    if (inside && !before) pieces.push(bin === 0 ? -Infinity : edges[bin]);
    if (!inside && before) pieces.push(edges[bin]);
    before = inside;
  }
  if (before) pieces.push(Infinity);
  return pieces;
}

/** The range that a rule gives class `c`; none where the message says why there is none. */
export function rangeOf(data: RangesMessage, c: number, rule: Rule, tau: number): Pieces {
  if (data.why[c]) return [];
  switch (rule) {
    case "gaussian":
      return [data.mean[c] - tau * data.std[c], data.mean[c] + tau * data.std[c]];
    case "quantile":
      return [quantileAt(data, c, -tau), quantileAt(data, c, tau)];
    case "discriminative":
      return outweighing(data, c, tau);
  }
}

/** The colour of class `c`. */
export const colorOf = ({ colors }: RangesMessage, c: number): string =>
  colors[colors.length === 1 ? 0 : c] ?? "currentColor";

export function isInside(pieces: Pieces, value: number): boolean {
  for (let i = 0; i < pieces.length; i += 2)
    if (pieces[i] <= value && value <= pieces[i + 1]) return true;
  return false;
}

/** The first of `value[from .. to)` that is at least `bound` (or above it, when `over`). */
function search(value: Float32Array, from: number, to: number, bound: number, over: boolean) {
  let [low, high] = [from, to];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (value[middle] < bound || (over && value[middle] === bound)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How many samples of each class are inside. */
export function countInside({ activation, start }: RangesMessage, pieces: Pieces): Int32Array {
  const counts = new Int32Array(start.length - 1);
  for (let c = 0; c < counts.length; c++) {
    const [from, to] = [start[c], start[c + 1]];
    // Pieces that touch share their common end, which counts once.
    let counted = from;
    for (let i = 0; i < pieces.length; i += 2) {
      const first = Math.max(counted, search(activation, from, to, pieces[i], false));
      counted = Math.max(counted, search(activation, from, to, pieces[i + 1], true));
      counts[c] += Math.max(0, counted - first);
    }
  }
  return counts;
}

/** What the screen says: the share of the class inside, and of all others together. */
export function sharesOf(data: RangesMessage, counts: Int32Array, c: number): [number, number] {
  let [inside, others] = [0, 0];
  for (let i = 0; i < counts.length; i++) {
    if (i === c) continue;
    inside += standsFor(data, counts, i);
    others += data.count[i];
  }
  return [standsFor(data, counts, c) / data.count[c], inside / others];
}

/** Samples of class `c` inside: of a large class, those that were sent stand for all. */
export function standsFor({ start, count }: RangesMessage, counts: Int32Array, c: number): number {
  const sent = start[c + 1] - start[c];
  return sent ? (counts[c] / sent) * count[c] : 0;
}
