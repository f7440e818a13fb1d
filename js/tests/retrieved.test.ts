/** Precision beside chance, on cases that can be worked out by hand. */
import { describe, expect, it } from "vitest";
import { precisionOf, sharedOf, tail } from "../src/core/retrieved";
import type { Chance, Retrieved } from "../src/protocol/split";

const retrieved = (rows: number[], cosine: number | null = 0.75, count = 4): Retrieved => ({
  rows: { cosine: Int32Array.from(rows), dot: Int32Array.from(rows).reverse() },
  labels: { cosine: new Int32Array(rows.length), dot: new Int32Array(rows.length) },
  activations: null,
  precision: { cosine, dot: 0 },
  precisionOf: count,
  percentile: { cosine: 90, dot: 80 },
  cosine: 1,
  recurs: 1,
});
// Two readings, sizes 4 and 16, labels 2 and 7.
const chance: Chance = {
  sizes: Int32Array.from([4, 16]),
  labels: Int32Array.from([2, 7]),
  mean: Float32Array.from([0.1, 0.25, 0.5, 0.5, 0, 0, 0.75, 1]),
  high: Float32Array.from([0.25, 0.375, 0.5, 0.625, 0, 0, 0.75, 1]),
};
const concept = { label: 7, size: 8 };
const some = retrieved([1, 2, 3, 4]);

describe("precision", () => {
  it("is the share of the concept's own label, beside chance at its size", () => {
    // Size 8 is half way from 4 to 16 on a logarithmic scale. Chance has three of four in 15%.
    const cosine = precisionOf(concept, some, "cosine", chance);
    expect(cosine).toEqual({ value: 0.75, count: 4, chance: 0.375, high: 0.5, level: true });
    const dot = precisionOf(concept, some, "dot", chance);
    expect(dot).toEqual({ value: 0, count: 4, chance: 0.5, high: 0.5, level: true });
  });
  it("is at chance where chance reaches it in more than one of twenty cases", () => {
    const of = (hits: number) =>
      precisionOf(concept, retrieved([], hits / 40, 40), "cosine", chance)?.level;
    // Binomial, 40 at 0.375: 20 or more in 7.2%, 21 or more in 3.8%.
    expect(tail(20, 40, 0.375)).toBeCloseTo(0.0724, 4);
    expect(tail(21, 40, 0.375)).toBeCloseTo(0.0379, 4);
    expect(of(20)).toBe(true);
    expect(of(21)).toBe(false);
  });
  it("is at chance where one in twenty random groups has as much", () => {
    const of = (hits: number) =>
      precisionOf({ label: 7, size: 4 }, retrieved([], hits / 40, 40), "cosine", {
        ...chance,
        mean: chance.mean.map(() => 0.25),
        high: chance.high.map(() => 0.6),
      })?.level;
    // Groups differ more than a binomial of their mean: 18 of 40 are 0.5% there.
    expect(tail(18, 40, 0.25)).toBeLessThan(0.01);
    expect([of(18), of(24), of(25)]).toEqual([true, true, false]);
  });
  it("of few samples is at chance, unless chance is rare", () => {
    const of = (size: number) =>
      precisionOf({ ...concept, size }, retrieved([], 1, 2), "cosine", chance)?.level;
    // Two of two: 0.25 squared is 6.3%, 0.1 squared 1%.
    expect(of(4)).toBe(true);
    const other = { label: 2, size: 4 };
    expect(precisionOf(other, retrieved([], 1, 2), "cosine", chance)?.level).toBe(false);
  });
  it("takes the nearest size beyond those that were measured", () => {
    const at = (size: number, measured = chance) =>
      precisionOf({ ...concept, size }, some, "cosine", measured)?.chance;
    expect(at(2)).toBe(0.25);
    expect(at(4)).toBe(0.25);
    expect(at(16)).toBe(0.5);
    expect(at(90)).toBe(0.5);
    // Groups of 16 hold all samples of the label.
    const mean = Float32Array.from([0.1, 0.25, 0.5, Number.NaN, 0, 0, 0.75, 1]);
    expect(at(8, { ...chance, mean })).toBe(0.25);
    expect(at(90, { ...chance, mean })).toBeNull();
  });
  it("is none where Python has none, and stands alone without chance", () => {
    expect(precisionOf(concept, retrieved([], null), "cosine", chance)).toBeNull();
    const alone = { value: 0.75, count: 4, chance: null, high: null, level: false };
    expect(precisionOf(concept, some, "cosine", null)).toEqual(alone);
    expect(precisionOf({ ...concept, label: 1 }, some, "cosine", chance)?.chance).toBeNull();
  });
  it("knows the binomial distribution", () => {
    expect([tail(0, 5, 0.3), tail(3, 5, 0), tail(3, 5, 1)]).toEqual([1, 0, 1]);
    expect(tail(5, 5, 0.5)).toBeCloseTo(1 / 32, 12);
    expect(tail(1, 5, 0.5)).toBeCloseTo(31 / 32, 12);
  });
});

describe("shared", () => {
  it("is what another concept retrieves too", () => {
    const all = [retrieved([1, 2, 3, 4]), null, retrieved([4, 5, 6, 7])];
    expect(sharedOf(all, "cosine")).toEqual([0.25, null, 0.25]);
    expect(sharedOf([retrieved([1, 2])], "cosine")).toEqual([0]);
    expect(sharedOf([], "dot")).toEqual([]);
  });
});
