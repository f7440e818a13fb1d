/** The overlap matrix: whose it is, its cells, and its picture. */

import type { RangesMessage } from "../protocol/ranges";
import { ARROWS } from "./arrows";

/** Of up to so many classes all are shown; of more, the chosen one and those that overlap it most. */
export const [ALL, NEAREST] = [100, 32];

/** Whose overlap is shown, and how large it is, row by row. */
export interface Overlaps {
  rows: number[];
  overlap: Float32Array;
}

type Densities = Pick<RangesMessage, "density" | "edges" | "labels">;

/** How much of the distributions of two classes coincides: the overlapping coefficient, 0 to 1. */
export function overlapOf({ density, edges }: Densities, a: number, b: number): number {
  const bins = edges.length - 1;
  let sum = 0;
  for (let i = 0; i < bins; i++) sum += Math.min(density[a * bins + i], density[b * bins + i]);
  return Math.min(1, sum);
}

/** The classes whose overlap is shown, in the order of their rows. */
export function shownWith(data: Densities, chosen: number): number[] {
  const all = Array.from(data.labels.keys());
  if (all.length <= ALL) return all;
  const share = all.map((c) => (c === chosen ? 2 : overlapOf(data, chosen, c)));
  return all.sort((a, b) => share[b] - share[a] || a - b).slice(0, NEAREST);
}

/** The overlap of each two of some classes, row by row. */
export function matrixOf(data: Densities, shown: readonly number[]): Float32Array {
  const n = shown.length;
  const out = new Float32Array(n * n).fill(1);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < i; j++)
      out[i * n + j] = out[j * n + i] = overlapOf(data, shown[i], shown[j]);
  return out;
}

/** How the names of columns stand: with more columns, closer to the vertical. */
export type Stand = "level" | "slanted" | "vertical";

/** The table's measures in pixels: the names of rows, the heads of columns, and a cell. */
export interface Grid {
  names: number;
  head: number;
  stand: Stand;
  wide: number;
  tall: number;
}

/** The least height of a row in which a name is read; of more rows than fit, the table scrolls. */
const ROW = 14;
/** A letter of a name, about, and the longest name's room: about 40 letters are read in full. */
const [LETTER, LONGEST] = [6.2, 250];
/** How much wider the chosen name is, in bold. */
const BOLD = 1.1;
/** Names are level where the narrowest table has room for them. */
const NARROW = 560;
/** The least width of a column whose name is vertical; of more columns than fit, the table scrolls. */
const COLUMN = 13;
/** Of more columns, slanted names would take more of the width than the columns have. */
const MOST_SLANTED = 20;

const longestOf = (names: readonly string[]): number =>
  Math.min(LONGEST, LETTER * Math.max(0, ...names.map((name) => name.length)));

/** How the names of columns stand, and how high their heads are. */
export function headsOf(names: readonly string[]): { head: number; stand: Stand } {
  const longest = longestOf(names);
  if (longest + 5 <= NARROW / names.length) return { head: 18, stand: "level" };
  const bold = BOLD * longest;
  if (names.length > MOST_SLANTED) return { head: Math.ceil(bold + 12), stand: "vertical" };
  return { head: Math.ceil(bold * Math.SQRT1_2 + 16), stand: "slanted" };
}

/** The height of a row. */
export const rowOf = (classes: number): number =>
  classes > 20 ? Math.max(ROW, 400 / classes) : 20;

/** A table that is higher scrolls below its heads, and shows at least so much of the rows. */
const [WINDOW, LEAST] = [400, 240];
/** How much higher a table is shown whole: to scroll by less than two rows shows nothing new. */
const SLACK = 40;

/** How much of a table of this height is seen, in pixels. */
export function seenOf(full: number, head: number): number {
  const seen = Math.max(WINDOW, head + LEAST);
  return full <= seen + SLACK ? full : seen;
}

/** The room that the names of rows want, in pixels, and the share of the width that they get. */
export const roomOf = (names: readonly string[]): number => Math.ceil(1.22 * longestOf(names) + 14);
export const SHARE = 0.3;

/** The least width of all columns and their margin. */
export const leastOf = (names: readonly string[]): number =>
  headsOf(names).stand === "vertical" ? COLUMN * names.length + 2 : 0;

/** Where the cells stand in a box of `wide` pixels, beyond which they may reach. */
export function gridOf(labels: readonly string[], wide: number): Grid {
  const { head, stand } = headsOf(labels);
  const longest = longestOf(labels);
  const names = Math.min(roomOf(labels), wide * SHARE);
  // Slanted, the last name needs room at its right.
  const right = stand === "slanted" ? Math.min(longest * Math.SQRT1_2, wide * 0.16) : 2;
  const cell = (Math.max(wide - names, leastOf(labels)) - right) / labels.length;
  return { names, head, stand, wide: cell, tall: rowOf(labels.length) };
}

/**
 * The row and column under a position, or null. The name of a row is in column -1, that of a column
 * in row -1.
 */
export function cellAt(
  { names, head, stand, wide, tall }: Grid,
  classes: number,
  x: number,
  y: number,
  scroll = { x: 0, y: 0 },
): [row: number, column: number] | null {
  const inHead = y < head;
  const row = inHead ? -1 : Math.floor((y + scroll.y - head) / tall);
  const foot = inHead && stand === "slanted" ? x - (head - 6 - y) : x;
  const column = foot < names ? -1 : Math.floor((foot + scroll.x - names) / wide);
  if (row >= classes || column >= classes || (inHead && column < 0)) return null;
  return [row, column];
}

/** The cell that an arrow key leads to, from a cell or from none; null for other keys. */
export function steppedTo(
  key: string,
  classes: number,
  from: readonly [row: number, column: number] | null,
): [row: number, column: number] | null {
  const step = ARROWS[key];
  if (!step) return null;
  if (!from) return [0, 0];
  const within = (i: number) => Math.min(classes - 1, Math.max(0, i));
  return [within(from[0] + step[1]), within(from[1] + step[0])];
}

/** One pixel per cell, the colour as strong as the overlap; the diagonal is left clear. */
export function pixels(overlap: Float32Array, classes: number, [r, g, b]: number[]) {
  const out = new Uint8ClampedArray(4 * classes * classes);
  for (let i = 0; i < classes * classes; i++) {
    const alpha = i % (classes + 1) === 0 ? 0 : overlap[i] * 255;
    out.set([r, g, b, alpha], 4 * i);
  }
  return out;
}
