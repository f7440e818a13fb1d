import { describe, expect, it } from "vitest";
import { saidCut, saidNone, spokenCut } from "../src/core/said-cut";

describe("a cut in words", () => {
  it("has the number of concepts and the height", () => {
    expect(saidCut(4, 0.83714)).toBe("4 concepts at 0.8371");
    expect(saidCut(1, 2)).toBe("1 concept at 2");
  });
  it("has the concepts' names for people who hear it, but not dozens", () => {
    expect(spokenCut([], 2)).toBe("0 concepts at 2");
    expect(spokenCut(["Plant", "سلام"], 2)).toBe("2 concepts at 2: Plant, \u2068سلام\u2069");
    const many = Array.from({ length: 9 }, (_, i) => `C${i}`);
    expect(spokenCut(many, 2)).toBe("9 concepts at 2: C0, C1, C2, C3, C4, C5 and 3 more");
  });
  it("says why it has no concept, and what to do", () => {
    expect(saidNone(false, false, 5)).toMatch(/^No cluster has 5 samples.*Raise the cut height/);
    // No height helps where k-means takes all samples for outliers.
    expect(saidNone(false, true, 5)).toMatch(/^k-means leaves no concept here.*Switch it off/);
    expect(saidNone(false, true, 5)).not.toContain("Raise");
    expect(saidNone(true, false, 5)).toContain("at rest");
  });
});
