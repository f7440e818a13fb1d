/** How good what a concept retrieves is, and how good chance would be. */
import type { By } from "../protocol/schema";
import type { Chance, Retrieved } from "../protocol/split";
import type { Concept } from "./concepts";

/** So little above chance is none of the concept's doing. */
const BETTER = 0.05;
/** Below this, a concept comes back from too few halves of its samples to be relied on. */
export const UNSTABLE = 0.5;

export interface Precision {
  /** The share of what it retrieves that has the label of most of its own samples. */
  value: number;
  /** What groups of as many top samples, drawn at random, have for that label. */
  chance: number | null;
  /** What 95% of those have at most. */
  high: number | null;
  /** Whether it is no better than they are on average. */
  level: boolean;
}

/** null where no label is carried by more than half of its own samples. */
export function precisionOf(
  { label, labelled, purity, size }: Pick<Concept, "label" | "labelled" | "purity" | "size">,
  { labels }: Retrieved,
  by: By,
  chance: Chance | null,
): Precision | null {
  if (label < 0 || purity * labelled <= size / 2) return null;
  let hits = 0;
  for (const other of labels[by]) if (other === label) hits++;
  const value = hits / labels[by].length;
  const mean = chance && atSize(chance, chance.mean, by, size, label);
  const high = chance && atSize(chance, chance.high, by, size, label);
  return { value, chance: mean, high, level: mean !== null && value < mean + BETTER };
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
  const above = sizes.findIndex((known) => known >= size);
  if (above < 0) return shareAt(sizes.length - 1);
  if (above === 0) return shareAt(0);
  const [low, high] = [sizes[above - 1], sizes[above]];
  const share = Math.log(size / low) / Math.log(high / low);
  return (1 - share) * shareAt(above - 1) + share * shareAt(above);
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
