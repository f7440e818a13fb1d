import { describe, expect, it } from "vitest";
import { halvesOf } from "../src/core/halves";

const cuts = [
  { nodes: [9, 4], agreement: [0.9, 0.5], chance: [0.6, 0.45], high: [0.7, 0.5] },
  { nodes: [9, 3, 2], agreement: [0.8, null, 0.7], chance: [0.6, null, null], high: [0.7] },
] as Parameters<typeof halvesOf>[0];

describe("agreement of halves", () => {
  it("is that of the cut on the screen", () => {
    const shown = { agreement: 0.9, chance: 0.6, high: 0.7, asChance: false };
    expect(halvesOf(cuts, [9, 4], 9)).toEqual(shown);
    expect(halvesOf(cuts, [9, 3, 2], 9)?.agreement).toBe(0.8);
    expect(halvesOf(cuts, [9], 9)).toBeNull();
  });

  it("is by chance where 5% of permuted clusters agree as much, not only their mean", () => {
    expect(halvesOf(cuts, [9, 4], 4)?.asChance).toBe(true);
    expect(halvesOf(cuts, [9, 3, 2], 2)?.asChance).toBe(false);
  });

  it("is not known of a concept that no half has", () => {
    expect(halvesOf(cuts, [9, 3, 2], 3)).toBeNull();
  });
});
