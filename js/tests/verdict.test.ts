import { describe, expect, it } from "vitest";
import { asChance, atRest, verdictOf } from "../src/core/verdict";
import type { NeuronScore, SuggestedCut } from "../src/protocol/schema";

const scores = (values: Record<string, number | null>): NeuronScore[] =>
  Object.entries(values).map(([name, value]) => ({
    name,
    title: name,
    value,
    about: "",
    main: false,
  }));
const cut = (best: string[], concepts = 2): SuggestedCut => ({
  threshold: 1,
  concepts,
  best,
  reasons: [],
});

describe("verdict", () => {
  it.each([
    [{ geometry_p: 0.01, geometry_z: 12.3 }, "clearly several concepts, p ≤ 0.01"],
    [{ geometry_p: 0.0333, geometry_z: 2 }, "probably several concepts, p ≤ 0.033"],
    [{ geometry_p: 0.06, geometry_z: 1.6 }, "perhaps several concepts, p = 0.06"],
    [{ geometry_p: 0.4, geometry_z: 0.2 }, "no clear groups (as chance)"],
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

  it("knows a neuron at rest", () => {
    expect(atRest([cut(["rest"], 1)])).toBe(true);
    expect(atRest([cut(["gap"])])).toBe(false);
  });

  it("is chance's where no cut has several concepts", () => {
    const words = verdictOf(scores({ geometry_p: 1, geometry_z: null }), [cut(["gap"], 1)]);
    expect(words).toBe("no clear groups (as chance)");
  });
});
