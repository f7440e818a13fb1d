/** What a range mask costs at every width: read off a curve, between the widths that were measured. */

import type { RangesMessage } from "../protocol/ranges";
import type { Curve, Rule } from "../protocol/schema";
import { countInside, type Pieces, rangeOf } from "./ranges";

/** Between widths further apart, a straight line is no estimate. */
const APART = 1;
/** The widths at which a band is compared with the rule's range. */
const [WIDEST, STEP] = [4, 0.125];

type Values = readonly (number | null)[];

/** The value at a width, between the nearest two that are known; null where they are far apart. */
export function valueAt(taus: readonly number[], values: Values, at: number): number | null {
  const next = taus.findIndex((tau) => tau >= at);
  if (next < 0) return null;
  const right = values[next] ?? null;
  if (taus[next] === at || right === null) return right;
  const left = next > 0 ? (values[next - 1] ?? null) : null;
  if (left === null || taus[next] - taus[next - 1] > APART) return null;
  const share = (at - taus[next - 1]) / (taus[next] - taus[next - 1]);
  return left + share * (right - left);
}

/** The share of class `c` inside the rule's range, at each width in steps from 0 to the widest. */
export function sharesByWidth(data: RangesMessage, c: number, rule: Rule): number[] {
  const sent = Math.max(1, data.start[c + 1] - data.start[c]);
  const inside = (pieces: Pieces) => countInside(data, pieces)[c] / sent;
  return Array.from({ length: WIDEST / STEP + 1 }, (_, i) =>
    inside(rangeOf(data, c, rule, i * STEP)),
  );
}

/** The width of the rule's range that holds a share of the class: a band is about as wide. */
export function widthHolding(shares: readonly number[], share: number): number {
  const next = shares.findIndex((held) => held >= share);
  if (next <= 0) return next < 0 ? WIDEST : 0;
  const [before, after] = [shares[next - 1], shares[next]];
  return (next - 1 + (share - before) / (after - before)) * STEP;
}

/** The setting that a curve is for, of the traits. */
export interface Setting {
  neuron: number;
  label: number;
  rule: Rule;
  top: number;
  this_neuron_only: boolean;
}

/** Whether a curve, or a measurement, is of these masks at whatever width. */
export function isOf(of: Omit<Curve["for"], "rule">, now: Setting): boolean {
  return (
    of.label === now.label &&
    of.this_neuron_only === now.this_neuron_only &&
    (now.this_neuron_only ? of.neuron === now.neuron : of.top === now.top)
  );
}
