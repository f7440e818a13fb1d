import { expect, it } from "vitest";
import { isKept } from "../src/core/kept";

const MINE = { name: "mine", layer: "body", neuron: 3, samples: 9 };

it("a concept is kept under its name; another neuron, layer, size or name is another one", () => {
  expect(isKept([], MINE)).toBe(false);
  expect(isKept([{ ...MINE, name: "other" }, MINE], { ...MINE })).toBe(true);
  for (const other of [{ name: "x" }, { layer: "x" }, { neuron: null }, { samples: 8 }])
    expect(isKept([MINE], { ...MINE, ...other })).toBe(false);
});
