import { describe, expect, it } from "vitest";
import { mapDifference } from "../src/core/map-difference";

describe("the difference of two maps", () => {
  it("is the second less the first, with one scale for both signs", () => {
    const found = mapDifference([0, 1, 2, 0], [0.5, 1, 0, 0]);
    expect(Array.from(found?.changes ?? [])).toEqual([0.5, 0, -2, 0]);
    expect(found?.most).toBe(2);
    expect(found?.at).toBe(2);
  });

  it("has no place where nothing differs", () => {
    expect(mapDifference([1, 2], [1, 2])).toMatchObject({ most: 0, at: -1 });
  });

  it("is none of maps of different sizes, nor of no map", () => {
    expect(mapDifference([1, 2, 3, 4], [1])).toBeNull();
    expect(mapDifference([], [])).toBeNull();
  });
});
