import { describe, expect, it } from "vitest";
import { bandWords, howMany, levelOf, maskedCount, zOf } from "../src/core/band";
import { pictureOf } from "./fake";

const data = pictureOf([
  [0, 2, 4],
  [5, 5],
]);
const std = Math.sqrt(8 / 3);

describe("band", () => {
  it("is read as z-scores of the class", () => {
    expect(zOf(data, 0, 2 + 1.3 * std)).toBeCloseTo(1.3, 12);
    expect(zOf(data, 1, 5)).toBe(0);
    expect(zOf(data, 1, 4)).toBe(-Infinity);
    expect(bandWords(data, 0, "gaussian", [2 - 0.8 * std, 2 + 1.3 * std])).toBe(
      "z from −0.8 to 1.3",
    );
    expect(bandWords(data, 0, "discriminative", [-Infinity, 2])).toBe("z up to 0.0");
    expect(bandWords(data, 0, "gaussian", [2, Infinity])).toBe("z from 0.0");
    expect(bandWords(data, 0, "gaussian", [-Infinity, Infinity])).toBe("all values");
    expect(bandWords(data, 0, "gaussian", [-Infinity, 2 - std, 2, Infinity])).toBe(
      "z up to −1.0 and from 0.0",
    );
  });
  it("is read as quantiles by their rule", () => {
    expect(levelOf(data, 0, 2)).toBeCloseTo(2 / 3, 12);
    expect(bandWords(data, 0, "quantile", [0, 2])).toBe("quantiles from 33% to 67%");
    expect(bandWords(data, 0, "quantile", [-Infinity, 9])).toBe("quantiles up to 100%");
  });
});

describe("masked neurons", () => {
  it("are counted as Python counts them", () => {
    expect([0.5, 0.7, 0.1, 1].map((share) => howMany(share, 5))).toEqual([2, 4, 1, 5]);
    expect(howMany(0.3, 128)).toBe(38);
  });
  it("are the salient ones, and the one that is drawn on", () => {
    const mask = { top: 0.25, only: false, drawn: false };
    expect(maskedCount(data, 0, mask)).toBe(2);
    expect(maskedCount(data, 0, { ...mask, only: true })).toBe(1);
    const far = { ...data, rank: Int32Array.from([3, 2]) };
    expect(maskedCount(far, 0, { ...mask, drawn: true })).toBe(3);
    expect(maskedCount(far, 1, { ...mask, drawn: true })).toBe(2);
  });
});
