/** Matching concepts with known features: closed cases, and Python's own calibration. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { assigned } from "../src/core/assignment";
import { cutAt, refinedAt } from "../src/core/concepts";
import { type Recovery, recoveryOf } from "../src/core/recovery";
import { readRefinement, readTree } from "../src/protocol/split";
import type { TruthOfTree } from "../src/protocol/truth";
import { nearestOf, summary } from "../src/widgets/split-explorer/truth";
import { random } from "./fake";

const golden = new URL("../../tests/protocol/", import.meta.url);
const message = (name: string): DataView => {
  const bytes = readFileSync(new URL(`${name}.safetensors`, golden));
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
};
const rowsOf = (score: number[][]) => score.map((row) => Float64Array.from(row));
const sumOf = (score: number[][], columns: Int32Array) =>
  columns.reduce((sum, c, r) => sum + (c < 0 ? 0 : score[r][c]), 0);

interface Said {
  threshold: number;
  nearest: number[];
  cosine: number[];
  found: number[];
  true: number[];
  recovered: number;
  missed: number[];
  median: number | null;
}
const python: {
  cuts: Said[];
  refined: Said;
  assignments: { score: number[][]; sum: number; found: number[]; true: number[]; ties: boolean }[];
} = JSON.parse(readFileSync(new URL("recovery.json", golden), "utf-8"));

describe("assignment", () => {
  it.each([
    // The best of each row is the same column: the second best pays more for one of them.
    {
      score: [
        [9, 8],
        [9, 1],
      ],
      want: [1, 0],
    },
    {
      score: [
        [9, 1],
        [9, 8],
      ],
      want: [0, 1],
    },
    { score: [[1, 2, 3]], want: [2] },
    { score: [[1], [3], [2]], want: [-1, 0, -1] },
    {
      score: [
        [-5, -1],
        [-1, -5],
      ],
      want: [1, 0],
    },
    {
      score: [
        [7, 5, 0],
        [6, 0, 0],
        [0, 4, 1],
      ],
      want: [1, 0, 2],
    },
    { score: [], want: [] },
    { score: [[], []], want: [-1, -1] },
  ])("$score", ({ score, want }) => {
    expect(Array.from(assigned(rowsOf(score), score[0]?.length ?? 3))).toEqual(want);
  });

  it("is the best of all for small ones", () => {
    const next = random(4);
    const best = (score: number[][], row: number, free: number[]): number =>
      row === score.length
        ? 0
        : Math.max(
            ...free.map(
              (c) =>
                score[row][c] +
                best(
                  score,
                  row + 1,
                  free.filter((d) => d !== c),
                ),
            ),
          );
    for (let round = 0; round < 60; round++) {
      const [rows, extra] = [1 + Math.floor(next() * 5), Math.floor(next() * 3)];
      const columns = rows + extra;
      const score = Array.from({ length: rows }, () =>
        Array.from({ length: columns }, () => Math.round(next() * 6) / 2),
      );
      const made = assigned(rowsOf(score), columns);
      expect(new Set(made).size).toBe(rows);
      expect(sumOf(score, made)).toBeCloseTo(best(score, 0, Array.from(Array(columns).keys())), 9);
    }
  });

  it("is SciPy's", () => {
    for (const { score, sum, found, true: columns, ties } of python.assignments) {
      const made = assigned(rowsOf(score), score[0].length);
      expect(sumOf(score, made)).toBeCloseTo(sum, 9);
      const used = Array.from(made).filter((c) => c >= 0);
      expect(new Set(used).size).toBe(Math.min(score.length, score[0].length));
      if (!ties)
        found.forEach((row, i) => {
          expect(made[row]).toBe(columns[i]);
        });
    }
  });
});

const data = readTree(message("truth-tree"));
const truth = data?.truth as TruthOfTree;

describe("recovery", () => {
  const agree = (made: Recovery, said: Said) => {
    expect(made.nearest.map(({ feature }) => feature)).toEqual(said.nearest);
    made.nearest.forEach(({ cosine }, i) => {
      expect(cosine).toBeCloseTo(said.cosine[i], 6);
    });
    expect(made.matching?.missed).toEqual(said.missed);
    expect(made.matching?.recovered).toBeCloseTo(said.recovered * truth.names.length, 9);
    if (said.median === null) expect(made.matching?.median).toBeNaN();
    else expect(made.matching?.median).toBeCloseTo(said.median, 6);
    said.found.forEach((concept, i) => {
      expect(made.matching?.feature[concept]).toBe(said.true[i]);
    });
  };

  it("is Python's at every cut", () => {
    if (!data) throw new Error("no tree");
    expect(truth.names).toEqual(["cat", "dog", "köln 🙂", "<b>", "half"]);
    for (const said of python.cuts) {
      const { concepts } = cutAt(data, said.threshold, {});
      const rows = concepts.map(({ node }) => truth.cosines.get(node) as Float64Array);
      agree(recoveryOf(rows, truth.names.length, truth.recovered), said);
    }
    expect(new Set(python.cuts.map(({ recovered }) => recovered)).size).toBeGreaterThan(2);
  });

  it("is Python's of k-means concepts", () => {
    const done = readRefinement(message("truth-refinement"));
    if (!data || !done?.truth) throw new Error("no truth");
    expect(refinedAt(data, done, {}).concepts).toHaveLength(done.truth.length);
    agree(recoveryOf(done.truth, truth.names.length, truth.recovered), python.refined);
  });

  it("matches nothing where there are too many", () => {
    const many = Array.from({ length: 200 }, () => new Float64Array(200).fill(0.5));
    const made = recoveryOf(many, 200, 0.9);
    expect(made.matching).toBeNull();
    expect(made.nearest).toHaveLength(200);
    const names = many.map((_, i) => `feature ${i}`);
    expect(summary({ names, recovered: 0.9 }, made, true).said).toContain("too many");
  });

  it("is not there without truth", () => {
    expect(readTree(message("image-tree"))?.truth).toBeNull();
  });
});

describe("in words", () => {
  const say = (rows: number[][], names: string[]) => {
    const made = recoveryOf(rowsOf(rows), names.length, 0.9);
    return { made, ...summary({ names, recovered: 0.9 }, made, true) };
  };

  it("says what is recovered and what is missed", () => {
    const { said, more } = say(
      [
        [0.97, 0.2, 0.1],
        [0.1, 0.95, 0.93],
      ],
      ["a", "b", "c"],
    );
    expect(said).toBe("2 of 3 features that drive this neuron recovered (cosine of at least 0.9)");
    expect(more).toBe("median matched cosine 0.96 · missed: c");
  });

  it("says it of one, of none, and without concepts", () => {
    expect(say([[1]], ["a"]).said).toContain("1 of 1 feature that drives this neuron recovered");
    expect(say([[]], []).said).toBe("No known feature drives this neuron.");
    const none = say([], ["a", "b"]);
    expect(none.said).toBe(
      "0 of 2 features that drive this neuron recovered (cosine of at least 0.9)",
    );
    expect(none.more).toBe("missed: a, b");
  });

  it("names each card's nearest feature, and what it is counted for if that is another", () => {
    const { made } = say(
      [
        [0.97, 0.2],
        [0.95, 0.1],
        [0.9, 0.3],
      ],
      ["a", "b"],
    );
    if (!data) throw new Error("no tree");
    const cards = nearestOf({ ...data, truth: { ...truth, names: ["a", "b"] } }, made);
    expect(cards.map((card) => card.feature)).toEqual([
      "a · cosine 0.97",
      "a · cosine 0.95",
      "a · cosine 0.90",
    ]);
    expect(cards[0].matched).not.toContain("one to one");
    expect(cards[1].matched).toContain("no feature");
    expect(cards[2].matched).toContain("matched one to one with b");
    expect(nearestOf({ ...data, truth: null }, null)).toEqual([]);
  });
});
