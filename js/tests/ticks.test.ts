import { describe, expect, it } from "vitest";
import { heightTicks } from "../src/core/axis";
import { toUnit } from "../src/core/scale";
import { ticksOf } from "../src/core/ticks";
import type { SuggestedCut } from "../src/protocol/schema";
import { random } from "./fake";

const suggestion = (threshold: number, concepts: number, best: string[] = []): SuggestedCut => ({
  threshold,
  concepts,
  best,
  reasons: ["gap: so and so"],
});

describe("ticks", () => {
  it("stand at their height, from the top, with their reasons", () => {
    const ticks = ticksOf([suggestion(25, 2, ["gap", "stable"]), suggestion(1, 5)], 100, 300);
    expect(ticks.map(({ words }) => words)).toEqual([["wide gap", "most stable"], []]);
    for (const tick of ticks) expect(tick.y).toBe(tick.at);
    expect(ticks[0].at).toBeCloseTo(300 * (1 - 0.5 / Math.sqrt(1.02)));
  });

  it("leave out gaps without room, and move the best of a kind instead", () => {
    const near = [suggestion(50, 2, ["gap"]), suggestion(49, 3), suggestion(48, 4, ["stable"])];
    const ticks = ticksOf(near, 100, 300);
    expect(ticks.map((tick) => tick.concepts)).toEqual([2, 4]);
    expect(ticks[1].y).toBeGreaterThan(ticks[1].at);
    expect(ticks[1].y - ticks[0].y).toBeGreaterThanOrEqual(13);
  });

  it("never overlap nor leave the tree, can each be hit, and the best are all there", () => {
    const next = random(4);
    for (let round = 0; round < 200; round++) {
      const free = ["gap", "silhouette", "stable"];
      const made = Array.from({ length: 1 + Math.floor(next() * 12) }, (_, i) =>
        suggestion(102 * next() ** 3, i + 1, free.splice(0, Math.floor(next() * 3))),
      );
      const ticks = ticksOf(made, 100, 300);
      for (let i = 1; i < ticks.length; i++)
        expect(ticks[i].y - ticks[i - 1].y).toBeGreaterThanOrEqual(24 - 1e-9);
      const spans = ticks
        .map(({ y, words }) => [y - 6.5 * (1 + words.length), y + 6.5 * (1 + words.length)])
        .sort((a, b) => a[0] - b[0]);
      for (let i = 1; i < spans.length; i++) expect(spans[i][0]).toBeGreaterThan(spans[i - 1][1]);
      // The words are in the order of the ticks.
      expect(ticks.map(({ y }) => y)).toEqual(ticks.map(({ y }) => y).sort((a, b) => a - b));
      expect(ticks.map(({ at }) => at)).toEqual(ticks.map(({ at }) => at).sort((a, b) => a - b));
      for (const [from, to] of spans) {
        expect(from).toBeGreaterThanOrEqual(-6.5);
        expect(to).toBeLessThanOrEqual(306.5);
      }
      expect(ticks.filter((tick) => tick.best.length).length).toBe(
        made.filter((one) => one.best.length).length,
      );
    }
  });

  it("are none for a tree without suggestions, and one at the ground for equal samples", () => {
    expect(ticksOf([], 5, 300)).toEqual([]);
    expect(ticksOf([suggestion(0, 1)], 0, 300)[0].y).toBe(300);
  });
});

describe("the scale beside the tree", () => {
  it.each([
    [0.5, 2.2],
    [1.3, 2.4],
    [0.5, 5],
    [0, 812],
  ])("has three to six round heights from %d to %d", (comb, top) => {
    const heights = heightTicks(comb, top);
    expect(heights[0]).toBe(0);
    expect(heights.length).toBeGreaterThanOrEqual(3);
    expect(heights.length).toBeLessThanOrEqual(6);
    expect(heights).toEqual([...heights].sort((a, b) => a - b));
    const places = heights.map((height) => toUnit(height, top, comb) * 304);
    for (let i = 1; i < places.length; i++) expect(places[i] - places[i - 1]).toBeGreaterThan(14);
  });
  it("stands a tree without height", () => expect(heightTicks(0, 0)).toEqual([0]));
});
