import { describe, expect, it } from "vitest";
import { isOf, sharesByWidth, valueAt, widthHolding } from "../src/core/cost-curve";
import { countInside, rangeOf } from "../src/core/ranges";
import type { Rule } from "../src/protocol/schema";
import { randomPicture } from "./fake";

describe("cost curve", () => {
  it("is read between the widths that were measured", () => {
    const taus = [0, 1, 2, 4];
    const values = [0.9, 0.5, 0.1, 0];
    expect(taus.map((tau) => valueAt(taus, values, tau))).toEqual(values);
    expect(valueAt(taus, values, 0.25)).toBeCloseTo(0.8, 12);
    // Too far from both, and beyond what was measured.
    expect(valueAt(taus, values, 3)).toBeNull();
    expect(valueAt([0, 1], [0.9, 0.5], 1.5)).toBeNull();
    expect(valueAt([], [], 1)).toBeNull();
    expect(valueAt([0, 1], [null, null], 0.5)).toBeNull();
  });

  it("finds the width that holds as much of the class as a band", () => {
    for (let seed = 1; seed < 20; seed++) {
      const data = randomPicture(seed);
      for (const rule of ["gaussian", "quantile", "discriminative"] as Rule[]) {
        const shares = sharesByWidth(data, 0, rule);
        expect(shares).toHaveLength(33);
        const sent = data.start[1];
        for (const tau of [0, 0.375, 1, 2.25]) {
          const share = countInside(data, rangeOf(data, 0, rule, tau))[0] / sent;
          const width = widthHolding(shares, share);
          // The narrowest of those that hold so much.
          expect(width).toBeLessThanOrEqual(tau);
          expect(shares[Math.ceil(width / 0.125)]).toBeGreaterThanOrEqual(share);
        }
        expect(widthHolding(shares, 2)).toBe(4);
      }
    }
    expect(widthHolding([0, 0.5, 1], 0.75)).toBeCloseTo(0.1875, 12);
  });

  it("is of one label and one mask, and of one neuron where it alone is masked", () => {
    const now = {
      neuron: 3,
      label: 1,
      rule: "gaussian" as Rule,
      top: 0.3,
      this_neuron_only: false,
    };
    expect(isOf({ ...now, neuron: null }, now)).toBe(true);
    expect(isOf({ ...now, top: 0.5 }, now)).toBe(false);
    expect(isOf({ ...now, label: 2 }, now)).toBe(false);
    const only = { ...now, this_neuron_only: true };
    expect(isOf({ ...only, top: 0.5 }, only)).toBe(true);
    expect(isOf({ ...only, neuron: 4 }, only)).toBe(false);
    expect(isOf({ ...now, neuron: null }, only)).toBe(false);
  });
});
