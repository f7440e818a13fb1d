/** A neuron's activation axis, from its histogram: where quantiles stand on it. */

export interface ActivationAxis {
  low: number;
  high: number;
  /** Samples in each bin. */
  counts: Int32Array;
  /** The share of samples below each edge of the bins, from 0 to 1. */
  below: Float64Array;
}

export function axisOf(counts: Int32Array, [low, high]: readonly number[]): ActivationAxis {
  const below = new Float64Array(counts.length + 1);
  for (let i = 0; i < counts.length; i++) below[i + 1] = below[i] + counts[i];
  const all = below[counts.length] || 1;
  for (let i = 0; i < below.length; i++) below[i] /= all;
  return { low, high, counts, below };
}

/** The activation at an edge. */
export const activationAt = ({ low, high, counts }: ActivationAxis, edge: number): number =>
  low + (edge / counts.length) * (high - low);

/** The edge nearest to an activation. */
export function edgeAt({ low, high, counts }: ActivationAxis, activation: number): number {
  const unit = (activation - low) / (high - low);
  return Math.round(Math.min(1, Math.max(0, unit)) * counts.length);
}

/** The edge whose share of samples below is nearest to a quantile; of equal ones the first. */
export function edgeOf({ below }: ActivationAxis, quantile: number): number {
  let best = 0;
  for (let edge = 1; edge < below.length; edge++)
    if (Math.abs(below[edge] - quantile) < Math.abs(below[best] - quantile)) best = edge;
  return best;
}

/** The band between two edges, in quantiles; null where it holds no sample. */
export function bandOf(
  { below }: ActivationAxis,
  from: number,
  to: number,
): [number, number] | null {
  const rounded = [below[from], below[to]].map((share) => Number(share.toFixed(4)));
  return rounded[0] < rounded[1] ? [rounded[0], rounded[1]] : null;
}

/** A share as people read it, to a tenth of a percent near the ends. */
export function percentile(share: number): string {
  const percent = share * 100;
  const fine = percent > 0 && percent < 100 && (percent < 1 || percent > 99);
  return `${fine ? percent.toFixed(1) : Math.round(percent)}%`;
}
