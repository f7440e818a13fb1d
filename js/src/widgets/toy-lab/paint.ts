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
  chosen: { row: number; column: number },
  still: Still,
  theme: Theme,
) {
  pen.imageSmoothingEnabled = false;
  pen.drawImage(canvas, 0, 0, box.wide, box.tall);
  pen.strokeStyle = theme.hair;
  pen.lineWidth = 1;
  pen.strokeRect(0.5, 0.5, Math.min(box.wide, size.wide) - 1, Math.min(box.tall, size.tall) - 1);
  pen.strokeStyle = theme.ink;
  const outline = (x: number, y: number, wide: number, tall: number) =>
    pen.strokeRect(
      Math.max(0.5, Math.round(x) - 0.5),
      Math.max(0.5, Math.round(y) - 0.5),
      Math.min(Math.round(wide) + 1, size.wide - 1),
      Math.min(Math.round(tall) + 1, size.tall - 1),
    );
  const [cell, line] = [box.wide / still.features, box.tall / still.neurons];
  if (chosen.column >= 0) outline(chosen.column * cell, 0, Math.max(2, cell), box.tall);
  if (chosen.row >= 0) outline(0, chosen.row * line, box.wide, Math.max(2, line));
}
