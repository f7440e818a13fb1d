/** The matrix as pixels. */

/** Matrix of signed bytes. */
export interface Matrix {
  A: Int8Array;
  rows: number;
  columns: number;
}

/** At most `rows x columns`; where several fall together, the strongest stands for them. */
export function pooled(matrix: Matrix, rows: number, columns: number): Matrix {
  const tall = Math.max(1, Math.min(matrix.rows, rows));
  const wide = Math.max(1, Math.min(matrix.columns, columns));
  if (tall === matrix.rows && wide === matrix.columns) return matrix;
  const A = new Int8Array(tall * wide);
  const place = Int32Array.from({ length: matrix.columns }, (_, c) =>
    Math.floor((c * wide) / matrix.columns),
  );
  for (let r = 0, from = 0; r < matrix.rows; r++) {
    const to = Math.floor((r * tall) / matrix.rows) * wide;
    for (let c = 0; c < matrix.columns; c++, from++) {
      const value = matrix.A[from];
      const cell = to + place[c];
      if (Math.abs(value) > Math.abs(A[cell])) A[cell] = value;
    }
  }
  return { A, rows: tall, columns: wide };
}

/** Pixels for `count` rows in a box of `most`: as many for each row, if that fills enough of it. */
export function extent(count: number, most: number): number {
  if (count >= most || count < 1) return most;
  const each = Math.floor(most / count);
  return each >= 3 ? most : each * count;
}

/** Heights among which the heatmaps' is chosen, in CSS pixels. */
const HEIGHTS = [384, 320, 256];

/**
 * The height that these numbers of rows fill best, the highest if several do; more rows than fit
 * there take up to `most`.
 */
export function heightOf(counts: readonly number[], ratio: number, most = HEIGHTS[0]): number {
  if (Math.max(...counts) > HEIGHTS[0] * ratio) return Math.max(HEIGHTS[0], most);
  const fill = (tall: number) =>
    Math.min(...counts.map((k) => extent(k, Math.round(tall * ratio)) / (tall * ratio)));
  return HEIGHTS.reduce((best, tall) => (fill(tall) > fill(best) + 0.1 ? tall : best));
}

/** The row and column under a place (0 to 1), or null; the strongest of those that one pixel shows. */
export function cellAt(
  matrix: Matrix,
  { x, y }: { x: number; y: number },
  shown: { rows: number; columns: number },
): [row: number, column: number] | null {
  if (!(x >= 0 && x < 1 && y >= 0 && y < 1)) return null;
  const [r0, r1] = span(y, shown.rows, matrix.rows);
  const [c0, c1] = span(x, shown.columns, matrix.columns);
  let best: [number, number] = [r0, c0];
  let most = -1;
  for (let r = r0; r < r1; r++)
    for (let c = c0; c < c1; c++) {
      const size = Math.abs(matrix.A[r * matrix.columns + c]);
      if (size > most) [best, most] = [[r, c], size];
    }
  return best;
}

/** Which of `count` fall together in the cell at `unit`, when `cells` are shown. */
function span(unit: number, cells: number, count: number): [from: number, to: number] {
  const cell = Math.floor(unit * Math.min(cells, count));
  const least = (i: number) => Math.ceil((i * count) / Math.min(cells, count));
  return [least(cell), least(cell + 1)];
}

/** How strong the colour is for a share of the peak: weak responses are to be seen too. */
export const strength = (share: number): number => Math.min(1, share) ** 0.65;

/** Colours of the bytes -127 to 127, at `byte & 255`: as strong as the value, from clear. */
export function palette(above: number[], below: number[], scale: number): Uint32Array {
  const out = new Uint32Array(256);
  const bytes = new Uint8ClampedArray(out.buffer);
  for (let value = -127; value <= 127; value++) {
    const [r, g, b] = value < 0 ? below : above;
    bytes.set([r, g, b, 255 * strength((Math.abs(value) / 127) * scale)], (value & 255) * 4);
  }
  return out;
}
