import { describe, expect, it } from "vitest";
import { halvesOf } from "../src/core/halves";

const cuts = [
  { nodes: [9, 4], agreement: [0.9, 0.5], chance: [0.6, 0.5] },
  { nodes: [9, 3, 2], agreement: [0.8, null, 0.7], chance: [0.6, null, null] },
];

describe("agreement of halves", () => {
  it("is that of the cut on the screen", () => {
    expect(halvesOf(cuts, [9, 4], 9)).toEqual({ agreement: 0.9, chance: 0.6, asChance: false });
    expect(halvesOf(cuts, [9, 3, 2], 9)?.agreement).toBe(0.8);
    expect(halvesOf(cuts, [9], 9)).toBeNull();
  });

  it("is by chance where permuted clusters agree as much", () => {
    expect(halvesOf(cuts, [9, 4], 4)?.asChance).toBe(true);
    expect(halvesOf(cuts, [9, 3, 2], 2)).toEqual({ agreement: 0.7, chance: null, asChance: false });
  });

  it("is not known of a concept that no half has", () => {
    expect(halvesOf(cuts, [9, 3, 2], 3)).toBeNull();
  });
});
