/** How good what a concept retrieves is, and how good chance would be. */
import type { By } from "../protocol/schema";
import type { Chance, Retrieved } from "../protocol/split";
import type { Concept } from "./concepts";

/** A share that chance reaches this often is no better than chance. */
const OFTEN = 0.05;
/** Below this, a concept comes back from too few halves of its samples to be relied on. */
export const UNSTABLE = 0.5;

export interface Precision {
  /** The share of its label among the samples that it retrieves outside of itself. */
  value: number;
  /** How many samples these are. */
  count: number;
  /** What groups of as many top samples, drawn at random, with that label have for it. */
  chance: number | null;
  /** What 95% of those have at most. */
  high: number | null;
  /**
   * Whether one in twenty of those has as much, or as many samples, each as likely to have the label
   * as theirs.
   */
  level: boolean;
}

/** null where no label is carried by more than half of its own samples, or by none outside. */
export function precisionOf(
  { label, size }: Pick<Concept, "label" | "size">,
  { precision, precisionOf: count }: Retrieved,
  by: By,
  chance: Chance | null,
): Precision | null {
  const value = precision[by];
  if (value === null) return null;
  const mean = chance && atSize(chance, chance.mean, by, size, label);
  const high = chance && atSize(chance, chance.high, by, size, label);
  const often = mean !== null && tail(Math.round(value * count), count, mean) > OFTEN;
  // The shares are float32.
  const level = often || (high !== null && value <= high + 1e-6);
  return { value, count, chance: mean, high, level };
}

/** The probability of `hits` or more of `count`, each with probability `share`. */
export function tail(hits: number, count: number, share: number): number {
  if (hits <= 0) return 1;
  if (share <= 0 || share >= 1) return share <= 0 ? 0 : 1;
  let sum = 0;
  let choose = 1; // of `count`, `count - k` as `k` falls
  for (let k = count; k >= hits; k--) {
    sum += choose * share ** k * (1 - share) ** (count - k);
    choose *= k / (count - k + 1);
  }
  return sum;
}

/** A share of one label at a size, from the measured sizes around it on a logarithmic scale. */
function atSize(
  { sizes, labels }: Chance,
  shares: Float32Array,
  by: By,
  size: number,
  label: number,
): number | null {
  const column = labels.indexOf(label);
  if (column < 0 || !sizes.length) return null;
  const start = by === "cosine" ? 0 : shares.length / 2;
  const shareAt = (i: number) => shares[start + i * labels.length + column];
  const above = sizes.findIndex((measured) => measured >= size);
  const first = Math.max(0, above < 0 ? sizes.length - 1 : above - 1);
  const second = above < 0 ? first : above;
  const [low, high] = [shareAt(first), shareAt(second)];
  // A group may hold all samples of a label: then it has no share.
  if (Number.isNaN(low) || Number.isNaN(high)) {
    const one = Number.isNaN(low) ? high : low;
    return Number.isNaN(one) ? null : one;
  }
  if (first === second) return low;
  const place = Math.log(size / sizes[first]) / Math.log(sizes[second] / sizes[first]);
  return (1 - place) * low + place * high;
}

/** For each concept, the share of its retrieved samples that another concept retrieves too. */
export function sharedOf(all: (Retrieved | null)[], by: By): (number | null)[] {
  const count = new Map<number, number>();
  for (const retrieved of all) {
    for (const row of retrieved?.rows[by] ?? []) count.set(row, (count.get(row) ?? 0) + 1);
  }
  return all.map((retrieved) => {
    if (!retrieved) return null;
    const rows = retrieved.rows[by];
    let shared = 0;
    for (const row of rows) if ((count.get(row) as number) > 1) shared++;
    return rows.length ? shared / rows.length : 0;
  });
}
