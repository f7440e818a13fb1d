import { describe, expect, it } from "vitest";
import {
  between,
  counted,
  fromTo,
  fromUnit,
  keyed,
  rounded,
  short,
  toUnit,
  typed,
} from "../src/core/scale";
import { decimal } from "../src/view/number-field";

describe("square-root scale", () => {
  it("goes there and back", () => {
    for (const h of [0, 0.3, 5, 12.25])
      expect(fromUnit(toUnit(h, 12.25), 12.25)).toBeCloseTo(h, 10);
  });
  it("reaches a little above the root and stops at its ends", () => {
    expect(fromUnit(1, 10)).toBeGreaterThan(10);
    expect(toUnit(1e9, 10)).toBe(1);
    expect(toUnit(-1, 10)).toBe(0);
  });
  it("stands a tree without height", () => {
    expect(toUnit(0, 0)).toBe(0);
    expect(fromUnit(0.5, 0)).toBe(0);
  });
  it("gives the comb at most a seventh, and stays monotonic and invertible", () => {
    for (const comb of [0, 0.01, 3, 9.9]) {
      let last = -1;
      for (const height of [0, 0.05, 1, 2.9, 3, 3.1, 6, 9.9, 10]) {
        const unit = toUnit(height, 10, comb);
        expect(unit).toBeGreaterThan(last);
        expect(fromUnit(unit, 10, comb)).toBeCloseTo(height, 9);
        last = unit;
      }
      expect(toUnit(0, 10, comb)).toBe(0);
      expect(fromUnit(1, 10, comb)).toBeCloseTo(10.2, 9);
    }
    expect(toUnit(3, 10, 3)).toBeCloseTo(0.15);
    expect(toUnit(0.01, 10, 0.01)).toBe(toUnit(0.01, 10));
  });
  it("finds the middle as the eye sees it", () => {
    expect(between(1, 9)).toBe(4);
  });
});

describe("keys", () => {
  it("moves finely, coarsely and to the ends", () => {
    const fine = (keyed(0.5, "ArrowUp", false) as number) - 0.5;
    const coarse = (keyed(0.5, "ArrowUp", true) as number) - 0.5;
    expect(coarse).toBeGreaterThan(5 * fine);
    expect(keyed(0.5, "Home", false)).toBe(0);
    expect(keyed(0.5, "End", false)).toBe(1);
    expect(keyed(0, "ArrowLeft", false)).toBe(0);
    expect(keyed(0.5, "a", false)).toBeNull();
  });
});

describe("numbers", () => {
  it.each([
    [0.7192, "0.72"],
    [124, "124"],
    [0.00123, "0.0012"],
  ])("%d is %s in two figures", (value, text) => expect(rounded(value)).toBe(text));
  it.each([
    [21.2837, "21.28"],
    [0, "0"],
    [0.00012345, "1.23e−4"],
    [123456.7, "123,457"],
    [Number.NaN, "–"],
  ])("%d is %s", (value, text) => expect(short(value)).toBe(text));
  it.each([
    [1.10512, "1.105"],
    [-0.00123456, "-0.001235"],
    [1.6966e-6, "1.697e-6"],
    [123456789012, "1.235e11"],
  ])("%d is %s in a field, which has room for it and reads it again", (value, text) => {
    expect(typed(value)).toBe(text);
    expect(decimal(text)).toBeCloseTo(value, -Math.log10(Math.abs(value) * 1e-3));
  });

  it.each([
    [0, "0 samples"],
    [1, "1 sample"],
    [2000, "2,000 samples"],
  ])("%d of them are %s", (n, text) => expect(counted(n, "sample")).toBe(text));

  describe("two numbers", () => {
    it.each([
      [1, 2, "1 to 2"],
      [0.999999, 1.000001, "0.999999 to 1"],
      [1, 1, "1 to 1"],
      [1, 1 + 1e-12, "1 to 1"],
      [12345.2, 12345.6, "12,345 to 12,346"],
      [1.0001e-7, 1.0002e-7, "1.0001e−7 to 1.0002e−7"],
      [-0.5, 3, "−0.5 to 3"],
    ])("%d and %d are %s", (low, high, text) => expect(fromTo(low, high)).toBe(text));
  });
});
