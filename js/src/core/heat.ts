/** The matrix as pixels. */

/** Matrix of signed bytes. */
export interface Matrix {
  A: Int8Array;
  rows: number;
  columns: number;
}

/** Pixels of a cell, at least: what is thinner cannot be pointed at. */
export const LEAST = 3;

/** Where each cell begins among the rows (or columns) of a matrix; the last entry is their count. */
export type Cells = Int32Array;

/**
 * Cells of at least `LEAST` pixels for `count` rows: one for each, or one for as many as it takes.
 * No cell has rows of both sides of `border`.
 */
export function cellsOf(count: number, pixels: number, border = 0): Cells {
  let each = 0;
  let cells: number;
  do {
    each++;
    cells = Math.ceil(border / each) + Math.ceil((count - border) / each);
  } while (cells * LEAST > pixels && each < count);
  const starts: number[] = [];
  for (let row = 0; row < border; row += each) starts.push(row);
  for (let row = border; row < count; row += each) starts.push(row);
  return Int32Array.from([...starts, count]);
}

/** The rows that a cell has, at most. */
export const eachOf = (cells: Cells): number =>
  cells.reduce((most, start, i) => Math.max(most, start - (cells[i - 1] ?? start)), 1);

/** The cell of each row. */
function placesOf(cells: Cells): Int32Array {
  const out = new Int32Array(cells[cells.length - 1]);
  for (let i = 0; i + 1 < cells.length; i++) out.fill(i, cells[i], cells[i + 1]);
  return out;
}

/** The cell of a row. */
export const placeOf = (cells: Cells, row: number): number =>
  cells.findIndex((_, i) => row < (cells[i + 1] ?? Infinity));

export interface Pooled extends Matrix {
  /** The row that each cell's value is from. */
  from: Int32Array;
}

/** The matrix in cells; where several values fall together, the strongest stands for them. */
export function pooled(matrix: Matrix, rows: Cells, columns: Cells): Pooled {
  const [tall, wide] = [rows.length - 1, columns.length - 1];
  const A = new Int8Array(tall * wide);
  const from = new Int32Array(tall * wide);
  const [down, across] = [placesOf(rows), placesOf(columns)];
  for (let r = 0, at = 0; r < matrix.rows; r++) {
    const to = down[r] * wide;
    for (let c = 0; c < matrix.columns; c++, at++) {
      const value = matrix.A[at];
      const cell = to + across[c];
      if (Math.abs(value) > Math.abs(A[cell])) [A[cell], from[cell]] = [value, r];
    }
  }
  return { A, from, rows: tall, columns: wide };
}

/** CSS pixels of a row, at most, and of all rows, at least. */
const [MOST_EACH, LEAST_ALL] = [16, 280];

/** The height of heatmaps with these numbers of rows: all the `room` that they can use. */
export const heightOf = (counts: readonly number[], room: number): number =>
  Math.max(LEAST_ALL, Math.min(room, MOST_EACH * Math.max(...counts)));

/** The row and column under a place (0 to 1), or null; of several in a cell, the strongest. */
export function cellAt(
  matrix: Matrix,
  { x, y }: { x: number; y: number },
  { rows, columns }: { rows: Cells; columns: Cells },
): [row: number, column: number] | null {
  if (!(x >= 0 && x < 1 && y >= 0 && y < 1)) return null;
  const [i, j] = [Math.floor(y * (rows.length - 1)), Math.floor(x * (columns.length - 1))];
  let best: [number, number] = [rows[i], columns[j]];
  let most = -1;
  for (let r = rows[i]; r < rows[i + 1]; r++)
    for (let c = columns[j]; c < columns[j + 1]; c++) {
      const size = Math.abs(matrix.A[r * matrix.columns + c]);
      if (size > most) [best, most] = [[r, c], size];
    }
  return best;
}

/** How strong the colour is for a share of the peak: weak responses are to be seen too. */
export const strength = (share: number): number => Math.min(1, share) ** 0.65;

/** Colours of the bytes -127 to 127, at `byte & 255`: as strong as the value, from clear to `most`. */
export function palette(above: number[], below: number[], scale: number, most = 1): Uint32Array {
  const out = new Uint32Array(256);
  const bytes = new Uint8ClampedArray(out.buffer);
  for (let value = -127; value <= 127; value++) {
    const [r, g, b] = value < 0 ? below : above;
    bytes.set([r, g, b, 255 * most * strength((Math.abs(value) / 127) * scale)], (value & 255) * 4);
  }
  return out;
}
