/** What the layer's side draws: the curve of counts, the glyphs, and the rings around them. */
import { type Grid, placeOf } from "../../core/cells";
import { type Glyphs, paintGlyphs, type Stamp, stampOf } from "../../core/glyphs";
import type { Theme } from "../../model/theme";
import type { LayerMap } from "../../protocol/browser";
import type { Size } from "../../view/canvas";

/** How strong the blue of neurons with 0, 1, 2, and 3 or more concepts is. */
export const SHADES = [0, 0.25, 0.55, 1];
/** Pixels from the curve's side to its first height: half of the slider's thumb. */
const PAD = 8;

/** Areas of neurons with 3 or more, 2, and 1 concept, one on the other, and the height of the cut. */
export function paintCurve(
  pen: CanvasRenderingContext2D,
  { wide, tall }: Size,
  curve: Int32Array[],
  at: number | null,
  theme: Theme,
): void {
  if (!curve.length) return;
  const points = curve[0].length;
  const all = Math.max(1, curve[0][0] + curve[1][0] + curve[2][0] + curve[3][0]);
  const room = wide - 2 * PAD;
  const x = (i: number) => PAD + (i / (points - 1)) * room;
  const y = (count: number) => tall - 0.5 - (count / all) * (tall - 2);
  const below = new Int32Array(points);
  for (const k of [3, 2, 1]) {
    pen.fillStyle = `rgb(68 119 170 / ${SHADES[k]})`;
    pen.beginPath();
    for (let i = 0; i < points; i++) pen.lineTo(x(i), y(below[i] + curve[k][i]));
    for (let i = points - 1; i >= 0; i--) pen.lineTo(x(i), y(below[i]));
    pen.fill();
    for (let i = 0; i < points; i++) below[i] += curve[k][i];
  }
  pen.strokeStyle = theme.faint;
  pen.lineWidth = 1;
  pen.beginPath();
  pen.moveTo(PAD, tall - 0.5);
  pen.lineTo(wide - PAD, tall - 0.5);
  pen.stroke();
  if (at === null) return;
  pen.strokeStyle = theme.ink;
  pen.setLineDash([4, 3]);
  pen.lineWidth = 1.5;
  pen.beginPath();
  pen.moveTo(PAD + at * room, 0);
  pen.lineTo(PAD + at * room, tall);
  pen.stroke();
  pen.setLineDash([]);
}

/** Pixels of the picture while a hand holds the slider, at most. */
const MOST = 1_000_000;

/** Draws all glyphs into a canvas; keeps what does not change from frame to frame. */
export function glyphPainter() {
  let image: ImageData | null = null;
  let stamps: { side: number; full: Stamp; dot: Stamp } | null = null;
  let places: { map: LayerMap; grid: Grid; side: number; x: Int32Array; y: Int32Array } | null =
    null;

  return (
    canvas: HTMLCanvasElement,
    map: LayerMap,
    grid: Grid,
    look: Omit<Glyphs, "x" | "y">,
    moving: boolean,
  ): void => {
    const ratio = window.devicePixelRatio || 1;
    const bounded = Math.min(ratio, Math.max(1, Math.sqrt(MOST / (grid.wide * grid.tall))));
    const side = Math.max(1, Math.round(grid.cell * (moving ? bounded : ratio)));
    const [wide, tall] = [grid.columns * side, grid.rows * side];
    const pen = canvas.getContext("2d");
    if (!pen) return;
    if (canvas.width !== wide || canvas.height !== tall)
      [canvas.width, canvas.height] = [wide, tall];
    if (image?.width !== wide || image.height !== tall) image = new ImageData(wide, tall);
    if (stamps?.side !== side) {
      const gap = side >= 12 ? 2 : side >= 5 ? 1 : 0;
      stamps = {
        side,
        full: stampOf(side, side - gap),
        dot: stampOf(side, Math.max(1, side * 0.3)),
      };
    }
    if (places?.map !== map || places.grid !== grid || places.side !== side)
      places = { map, grid, side, ...placesOf(map, grid, side) };
    const pixels = new Uint32Array(image.data.buffer);
    pixels.fill(0);
    paintGlyphs(pixels, wide, stamps.full, stamps.dot, { ...look, x: places.x, y: places.y });
    pen.putImageData(image, 0, 0);
  };
}

/** The left upper pixel of each neuron's cell; -1: not in view. */
function placesOf(map: LayerMap, grid: Grid, side: number) {
  const x = new Int32Array(map.columnOf.length).fill(-1);
  const y = new Int32Array(map.columnOf.length).fill(-1);
  for (let i = 0; i < x.length; i++) {
    const column = map.columnOf[i] - grid.column;
    const row = map.rowOf[i] - grid.row;
    if (column < 0 || row < 0 || column >= grid.columns || row >= grid.rows) continue;
    x[i] = column * side;
    y[i] = row * side;
  }
  return { x, y };
}

interface Rings {
  /** Indices into the table. */
  selected: Uint8Array;
  chosen: number;
  pointed: number;
  lasso: readonly (readonly [number, number])[];
}

/** Rings around selected neurons, the chosen one and the one under the pointer; the lasso. */
export function paintRings(
  pen: CanvasRenderingContext2D,
  map: LayerMap,
  grid: Grid,
  rings: Rings,
  theme: Theme,
): void {
  const radius = Math.max(2, grid.cell / 2);
  const ring = (i: number, r: number) => {
    const place = placeOf(map, grid, i);
    if (!place) return;
    pen.moveTo(place.x + r, place.y);
    pen.arc(place.x, place.y, r, 0, 2 * Math.PI);
  };
  const strokes = (wide: number, style: string) => {
    pen.lineWidth = wide;
    pen.strokeStyle = style;
    pen.stroke();
  };
  pen.beginPath();
  rings.selected.forEach((on, i) => {
    if (on) ring(i, radius - 0.5);
  });
  strokes(1.5, theme.ink);
  for (const [i, extra] of [
    [rings.pointed, 1.5],
    [rings.chosen, 4],
  ]) {
    if (i < 0) continue;
    pen.beginPath();
    ring(i, radius + extra);
    strokes(extra + 3, theme.paper);
    strokes(extra > 2 ? 2.5 : 1.5, theme.ink);
  }
  if (rings.lasso.length < 2) return;
  pen.beginPath();
  for (const [x, y] of rings.lasso) pen.lineTo(x, y);
  pen.closePath();
  pen.globalAlpha = 0.08;
  pen.fillStyle = theme.ink;
  pen.fill();
  pen.globalAlpha = 1;
  pen.setLineDash([4, 3]);
  strokes(1.2, theme.ink);
  pen.setLineDash([]);
}
