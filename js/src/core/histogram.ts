/** A histogram of the biases of each run, in bins that the runs share. */
import type { Still } from "../protocol/toy";
import { ticks } from "./axis";
import { type Kind, kindOf } from "./responses";

/** The least width of a bin. */
const LEAST = 0.1;
/** About the most bins, and the fewest. */
const [MOST, FEWEST] = [30, 12];

export interface Histogram {
  low: number;
  /** The width of a bin. */
  width: number;
  bins: number;
  /** The number of neurons in each bin, for each run and kind. */
  counts: Record<Kind, Int32Array>[];
}

export function histogram(stills: readonly Still[]): Histogram {
  let [low, high] = [Infinity, -Infinity];
  for (const { bias } of stills)
    for (const value of bias) {
      if (!Number.isFinite(value)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  // Include 0, where the rectifier bends.
  [low, high] = [Math.min(0, low), Math.max(0, high)];
  // A round width, so that the bins stay while the biases move.
  const steps = ticks(0, high - low, MOST);
  const width = Math.max(LEAST, steps.length > 1 ? steps[1] - steps[0] : 0);
  let first = Math.floor(low / width + 1e-6);
  let last = Math.floor(high / width + 1e-6);
  for (let turn = 0; last - first + 1 < FEWEST; turn++) {
    if (turn % 2) last++;
    else first--;
  }
  const bins = last - first + 1;
  const counts = stills.map((still) => {
    const out = {
      monosemantic: new Int32Array(bins),
      polysemantic: new Int32Array(bins),
      dead: new Int32Array(bins),
    };
    still.bias.forEach((value, neuron) => {
      if (!Number.isFinite(value)) return;
      const bin = Math.floor(value / width + 1e-6) - first;
      out[kindOf(still, neuron)][Math.min(bins - 1, Math.max(0, bin))]++;
    });
    return out;
  });
  return { low: first * width, width, bins, counts };
}

/** The most neurons in one bin of run `r`. */
export function tallest({ counts, bins }: Histogram, r: number): number {
  const { monosemantic, polysemantic, dead } = counts[r];
  let most = 0;
  for (let b = 0; b < bins; b++) most = Math.max(most, monosemantic[b] + polysemantic[b] + dead[b]);
  return most;
}
