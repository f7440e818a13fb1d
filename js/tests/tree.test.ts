import { describe, expect, it } from "vitest";
import { cut, inherit, members, nodeAt, rootOf } from "../src/core/tree";
import { treeOf } from "../src/protocol/tree";

/** Five samples: (0 1) at 1, (2 3) at 2, ((2 3) 4) at 3, all at 6. */
const tree = treeOf(Int32Array.from([0, 1, 2, 3, 6, 4, 7, 5]), Float64Array.from([1, 2, 3, 6]));

describe("tree", () => {
  it("puts a node's samples side by side", () => {
    expect(Array.from(tree.order)).toEqual([2, 3, 4, 0, 1]);
    expect(Array.from(members(tree, 7))).toEqual([2, 3, 4]);
    expect(tree.size[rootOf(tree)]).toBe(5);
    expect(tree.parent[rootOf(tree)]).toBe(-1);
  });

  it("cuts at or below the threshold, from left to right", () => {
    expect(cut(tree, 6)).toEqual([8]);
    expect(cut(tree, 5.99)).toEqual([7, 5]);
    expect(cut(tree, 2)).toEqual([6, 4, 5]);
    expect(cut(tree, 0)).toEqual([2, 3, 4, 0, 1]);
  });

  it("finds the cluster under the pointer", () => {
    expect(nodeAt(tree, 0.5, 2.5)).toBe(6);
    expect(nodeAt(tree, 2.5, 2.5)).toBe(4);
    expect(nodeAt(tree, 4.5, 100)).toBe(8);
  });

  it("gives an anchor to the largest overlap, one to one", () => {
    expect(inherit(tree, [6, 4, 5], [7])).toEqual([0, -1, -1]);
    expect(inherit(tree, [8], [5, 7])).toEqual([1]);
    expect(inherit(tree, [7, 5], [])).toEqual([-1, -1]);
  });

  it("takes a single pair", () => {
    const pair = treeOf(Int32Array.from([0, 1]), Float64Array.from([0]));
    expect(cut(pair, 0)).toEqual([2]);
  });
});
