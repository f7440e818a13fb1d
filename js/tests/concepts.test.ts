import { expect, test } from "vitest";
import { type Concept, cutAt, titlesOf, tokenName } from "../src/core/concepts";
import type { TreeMessage } from "../src/protocol/split";
import { treeOf } from "../src/protocol/tree";

const names = ["a", "b", "c", "d", "e", "f", "g"];

// As tests/unit/test_concept_tokens.py has it.
test.each([
  [[0, 0, 0, 1], "a"],
  [[0, 0, 1, 1], "a, b"],
  [[1, 1, 0, 2, 2], "b, c"],
  [[0, 1, 2, 3, 3, 0], "a, d"],
  [[0, 1, 2, 3, 4, 5, 6], undefined],
  [[-1, -1, -1, 0], undefined],
  [[], undefined],
])("up to three tokens that more than half of the samples are: %j", (codes, name) => {
  const samples = Int32Array.from(codes, (_, i) => i);
  expect(tokenName(Int32Array.from(codes), names, samples)).toBe(name);
});

test("default names that several concepts share are numbered, given ones are not", () => {
  const concepts = ["sandal", "bag", "sandal", "mine", "mine"].map((name) => ({ name }) as Concept);
  const titles = ["sandal 1", "bag", "sandal 2", "mine", "mine"];
  expect(titlesOf(concepts, { "5": "mine" })).toEqual(titles);
});

test("the texts that a concept's samples are of", () => {
  const merge = Int32Array.from([0, 1, 2, 4, 3, 5]);
  const message = {
    tree: treeOf(merge, Float64Array.from([1, 2, 9])),
    activation: Float32Array.from([4, 3, 2, 1]),
    label: null,
    color: Int16Array.from([0, 0, 0, 1, 0, 0, 0]),
    palette: ["red", "blue"],
    minSize: 1,
  } as unknown as TreeMessage;
  const texts = (source: Int32Array | null) =>
    cutAt({ ...message, source }, 5, {}).concepts.map(({ size, sources }) => [size, sources]);
  expect(texts(Int32Array.from([0, 0, 1, 1])).sort()).toEqual([
    [1, 1],
    [3, 2],
  ]);
  expect(texts(null).sort()).toEqual([
    [1, 1],
    [3, 3],
  ]);
});
