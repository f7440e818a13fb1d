/** Names that a user gives: the same as Python's after every step. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { type Names, renamed } from "../src/core/concepts";
import { cut } from "../src/core/tree";
import { treeOf } from "../src/protocol/tree";

interface Step {
  threshold: number;
  /** Of the concepts on the screen. */
  nodes: number[];
  /** The node that was named. */
  node: number;
  name: string;
  /** All names afterwards. */
  names: Names;
}

const file = new URL("../../tests/protocol/rename.json", import.meta.url);
const { merge, height, steps } = JSON.parse(readFileSync(file, "utf-8")) as {
  merge: number[];
  height: number[];
  steps: Step[];
};

it("gives concepts the names that Python gives them", () => {
  const tree = treeOf(Int32Array.from(merge), Float64Array.from(height));
  let names: Names = {};
  for (const step of steps) {
    expect(cut(tree, step.threshold)).toEqual(expect.arrayContaining(step.nodes));
    names = renamed({ tree }, step.nodes, names, step.node, step.name);
    expect(names).toEqual(step.names);
  }
  expect(steps.some((step) => Object.keys(step.names).length > 2)).toBe(true);
});
