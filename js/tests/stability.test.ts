import { describe, expect, it } from "vitest";
import { stabilityOf } from "../src/core/stability";

const several = { size: 7, sources: 4 };
const one = { size: 7, sources: 1 };

describe("stability in words", () => {
  it.each([
    [0.49, "unstable 49%"],
    [0.5, "fairly stable 50%"],
    [0.75, "stable 75%"],
  ])("%f is said as %s", (recurs, text) => {
    expect(stabilityOf(several, recurs, "texts")?.text).toBe(text);
  });

  it("says of what half is drawn", () => {
    expect(stabilityOf(several, 1, "texts")?.question).toContain("half of the texts");
    expect(stabilityOf({ size: 7, sources: 7 }, 1, null)?.question).toContain(
      "half of the samples",
    );
  });

  it("says that a concept of one text was not tested, and why", () => {
    const said = stabilityOf(one, null, "texts");
    expect(said?.text).toBe("one text: not tested");
    expect(said?.question).toContain("All its samples are of one text");
    expect(stabilityOf(one, null, "images")?.text).toBe("one image: not tested");
  });

  it("is not known of others that were not tested", () => {
    expect(stabilityOf(several, null, "texts")).toBeNull();
    expect(stabilityOf({ size: 7, sources: 7 }, null, null)).toBeNull();
    expect(stabilityOf({ size: 1, sources: 1 }, null, "texts")).toBeNull();
  });
});
