/** The overlap matrix: whose it is, its cells, and its picture. */
import type { RangesMessage } from "../protocol/ranges";

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

/** What a name may take of the width; numbers stand in cells that hold them. */
export interface Grid {
  names: number;
  head: number;
  wide: number;
  tall: number;
}

/** The least height of a row in which a name is read; of more rows than fit, the table scrolls. */
const ROW = 14;
/** A letter of a column's name, about, and the longest name's room. */
const [LETTER, LONGEST] = [6.2, 160];
/** Names stand upright where the narrowest table has room for them. */
const NARROW = 560;

/** How high the heads of columns are: 18, or what slanted names need. */
export function headOf(names: readonly string[]): number {
  const longest = LETTER * Math.max(0, ...names.map((name) => name.length));
  if (longest + 5 <= NARROW / names.length) return 18;
  return Math.ceil(Math.min(LONGEST, longest) * Math.SQRT1_2 + 16);
}

/** Where the cells of `classes` rows stand in a box of `wide` pixels. */
export function gridOf(classes: number, wide: number, head = 18): Grid {
  const names = Math.min(150, Math.round(wide * 0.24));
  const tall = classes > 20 ? Math.max(ROW, 400 / classes) : 20;
  // Slanted, the last name needs room at its right.
  const right = head > 18 ? Math.min(70, wide * 0.09) : 0;
  return { names, head, wide: (wide - names - right) / classes, tall };
}

/** The row and column under a position, or null. */
export function cellAt(
  { names, head, wide, tall }: Grid,
  classes: number,
  x: number,
  y: number,
): [row: number, column: number] | null {
  const row = Math.floor((y - head) / tall);
  const column = Math.floor((x - names) / wide);
  const within = (i: number) => i >= 0 && i < classes;
  return within(row) && column < classes ? [row, Math.max(-1, column)] : null;
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
