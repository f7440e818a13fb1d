/** The heatmap on canvas. */
import { type Cells, cellsOf, palette, placeOf, pooled } from "../../core/heat";
import { kindOf } from "../../core/responses";
import type { Theme } from "../../model/theme";
import type { Still } from "../../protocol/toy";
import type { Size } from "../../view/canvas";
import { rgb } from "../../view/color";

/** Of negative responses, far from both runs' colours. */
export const NEGATIVE = "#AA3377";
/** Of neurons that are not monosemantic, in both themes: a run's colour is for those that are. */
export const OTHER = "#888888";
/** How strong the responses of other neurons are: a diagonal of theirs is not to stand out. */
const PALE = 0.75;

/** The rows and columns of the matrix, as cells on the screen. */
export interface Grid {
  rows: Cells;
  columns: Cells;
  /** Rows above the line: the monosemantic neurons, but for faint ones. 0: no line. */
  border: number;
}

/** Rows in an order that is held have no border: they are sorted for another moment. */
export function gridOf(still: Still, { wide, tall }: Size, sorted: boolean): Grid {
  const { neurons, features, monosemantic, faint } = still;
  const border = sorted ? monosemantic - faint : 0;
  return { rows: cellsOf(neurons, tall, border), columns: cellsOf(features, wide), border };
}

export interface Look {
  still: Still;
  color: string;
  /** The activation of the full colour. */
  peak: number;
}

/** The colour of a byte in a row, as canvas has it in memory. */
function colorsOf(pen: CanvasRenderingContext2D, { still, color, peak }: Look) {
  const scale = peak > 0 ? still.peak / peak : 0;
  const below = rgb(pen, NEGATIVE);
  const pure = palette(rgb(pen, color), below, scale);
  const other = palette(rgb(pen, OTHER), below, scale, PALE);
  const isPure = Array.from(still.neuronOf, (neuron) => kindOf(still, neuron) === "monosemantic");
  return (row: number, byte: number) => (isPure[row] ? pure : other)[byte & 255];
}

export interface Picture {
  canvas: HTMLCanvasElement;
  grid: Grid;
}

/** Makes the picture, one pixel per cell, and again only when something in it has changed. */
export function heatMaker() {
  const canvas = document.createElement("canvas");
  let cache: (Look & { grid: Grid; wide: number; tall: number; sorted: boolean }) | null = null;
  return (pen: CanvasRenderingContext2D, size: Size, look: Look, sorted: boolean): Picture => {
    const { still, color, peak } = look;
    const { wide, tall } = size;
    if (
      cache?.still === still &&
      cache.color === color &&
      cache.peak === peak &&
      cache.wide === wide &&
      cache.tall === tall &&
      cache.sorted === sorted
    )
      return { canvas, grid: cache.grid };
    const grid = gridOf(still, size, sorted);
    const matrix = { A: still.A, rows: still.neurons, columns: still.features };
    const { A, from, rows, columns } = pooled(matrix, grid.rows, grid.columns);
    const colorOf = colorsOf(pen, look);
    const pixels = new Uint32Array(A.length);
    for (let i = 0; i < A.length; i++) pixels[i] = colorOf(from[i], A[i]);
    if (canvas.width !== columns || canvas.height !== rows)
      [canvas.width, canvas.height] = [columns, rows];
    const bytes = new Uint8ClampedArray(pixels.buffer);
    canvas.getContext("2d")?.putImageData(new ImageData(bytes, columns, rows), 0, 0);
    cache = { still, color, peak, grid, wide, tall, sorted };
    return { canvas, grid };
  };
}

/** The middle of the cell of a row and a column; NaN where there is none. */
export function middleOf(
  { rows, columns }: Grid,
  { wide, tall }: Size,
  { row, column }: { row: number; column: number },
): { x: number; y: number } {
  const middle = (cells: Cells, at: number, all: number) =>
    at < 0 ? Number.NaN : ((placeOf(cells, at) + 0.5) / (cells.length - 1)) * all;
  return { x: middle(columns, column, wide), y: middle(rows, row, tall) };
}

export function drawHeat(
  pen: CanvasRenderingContext2D,
  size: Size,
  { canvas, grid }: Picture,
  chosen: { row: number; column: number },
  theme: Theme,
) {
  const { wide, tall } = size;
  pen.imageSmoothingEnabled = false;
  pen.drawImage(canvas, 0, 0, wide, tall);
  pen.strokeStyle = theme.hair;
  pen.lineWidth = 1;
  pen.strokeRect(0.5, 0.5, wide - 1, tall - 1);
  pen.strokeStyle = theme.ink;
  if (grid.border > 0 && grid.border < grid.rows[grid.rows.length - 1]) {
    const line = (placeOf(grid.rows, grid.border) / (grid.rows.length - 1)) * tall;
    pen.setLineDash([4, 3]);
    segment(pen, 0, line, wide, line);
    pen.setLineDash([]);
  }
  // A crosshair with a hole: it does not cover what it points at.
  const { x, y } = middleOf(grid, size, chosen);
  const hasRow = chosen.row >= 0;
  const hasColumn = chosen.column >= 0;
  const [left, right] = hasColumn ? [x - HOLE, x + HOLE] : [HOLE, wide - HOLE];
  const [above, below] = hasRow ? [y - HOLE, y + HOLE] : [HOLE, tall - HOLE];
  if (hasRow) {
    segment(pen, 0, y, left, y);
    segment(pen, right, y, wide, y);
  }
  if (hasColumn) {
    segment(pen, x, 0, x, above);
    segment(pen, x, below, x, tall);
  }
}

/** Pixels from the middle of the chosen cell to the crosshair's lines. */
const HOLE = 9;

function segment(pen: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number) {
  // Halves, so that a line is one pixel wide.
  const at = (value: number) => Math.round(value - 0.5) + 0.5;
  if (x1 < x0 || y1 < y0) return;
  pen.beginPath();
  pen.moveTo(x0 === x1 ? at(x0) : x0, y0 === y1 ? at(y0) : y0);
  pen.lineTo(x0 === x1 ? at(x1) : x1, y0 === y1 ? at(y1) : y1);
  pen.stroke();
}

/** Cells on each side of the one in the middle of the lens. */
const REACH = 5;

/** The cells around `row` and `column`, with that one in a frame. */
export function drawLens(
  pen: CanvasRenderingContext2D,
  { wide, tall }: Size,
  look: Look,
  { row, column }: { row: number; column: number },
) {
  const { still, color } = look;
  const colorOf = colorsOf(pen, look);
  const all = 2 * REACH + 1;
  const [w, h] = [wide / all, tall / all];
  for (let r = 0; r < all; r++)
    for (let c = 0; c < all; c++) {
      const [i, j] = [row + r - REACH, column + c - REACH];
      if (i < 0 || j < 0 || i >= still.neurons || j >= still.features) continue;
      const [red, green, blue, alpha] = new Uint8Array(
        Uint32Array.of(colorOf(i, still.A[i * still.features + j])).buffer,
      );
      pen.fillStyle = `rgba(${red}, ${green}, ${blue}, ${alpha / 255})`;
      pen.fillRect(c * w, r * h, w, h);
    }
  pen.strokeStyle = color;
  pen.lineWidth = 1.5;
  pen.strokeRect(REACH * w, REACH * h, w, h);
}
