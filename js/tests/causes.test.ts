/** Bars of what the model loses: which cut they are of, their scale, their words. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { causeOf, cutOf, gainsOf, scaleOf, verdictOf } from "../src/core/causes";
import type { Concept } from "../src/core/concepts";
import { type Cause, type Causes, type Interval, readEvidence } from "../src/protocol/split";
import { treeOf } from "../src/protocol/tree";

const about = (value: number, half = 0.1): Interval => ({
  value,
  low: value - half,
  high: value + half,
});
const losses = (own: number, siblings: number, others: number) => ({
  own: about(own),
  siblings: about(siblings),
  others: about(others),
});
const cause = (own: number, siblings = 0, random = 0): Cause => ({
  concept: losses(own, siblings, 0),
  neuron: losses(0.3, 0.2, 0.1),
  random: losses(random, 0, Number.NaN),
  above: about(own - random),
  selectivity: about(own - siblings),
});

describe("what breaks without a concept", () => {
  it("is read as Python packed it, cut by cut", () => {
    const bytes = readFileSync(
      new URL("../../tests/protocol/image-effects.safetensors", import.meta.url),
    );
    const message = readEvidence(new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
    const causes = message?.causes as Causes;
    expect(causes.able).toBe(true);
    expect(causes.cuts.map(({ nodes, samples, note }) => [nodes.length, samples, note])).toEqual([
      [2, 50, ""],
      [1, 0, "no labels"],
    ]);
    const [first, second] = causes.cuts;
    // Numbers count up, as the golden message was written.
    expect(first.of[0].concept.own).toEqual({ value: 0, low: 0.25, high: 0.5 });
    expect(first.of[0].neuron.own.value).toBe(2.25);
    expect(first.of[1].concept.own.value).toBe(6.75);
    expect(first.of[1].above).toEqual({ value: 0.75, low: 1, high: 1.25 });
    expect(first.gain.value).toBe(0);
    expect(second.of[0].concept.own.value).toBeNaN();
  });

  it("belongs to the cut with just these concepts", () => {
    const cut = {
      nodes: [7, 9],
      findings: [],
      samples: 3,
      note: "",
      gain: about(0),
      of: [cause(1), cause(2)],
    };
    const causes = { able: true, kl: 0.01, cuts: [cut] };
    expect(cutOf(causes, [9, 7])).toBe(cut);
    expect(cutOf(causes, [7])).toBeNull();
    expect(cutOf(causes, [7, 9, 11])).toBeNull();
    // k-means membership at one height is not that of the tree, nor at another height.
    expect(cutOf(causes, [7, 9], 0.5)).toBeNull();
    const refined = { ...cut, refined: 0.5 };
    expect(cutOf({ ...causes, cuts: [cut, refined] }, [7, 9], 0.5)).toBe(refined);
  });

  it("is of a node, by k-means of a place, and not known before it is measured", () => {
    const cut = { nodes: [7, -1], findings: [], samples: 3, note: "", gain: about(0) };
    const of = [cause(1), cause(2)];
    const concept = (node: number, number: number, refined = false) =>
      ({ node, number, refined }) as Concept;
    expect(causeOf({ ...cut, nodes: [9, 7], of }, concept(7, 1))).toBe(of[1]);
    expect(causeOf({ ...cut, of }, concept(-1, 2, true))).toBe(of[1]);
    expect(causeOf({ ...cut, of, done: 1 }, concept(-1, 2, true))).toBeNull();
    expect(causeOf({ ...cut, of, done: 1 }, concept(7, 1, true))).toBe(of[0]);
    expect(causeOf({ ...cut, of, note: "no labels" }, concept(7, 1, true))).toBeNull();
    expect(cutOf(null, [7])).toBeNull();
  });

  it("has one scale, which holds zero, intervals and controls", () => {
    const [low, high] = scaleOf([cause(2, -1), cause(0.5)]);
    expect([low, high]).toEqual([-1.1, 2.1]);
    expect(scaleOf([cause(0.1)])[1]).toBe(0.3);
    expect(scaleOf([])).toEqual([0, 1]);
  });

  it("has a gain over the heights at which its cut holds", () => {
    // Leaves 0 to 3; 4 joins 0 and 1, 5 joins 2 and 3, 6 is the root.
    const tree = treeOf(Int32Array.of(0, 1, 2, 3, 4, 5), Float64Array.of(1, 2, 4));
    const cut = (nodes: number[], gain: number, note = "") => ({
      nodes,
      findings: [],
      samples: 3,
      note,
      gain: about(gain),
      of: [],
    });
    const cuts = [cut([6], 0.1), cut([4, 5], 0.5), cut([4], Number.NaN), cut([5], 1, "no labels")];
    const gains = gainsOf({ able: true, kl: 0.01, cuts }, tree);
    expect(gains.map(({ from, to, concepts, value }) => [from, to, concepts, value])).toEqual([
      [2, 4, 2, 0.5],
      [4, 4.08, 1, 0.1],
    ]);
    expect(gainsOf(null, tree)).toEqual([]);
  });

  it("is said in words, pale where a random direction may do as much", () => {
    expect(verdictOf(cause(2))).toEqual({ word: "selective", chance: false });
    expect(verdictOf(cause(2, 2))).toEqual({ word: "not selective", chance: false });
    expect(verdictOf(cause(2, 0, 1.95))).toEqual({
      word: "not clearly above random",
      chance: true,
    });
    expect(verdictOf(cause(Number.NaN)).chance).toBe(true);
  });
});
