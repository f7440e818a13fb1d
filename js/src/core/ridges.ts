/** Ridgelines: one density per class over a common axis. */
import type { RangesMessage } from "../protocol/ranges";
import type { Domain } from "./edges";

const [LEAST, MOST] = [16, 90];

/** Few classes get tall rows; many get thin ones, down to where the pane scrolls instead. */
export function rowHeight(classes: number): number {
  const room = Math.min(520, Math.max(364, 26 * classes));
  return Math.min(MOST, Math.max(LEAST, room / Math.max(1, classes)));
}

/** A ridge reaches into the row above it, a little. */
export const ridgeHeight = (row: number): number => Math.min(1.35 * row, row + 8);

export const domainOf = ({ edges }: RangesMessage): Domain => ({
  low: edges[0],
  high: edges[edges.length - 1],
});

type Pen = Pick<Path2D, "moveTo" | "lineTo">;

/** Where row `c` of the axis stands: x of the axis' ends, y of its ground, height of a ridge. */
export interface Place {
  left: number;
  right: number;
  ground: number;
  tall: number;
}

/** The share of a class that its fitted normal curve gives the bin at its mean; NaN without one. */
function normalPeak(data: RangesMessage, c: number): number {
  const { low, high } = domainOf(data);
  return (high - low) / (data.edges.length - 1) / (data.std[c] * Math.sqrt(2 * Math.PI));
}

/**
 * What a density of 1 per bin would measure, so that the class's curve and the normal one have room.
 * A class in a narrow range peaks far above the others: heights go with the square root of the peak,
 * so that broad classes are seen beside it.
 */
export function scales(data: RangesMessage): Float64Array {
  const { density, edges, start } = data;
  const bins = edges.length - 1;
  const out = new Float64Array(start.length - 1);
  let most = 0;
  for (let c = 0; c < out.length; c++) {
    let peak = 0;
    for (let b = c * bins; b < (c + 1) * bins; b++) peak = Math.max(peak, density[b]);
    if (peak > 0 && data.std[c] > 0) peak = Math.max(peak, Math.min(1, normalPeak(data, c)));
    out[c] = peak;
    most = Math.max(most, peak);
  }
  return out.map((peak) => (peak > 0 ? Math.sqrt(peak / most) / peak : 0));
}

/** Add the curve of class `c` to a path, from the ground to the ground. */
export function traceDensity(
  pen: Pen,
  { density, edges }: RangesMessage,
  c: number,
  scale: number,
  { left, right, ground, tall }: Place,
): void {
  const bins = edges.length - 1;
  const step = (right - left) / bins;
  pen.moveTo(left, ground);
  for (let b = 0; b < bins; b++)
    pen.lineTo(left + (b + 0.5) * step, ground - density[c * bins + b] * scale * tall);
  pen.lineTo(right, ground);
}

/** Add the fitted normal curve of class `c`; nothing where the class has no width. */
export function traceNormal(
  pen: Pen,
  data: RangesMessage,
  c: number,
  scale: number,
  { left, right, ground, tall }: Place,
): void {
  const { low, high } = domainOf(data);
  const [mean, std] = [data.mean[c], data.std[c]];
  if (!(std > 0) || !(high > low)) return;
  const peak = normalPeak(data, c);
  const [from, to] = [Math.max(low, mean - 3.5 * std), Math.min(high, mean + 3.5 * std)];
  const steps = 64;
  for (let i = 0; i <= steps; i++) {
    const value = from + ((to - from) * i) / steps;
    const z = (value - mean) / std;
    const x = left + ((value - low) / (high - low)) * (right - left);
    const y = ground - Math.min(1, peak * Math.exp((-z * z) / 2) * scale) * tall;
    if (i) pen.lineTo(x, y);
    else pen.moveTo(x, y);
  }
}
