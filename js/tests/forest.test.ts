import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cutAt, majority } from "../src/core/concepts";
import { conceptsOf, countCurve, countsAt, forestOf, STEPS, stepOf } from "../src/core/forest";
import { COLORS, pixelOf } from "../src/core/palette";
import { members } from "../src/core/tree";
import type { TreesMessage } from "../src/protocol/browser";
import { readTree, type TreeMessage } from "../src/protocol/split";
import { treeOf } from "../src/protocol/tree";
import { treesOf } from "./fake-layer";

const GOLDEN = join(__dirname, "../../tests/protocol");

/** Tree `m` of the layer as SplitExplorer would have it, with heights in steps. */
function alone(trees: TreesMessage, m: number): TreeMessage {
  const n = trees.tops[m];
  const from = m * (trees.width - 1);
  const merge = Int32Array.from(trees.child.subarray(2 * from, 2 * (from + n - 1)));
  const tree = treeOf(merge, Float64Array.from(trees.height.subarray(from, from + n - 1)));
  const label = Int32Array.from(
    (trees.label as Int16Array).subarray(m * trees.width, m * trees.width + n),
  );
  return {
    tree,
    label,
    minSize: trees.minSize,
    labels: trees.labels,
    color: new Int16Array(2 * n - 1),
    palette: ["#000"],
    activation: new Float32Array(n),
    token: null,
  } as unknown as TreeMessage;
}

describe("the cut of many trees", () => {
  const trees = treesOf(5, 60, 24);
  const forest = forestOf(trees);

  it("is the cut of each tree alone, at every height", () => {
    for (let m = 0; m < forest.count; m++) {
      const message = alone(trees, m);
      for (let step = 0; step <= 64_000; step += 1600) {
        const { concepts } = cutAt(message, step, {});
        const found = conceptsOf(forest, m, step);
        expect(found.map((i) => forest.size[i])).toEqual(concepts.map(({ size }) => size));
        concepts.forEach((concept, c) => {
          const codes = Array.from(
            members(message.tree, concept.node),
            (s) => (message.label as Int32Array)[s],
          );
          expect(forest.label[found[c]]).toBe(majority(codes, 3)[0]);
        });
      }
    }
  });

  it("counts what it lists, at one height and at each tree's own", () => {
    for (const step of [-1, 0, 4321, 30_000, STEPS]) {
      const counts = countsAt(forest, step, new Uint16Array(forest.count));
      for (let m = 0; m < forest.count; m++)
        expect(counts[m]).toBe(conceptsOf(forest, m, step).length);
    }
    expect(Math.max(...countsAt(forest, STEPS, new Uint16Array(60)))).toBe(1);
  });

  it("has a curve that says the same", () => {
    const steps = [0, 100, 5000, 5000, 20_000, 60_000, STEPS];
    const curve = countCurve(forest, steps);
    steps.forEach((step, i) => {
      const counts = countsAt(forest, step, new Uint16Array(forest.count));
      for (const k of [0, 1, 2, 3])
        expect(curve[k][i]).toBe(counts.filter((c) => Math.min(3, c) === k).length);
    });
  });

  it("has no concept of one colour twice", () => {
    for (let m = 0; m < forest.count; m++)
      for (let step = 0; step <= 64_000; step += 3200) {
        const slots = conceptsOf(forest, m, step).map((i) => forest.slot[i]);
        expect(new Set(slots).size).toBe(slots.length);
      }
  });

  it("knows neurons of one sample, and single samples as concepts", () => {
    const single = forestOf(treesOf(2, 8, 5, { minSize: 1 }));
    const counts = countsAt(single, 0, new Uint16Array(8));
    expect(counts[0]).toBeGreaterThan(1);
    const lonely = forestOf({ ...treesOf(2, 1, 2), tops: Int32Array.of(1), minSize: 1 });
    expect(Array.from(countsAt(lonely, -1, new Uint16Array(1)))).toEqual([1]);
    const empty = forestOf({ ...treesOf(2, 1, 2), tops: Int32Array.of(0) });
    expect(Array.from(countsAt(empty, -1, new Uint16Array(1)))).toEqual([0]);
  });
});

describe("the kernel's tree", () => {
  const bytes = readFileSync(join(GOLDEN, "image-tree.safetensors"));
  const message = readTree(
    new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  ) as TreeMessage;
  const { cuts } = JSON.parse(readFileSync(join(GOLDEN, "cuts.json"), "utf8"));
  const { tree } = message;
  const scale = tree.height[2 * tree.n - 2];
  const heights = Uint16Array.from(tree.height.subarray(tree.n), (h) => stepOf(h, scale));
  const forest = forestOf({
    ...treesOf(1, 1, tree.n),
    minSize: message.minSize,
    scale,
    child: Uint16Array.from(tree.merge),
    height: heights,
    labels: message.labels,
    label: Int16Array.from(message.label as Int32Array),
  });

  it("is cut and coloured as the kernel cuts and colours it", () => {
    expect(cuts.length).toBeGreaterThan(3);
    for (const { threshold, nodes, slots } of cuts) {
      const found = conceptsOf(forest, 0, stepOf(threshold, scale));
      expect(found.map((i) => forest.size[i])).toEqual(
        nodes.map((node: number) => tree.size[node]),
      );
      expect(found.map((i) => forest.slot[i])).toEqual(slots);
    }
  });
});

it("knows the step of a height", () => {
  expect(stepOf(0, 2)).toBe(0);
  expect(stepOf(1, 2)).toBe(32768);
  expect(stepOf(9, 2)).toBe(STEPS);
  expect(stepOf(0, 0)).toBe(STEPS);
});

it("has the palette of Python", () => {
  const python = readFileSync(join(__dirname, "../../neuronwidgets/display/palette.py"), "utf8");
  const colors = /COLORS = \(([^)]*)\)/.exec(python)?.[1].match(/#\w{6}/g);
  expect(colors).toEqual([...COLORS]);
  expect(pixelOf("#4477AA")).toBe(0xaa7744);
});
