import { describe, expect, it } from "vitest";
import { asChance, verdictOf } from "../src/core/verdict";
import type { NeuronScore, SuggestedCut } from "../src/protocol/schema";

const scores = (values: Record<string, number | null>): NeuronScore[] =>
  Object.entries(values).map(([name, value]) => ({
    name,
    title: name,
    value,
    about: "",
    main: false,
  }));
const cut = (best: string[]): SuggestedCut => ({ threshold: 1, concepts: 1, best, reasons: [] });

describe("verdict", () => {
  it.each([
    [{ geometry_p: 0.01, geometry_z: 12.3 }, "clearly several concepts, p ≤ 0.01"],
    [{ geometry_p: 0.0333, geometry_z: 2 }, "probably several concepts, p ≤ 0.033"],
    [{ geometry_p: 0.06, geometry_z: 1.6 }, "perhaps several concepts, p = 0.06"],
    [{ geometry_p: null, geometry_z: null }, null],
    [{}, null],
  ])("%j", (values, words) => {
    expect(verdictOf(scores(values), [cut(["gap"])])).toBe(words);
  });

  it("is chance's where samples without groups separate as clearly", () => {
    expect(asChance([cut(["gap"]), cut(["chance"])])).toBe(true);
    expect(asChance([cut(["gap"])])).toBe(false);
    const words = verdictOf(scores({ geometry_p: 0.01, geometry_z: 9 }), [cut(["chance"])]);
    expect(words).toBe("no clear groups (as chance)");
  });
});
