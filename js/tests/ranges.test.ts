import { describe, expect, it } from "vitest";
import { barAt, countInside, isInside, quantileAt, rangeOf, sharesOf } from "../src/core/ranges";
import type { Rule } from "../src/protocol/schema";
import { firstOf, pictureOf, random, randomPicture } from "./fake";

const RULES: Rule[] = ["gaussian", "quantile", "discriminative"];
const seeds = Array.from({ length: 40 }, (_, i) => i + 1);

describe("rules", () => {
  it("gaussian: tau standard deviations about the mean", () => {
    const data = pictureOf([[0, 2, 4]]);
    const [low, high] = rangeOf(data, 0, "gaussian", 2);
    const std = Math.sqrt(8 / 3);
    expect(low).toBeCloseTo(2 - 2 * std, 12);
    expect(high).toBeCloseTo(2 + 2 * std, 12);
    expect(rangeOf(data, 0, "gaussian", 0)).toEqual([2, 2]);
  });

  it("quantile: between those that were sent, and no further", () => {
    const data = { ...pictureOf([[0], [0]]), scores: [-4, 0, 4] };
    data.quantile = Float64Array.from([0, 0, 0, -10, 2, 30]);
    expect(rangeOf(data, 1, "quantile", 2)).toEqual([-4, 16]);
    expect(rangeOf(data, 1, "quantile", 0)).toEqual([2, 2]);
    expect(rangeOf(data, 1, "quantile", 9)).toEqual([-10, 30]);
    expect(quantileAt(data, 1, -4)).toBe(-10);
    expect(quantileAt(data, 0, 1.3)).toBe(0);
  });

  it("discriminative: where the class has enough, in pieces, open at the ends", () => {
    const data = pictureOf([[0], [0]], 5, [0, 5]);
    const density = Float32Array.from([0.5, 0.1, 0.2, 0, 0.2, 0.04, 0.2, 0.2, 0.56, 0]);
    data.first = firstOf(density, 5);
    // The fake asks for all of a bin at 0, for half of it at 2, for nothing at 4.
    expect(rangeOf(data, 0, "discriminative", 0)).toEqual([4, Infinity]);
    expect(rangeOf(data, 0, "discriminative", 0.5)).toEqual([-Infinity, 1, 4, Infinity]);
    expect(rangeOf(data, 0, "discriminative", 2)).toEqual([-Infinity, 1, 2, 3, 4, Infinity]);
    // Where there is nothing of the class there is no range of it.
    expect(rangeOf(data, 0, "discriminative", 4)).toEqual([-Infinity, 3, 4, Infinity]);
    expect(rangeOf(data, 1, "discriminative", 0)).toEqual([3, 4]);
    data.first = firstOf(density.copyWithin(5, 0, 5), 5);
    expect(rangeOf(data, 0, "discriminative", 1.9)).toEqual([]);
  });

  it("discriminative: how dense it is at least, never more than it is", () => {
    const data = pictureOf([[0], [0]]);
    expect(barAt(data, 1, 0)).toBeGreaterThan(999);
    expect(barAt(data, 1, 4)).toBe(0);
    for (let step = 1; step < 400; step++) {
      const [said, ratio] = [barAt(data, 1, step / 100), (400 - step) / step];
      expect(said).toBeLessThanOrEqual(ratio);
      if (step > 20 && step < 380) expect(said).toBeGreaterThan(0.7 * ratio);
    }
  });

  it("discriminative: bin by bin", () => {
    for (const seed of seeds) {
      const data = randomPicture(seed);
      const bins = data.edges.length - 1;
      const classes = data.labels.length;
      for (const tau of [0, 0.3, 1, 1.7, 2.5, 4]) {
        const c = seed % classes;
        const pieces = rangeOf(data, c, "discriminative", tau);
        for (let b = 0; b < bins; b++) {
          const own = data.density[c * bins + b];
          let others = 0;
          for (let k = 0; k < classes; k++) if (k !== c) others += data.density[k * bins + b];
          const mean = others / Math.max(1, classes - 1);
          const enough = own > 1e-9 && own - (1 - tau / 4) * (own + mean);
          // Sums in another order differ by rounding.
          if (enough === false || Math.abs(enough) > 1e-9)
            expect(isInside(pieces, (data.edges[b] + data.edges[b + 1]) / 2)).toBe(
              enough !== false && enough > 0,
            );
        }
      }
    }
  });

  it("are ascending and disjoint, and grow with tau", () => {
    for (const seed of seeds) {
      const data = randomPicture(seed);
      for (const rule of RULES) {
        let last = -1;
        for (let tau = 0; tau <= 4; tau += 0.25) {
          const pieces = rangeOf(data, 0, rule, tau);
          for (let i = 0; i < pieces.length; i++) {
            if (i % 2) expect(pieces[i]).toBeGreaterThanOrEqual(pieces[i - 1]);
            else if (i) expect(pieces[i]).toBeGreaterThan(pieces[i - 1]);
          }
          const inside = countInside(data, pieces)[0];
          expect(inside).toBeGreaterThanOrEqual(last);
          last = inside;
        }
      }
    }
  });

  it("a class without width has a range of one value", () => {
    const data = pictureOf([
      [3, 3, 3],
      [1, 5],
    ]);
    expect(rangeOf(data, 0, "gaussian", 2)).toEqual([3, 3]);
    expect(rangeOf(data, 0, "quantile", 4)).toEqual([3, 3]);
    expect(Array.from(countInside(data, [3, 3]))).toEqual([3, 0]);
  });

  it("a single class has all rules", () => {
    const data = pictureOf([[1, 2, 3, 4]]);
    for (const rule of RULES) {
      const counts = countInside(data, rangeOf(data, 0, rule, 4));
      expect(counts[0]).toBe(4);
      expect(sharesOf(data, counts, 0)).toEqual([1, Number.NaN]);
    }
  });

  it("a class that says why has none", () => {
    const data = { ...pictureOf([[1], [1, 2]]), why: ["only one sample", ""] };
    for (const rule of RULES) expect(rangeOf(data, 0, rule, 2)).toEqual([]);
    expect(Array.from(countInside(data, []))).toEqual([0, 0]);
  });
});

