import { expect, test } from "vitest";
import { type Concept, titlesOf, tokenName } from "../src/core/concepts";

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
