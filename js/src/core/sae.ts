/** Where a feature is active, and which concepts of a cut it covers. */
import type { FeatureOf } from "../protocol/sae";

/** A feature covers a concept if it is active on this share of its samples. */
const COVERS = 0.5;

/** Whether a bit of a mask is set. */
const isActive = (mask: Uint8Array, sample: number): boolean =>
  ((mask[sample >> 3] >> (sample & 7)) & 1) === 1;

/** The samples, of `count`, whose bits are set. */
export const activeOn = (mask: Uint8Array, count: number): number[] =>
  Array.from({ length: count }, (_, sample) => sample).filter((sample) => isActive(mask, sample));

/** The concepts of a cut that a mask covers: their places; `of` is the concept of each sample. */
export function coveredBy(mask: Uint8Array, of: ArrayLike<number>, concepts: number): number[] {
  const [own, active] = [new Int32Array(concepts), new Int32Array(concepts)];
  for (let sample = 0; sample < of.length; sample++) {
    const concept = of[sample];
    if (concept < 0) continue;
    own[concept]++;
    if (isActive(mask, sample)) active[concept]++;
  }
  const places = Array.from({ length: concepts }, (_, concept) => concept);
  return places.filter((concept) => own[concept] > 0 && active[concept] >= COVERS * own[concept]);
}

/** The other concepts that a concept's feature covers, and how many random directions do so. */
export function alsoCovered(
  one: FeatureOf,
  concept: number,
  of: ArrayLike<number>,
  concepts: number,
): { others: number[]; random: number } {
  const beside = (mask: Uint8Array) =>
    coveredBy(mask, of, concepts).filter((other) => other !== concept);
  const counts = one.randomActive.map((mask) => beside(mask).length);
  const total = counts.reduce((sum, count) => sum + count, 0);
  return { others: beside(one.active), random: counts.length ? total / counts.length : Number.NaN };
}

/** Whether random directions tell the concept apart as well in one of twenty cases. */
export const asRandom = (one: FeatureOf): boolean => !(one.auroc > one.randomMost);
