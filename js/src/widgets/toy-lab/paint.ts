/** The heatmap on canvas. */
import { extent, palette, pooled } from "../../core/heat";
import type { Theme } from "../../model/theme";
import type { Still } from "../../protocol/toy";
import type { Size } from "../../view/canvas";
import { rgb } from "../../view/color";

/** Of negative responses, far from both runs' colours. */
export const NEGATIVE = "#AA3377";

/** What the matrix takes of the canvas, and how many rows and columns are seen there. */
export interface Box extends Size {
  rows: number;
  columns: number;
}

export function boxOf({ neurons, features }: Still, { wide, tall }: Size): Box {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(wide * ratio), Math.round(tall * ratio)];
  return {
    wide: extent(features, w) / ratio,
    tall: extent(neurons, h) / ratio,
    rows: Math.min(neurons, h),
    columns: Math.min(features, w),
  };
}

export interface Look {
  still: Still;
  color: string;
  /** The activation of the full colour. */
  peak: number;
}

export interface Picture {
  canvas: HTMLCanvasElement;
  box: Box;
}

/** Makes the picture, one pixel per cell, and again only when something in it has changed. */
export function heatMaker() {
  const canvas = document.createElement("canvas");
  let cache: (Look & { box: Box }) | null = null;
  return (pen: CanvasRenderingContext2D, size: Size, look: Look): Picture => {
    const { still, color, peak } = look;
    const box = boxOf(still, size);
    const fresh =
      cache?.still === still &&
      cache.color === color &&
      cache.peak === peak &&
      cache.box.rows === box.rows &&
      cache.box.columns === box.columns;
    if (!fresh) {
      const matrix = { A: still.A, rows: still.neurons, columns: still.features };
      const { A, rows, columns } = pooled(matrix, box.rows, box.columns);
      const scale = peak > 0 ? still.peak / peak : 0;
      const colors = palette(rgb(pen, color), rgb(pen, NEGATIVE), scale);
      const pixels = new Uint32Array(A.length);
      for (let i = 0; i < A.length; i++) pixels[i] = colors[A[i] & 255];
      if (canvas.width !== columns || canvas.height !== rows)
        [canvas.width, canvas.height] = [columns, rows];
      const bytes = new Uint8ClampedArray(pixels.buffer);
      canvas.getContext("2d")?.putImageData(new ImageData(bytes, columns, rows), 0, 0);
    }
    cache = { ...look, box };
    return { canvas, box };
  };
}

export function drawHeat(
  pen: CanvasRenderingContext2D,
  size: Size,
  { canvas, box }: Picture,
  { row, column, sorted }: { row: number; column: number; sorted: boolean },
  still: Still,
  theme: Theme,
) {
  pen.imageSmoothingEnabled = false;
  pen.drawImage(canvas, 0, 0, box.wide, box.tall);
  pen.strokeStyle = theme.hair;
  pen.lineWidth = 1;
  pen.strokeRect(0.5, 0.5, Math.min(box.wide, size.wide) - 1, Math.min(box.tall, size.tall) - 1);
  pen.strokeStyle = theme.ink;
  const [cell, line] = [box.wide / still.features, box.tall / still.neurons];
  const first = still.monosemantic - still.faint;
  if (sorted && first < still.neurons) {
    // Above it are the monosemantic neurons, but for faint ones. The others are paler, or a run
    // without any would show a proud diagonal, too.
    pen.globalAlpha = 0.45;
    pen.fillStyle = theme.paper;
    pen.fillRect(1, first * line, box.wide - 2, box.tall - first * line - 1);
    pen.globalAlpha = 1;
    pen.setLineDash([4, 3]);
    if (first > 0) segment(pen, 0, first * line, box.wide, first * line);
    pen.setLineDash([]);
  }
  // A crosshair with a hole: it does not cover what it points at.
  const [x, y] = [(column + 0.5) * cell, (row + 0.5) * line];
  const [left, right] = column < 0 ? [HOLE, box.wide - HOLE] : [x - HOLE, x + HOLE];
  const [above, below] = row < 0 ? [HOLE, box.tall - HOLE] : [y - HOLE, y + HOLE];
  if (row >= 0) {
    segment(pen, 0, y, left, y);
    segment(pen, right, y, box.wide, y);
  }
  if (column >= 0) {
    segment(pen, x, 0, x, above);
    segment(pen, x, below, x, box.tall);
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
  { still, color, peak }: Look,
  { row, column }: { row: number; column: number },
) {
  const scale = peak > 0 ? still.peak / peak : 0;
  const colors = palette(rgb(pen, color), rgb(pen, NEGATIVE), scale);
  const bytes = new Uint8ClampedArray(colors.buffer);
  const all = 2 * REACH + 1;
  const [w, h] = [wide / all, tall / all];
  for (let r = 0; r < all; r++)
    for (let c = 0; c < all; c++) {
      const [i, j] = [row + r - REACH, column + c - REACH];
      if (i < 0 || j < 0 || i >= still.neurons || j >= still.features) continue;
      const at = (still.A[i * still.features + j] & 255) * 4;
      pen.fillStyle = `rgba(${bytes[at]}, ${bytes[at + 1]}, ${bytes[at + 2]}, ${bytes[at + 3] / 255})`;
      pen.fillRect(c * w, r * h, w, h);
    }
  pen.strokeStyle = color;
  pen.lineWidth = 1.5;
  pen.strokeRect(REACH * w, REACH * h, w, h);
}
