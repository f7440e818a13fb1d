/** How well concepts match known features: what `toy.calibrate` says, at every frame. */
import { assigned } from "./assignment";

export interface Recovery {
  /** The feature nearest to each concept, -1 where none drives the neuron, and its cosine. */
  nearest: { feature: number; cosine: number }[];
  /** One to one, for the largest sum of cosines; null where that would hold up the drag. */
  matching: {
    /** Feature of each concept, -1 where there are too few. */
    feature: Int32Array;
    recovered: number;
    /** Features without a match of at least the cosine that counts. */
    missed: number[];
    /** Of the matched cosines; NaN without one. */
    median: number;
  } | null;
}

/** So many steps of the assignment take a few milliseconds. */
const MOST_STEPS = 1_000_000;

/** `cosines` of each concept with each of `count` features; `least` counts as recovered. */
export function recoveryOf(
  cosines: readonly Float64Array[],
  count: number,
  least: number,
): Recovery {
  const nearest = cosines.map((row) => {
    let feature = count ? 0 : -1;
    for (let i = 1; i < count; i++) if (row[i] > row[feature]) feature = i;
    return { feature, cosine: feature < 0 ? Number.NaN : row[feature] };
  });
  const [small, large] = [Math.min(cosines.length, count), Math.max(cosines.length, count)];
  if (small * small * large > MOST_STEPS) return { nearest, matching: null };
  const feature = assigned(cosines, count);
  const missed = new Set(Array.from({ length: count }, (_, i) => i));
  const matched: number[] = [];
  feature.forEach((i, concept) => {
    if (i < 0) return;
    matched.push(cosines[concept][i]);
    if (cosines[concept][i] >= least) missed.delete(i);
  });
  return {
    nearest,
    matching: {
      feature,
      recovered: count - missed.size,
      missed: Array.from(missed),
      median: median(matched),
    },
  };
}

function median(values: number[]): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  if (!sorted.length) return Number.NaN;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
