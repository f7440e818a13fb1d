/** Precision beside chance, on cases that can be worked out by hand. */
import { describe, expect, it } from "vitest";
import { precisionOf, sharedOf } from "../src/core/retrieved";
import type { Chance, Retrieved } from "../src/protocol/split";

const retrieved = (rows: number[], labels: number[]): Retrieved => ({
  rows: { cosine: Int32Array.from(rows), dot: Int32Array.from(rows).reverse() },
  labels: { cosine: Int32Array.from(labels), dot: new Int32Array(labels.length) },
  activations: null,
  percentile: { cosine: 90, dot: 80 },
  cosine: 1,
  recurs: 1,
});
// Two readings, sizes 4 and 16, labels 2 and 7.
const chance: Chance = {
  sizes: Int32Array.from([4, 16]),
  labels: Int32Array.from([2, 7]),
  mean: Float32Array.from([0.1, 0.25, 0.5, 0.5, 0, 0, 0.75, 1]),
  high: Float32Array.from([0.25, 0.5, 0.5, 1, 0, 0, 0.75, 1]),
};
const concept = { label: 7, labelled: 8, purity: 0.75, size: 8 };
const labels = [7, 7, 7, 1];

describe("precision", () => {
  it("is the share of the concept's own label, beside chance at its size", () => {
    const found = precisionOf(concept, retrieved([1, 2, 3, 4], labels), "cosine", chance);
    // Size 8 is half way from 4 to 16 on a logarithmic scale.
    expect(found).toEqual({ value: 0.75, chance: 0.375, high: 0.75, level: false });
    expect(precisionOf(concept, retrieved([1, 2, 3, 4], labels), "dot", chance)).toEqual({
      value: 0,
      chance: 0.5,
      high: 0.5,
      level: true,
    });
  });
  it("is at chance up to five points above what groups have on average", () => {
    const rows = Array.from({ length: 40 }, (_, i) => i);
    const of = (hits: number) => {
      const some = retrieved(
        rows,
        rows.map((i) => (i < hits ? 7 : 1)),
      );
      return precisionOf(concept, some, "cosine", chance)?.level;
    };
    // Chance has 0.375: 16 of 40 are 0.4, 17 are 0.425.
    expect(of(16)).toBe(true);
    expect(of(17)).toBe(false);
  });
  it("takes the nearest size beyond those that were measured", () => {
    const some = retrieved([1, 2, 3, 4], labels);
    const at = (size: number) =>
      precisionOf({ ...concept, size, labelled: size }, some, "cosine", chance)?.chance;
    expect(at(2)).toBe(0.25);
    expect(at(4)).toBe(0.25);
    expect(at(16)).toBe(0.5);
    expect(at(90)).toBe(0.5);
  });
  it("is none where half or fewer of its samples agree, and stands alone without chance", () => {
    const some = retrieved([1, 2, 3, 4], labels);
    expect(precisionOf({ ...concept, purity: 0.5 }, some, "cosine", chance)).toBeNull();
    expect(precisionOf({ ...concept, label: -1 }, some, "cosine", chance)).toBeNull();
    expect(precisionOf({ ...concept, labelled: 5 }, some, "cosine", chance)).toBeNull();
    const alone = { value: 0.75, chance: null, high: null, level: false };
    expect(precisionOf(concept, some, "cosine", null)).toEqual(alone);
    expect(precisionOf({ ...concept, label: 1 }, some, "cosine", chance)?.chance).toBeNull();
  });
});

describe("shared", () => {
  it("is what another concept retrieves too", () => {
    const some = [retrieved([1, 2, 3, 4], labels), null, retrieved([4, 5, 6, 7], labels)];
    expect(sharedOf(some, "cosine")).toEqual([0.25, null, 0.25]);
    expect(sharedOf([retrieved([1, 2], labels)], "cosine")).toEqual([0]);
    expect(sharedOf([], "dot")).toEqual([]);
  });
});
