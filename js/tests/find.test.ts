import { expect, it } from "vitest";
import { nextMatch } from "../src/core/find";

const names = ["Dog", "hot dog", "cat", "dog house", "catalogue", "dog"];

it("is the name itself first, then one that begins so, then one that has it", () => {
  expect(nextMatch(names, "DOG", 1)).toBe(5);
  expect(nextMatch(names, "dog", 5)).toBe(0);
  expect(nextMatch(names, "cata", 0)).toBe(4);
  expect(nextMatch(names, "ot", 0)).toBe(1);
  expect(nextMatch(names, "cat", 2)).toBe(2);
  expect(nextMatch(names, "do", 0)).toBe(3);
});

it("may be none", () => {
  expect(nextMatch(names, "bird", 0)).toBeNull();
  expect(nextMatch([], "a", 0)).toBeNull();
});
