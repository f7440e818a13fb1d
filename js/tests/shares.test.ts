import { expect, it } from "vitest";
import { titlesOf } from "../src/core/concepts";
import { aboveControl } from "../src/core/shares";

it("counts the concepts that have more than their random direction", () => {
  expect(aboveControl([1.1, 1, 0.5], [1, 1, 0.6])).toBe(1);
  expect(aboveControl([], [])).toBe(0);
  expect(aboveControl([-1, -3], [-2, -2])).toBe(1);
});

it("numbers concepts of one name", () => {
  const names = ["Bag", "Sandal", "Bag"].map((name) => ({ name }));
  expect(titlesOf(names, {})).toEqual(["Bag 1", "Sandal", "Bag 2"]);
});