describe("counts", () => {
  it("agree with looking at every sample", () => {
    for (const seed of seeds) {
      const data = randomPicture(seed);
      const next = random(seed + 1000);
      const low = data.edges[0];
      const span = data.edges[data.edges.length - 1] - low;
      const ends = Array.from({ length: 2 * (1 + Math.floor(next() * 4)) }, () =>
        // Often exactly a sample's value: both ends belong to the range.
        next() < 0.4
          ? data.activation[Math.floor(next() * data.activation.length)]
          : low + next() * span,
      ).sort((a, b) => a - b);
      if (next() < 0.3) ends[0] = -Infinity;
      if (next() < 0.3) ends[ends.length - 1] = Infinity;
      const brute = data.labels.map(
        (_, c) =>
          data.activation
            .subarray(data.start[c], data.start[c + 1])
            .filter((v) => isInside(ends, v)).length,
      );
      expect(Array.from(countInside(data, ends))).toEqual(brute);
    }
  });

  it("count ties and both ends", () => {
    const data = pictureOf([[1, 2, 2, 2, 3]]);
    expect(countInside(data, [2, 2])[0]).toBe(3);
    expect(countInside(data, [1, 2])[0]).toBe(4);
    expect(countInside(data, [1.5, 1.9])[0]).toBe(0);
    expect(countInside(data, [1, 2, 2, 3])[0]).toBe(5);
    expect(countInside(data, [-Infinity, Infinity])[0]).toBe(5);
  });

  it("say the share of the class and of all others", () => {
    const data = pictureOf([
      [1, 2, 3, 4],
      [3, 4],
      [9, 9],
    ]);
    expect(sharesOf(data, countInside(data, [2, 4]), 0)).toEqual([0.75, 0.5]);
    // Those that were sent stand for their class.
    const large = { ...data, count: [400, 200, 600] };
    expect(sharesOf(large, countInside(large, [2, 4]), 0)).toEqual([0.75, 0.25]);
  });
});
