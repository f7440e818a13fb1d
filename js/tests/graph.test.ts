/** The concept graph: where nodes stand, where the arrow keys lead, what a node carries. */
import { describe, expect, it } from "vitest";
import { columnOf, type Graph, layoutOf, NODE, neighbourOf, shareOf } from "../src/core/graph";
import { readGraph } from "../src/protocol/graph";
import type { GraphEdge, GraphNode } from "../src/protocol/schema";
import { pack } from "./fake";

const node = (layer: number, place: number, strength = 0.5): GraphNode => ({
  layer,
  neuron: 3,
  concept: 0,
  name: "a",
  color: "#4477AA",
  size: 5,
  place,
  strength,
  words: null,
  text: "",
  samples: [],
  follow: false,
});
const edge = (source: number, target: number, weight: number): GraphEdge => ({
  source,
  target,
  weight,
  samples: 1,
});
/** The first node is fed by 1, 2 and 3, the second by 4. */
const graph: Graph = {
  layers: ["h.2", "h.1", "h.0"],
  nodes: [node(0, 0.5, 1), node(1, 0.8), node(1, 0.2, 0.3), node(1, 0.5, 0.004), node(2, 0.5)],
  edges: [edge(1, 0, 0.3), edge(2, 0, -0.6), edge(3, 0, 0.1), edge(4, 1, 0.9), edge(4, 1, -0.1)],
};

describe("the concept graph", () => {
  it("has a column for each layer, the upper one at the right", () => {
    expect(columnOf(graph, 1)).toEqual([2, 3, 1]);
    const { at, width, height, wide } = layoutOf(graph, 1200);
    expect(at[4].x).toBe(0);
    expect(at[0].x + wide).toBeCloseTo(width);
    expect(width).toBeLessThanOrEqual(1200);
    expect(height).toBe(3 * NODE.pitch);
    // A short column stands in the middle.
    expect(at[0].y).toBeCloseTo(at[3].y);
    expect(at[2].y).toBeLessThan(at[3].y);
  });

  it("keeps nodes readable in a narrow place, and short of the whole of a wide one", () => {
    expect(layoutOf(graph, 300).wide).toBe(NODE.least);
    expect(layoutOf(graph, 4000).wide).toBe(NODE.most);
    const alone = { layers: ["h.2"], nodes: [node(0, 0.5, 1)], edges: [] };
    expect(layoutOf(alone, 0)).toMatchObject({ width: NODE.least, height: NODE.pitch });
  });

  it("draws an edge from the right of its source to the left of its target, by its weight", () => {
    const { at, lines, wide } = layoutOf(graph, 1200);
    const ends = lines[1].path.match(/-?[\d.]+/g)?.map(Number) ?? [];
    expect(ends.slice(0, 2)).toEqual([at[2].x + wide, at[2].y + NODE.height / 2]);
    expect(ends.slice(-2)).toEqual([at[0].x, at[0].y + NODE.height / 2]);
    expect(lines[1].stroke).toBeGreaterThan(lines[0].stroke);
    expect(lines[0].stroke).toBeGreaterThan(lines[2].stroke);
  });

  it("is walked by the arrow keys", () => {
    expect(neighbourOf(graph, 0, "ArrowLeft")).toBe(2);
    expect(neighbourOf(graph, 2, "ArrowDown")).toBe(3);
    expect(neighbourOf(graph, 2, "ArrowUp")).toBe(2);
    expect(neighbourOf(graph, 1, "ArrowDown")).toBe(1);
    expect(neighbourOf(graph, 1, "ArrowLeft")).toBe(4);
    expect(neighbourOf(graph, 2, "ArrowLeft")).toBe(2);
    expect(neighbourOf(graph, 4, "ArrowRight")).toBe(1);
    expect(neighbourOf(graph, 4, "Home")).toBe(0);
  });

  it("says what a node carries, with a minus where it only lowers", () => {
    expect([1, 2, 3, 4].map((i) => shareOf(graph, i))).toEqual(["50%", "−30%", "<1%", "50%"]);
  });

  it("is read from its message; an empty one is no graph", () => {
    const meta = { ...graph, root: 7, findings: [], code: "graph", kind: "none" };
    expect(readGraph(pack({ face: new Int32Array() }, meta))).toMatchObject({ root: 7, ...graph });
    expect(readGraph(new DataView(new ArrayBuffer(0)))).toBeNull();
  });
});
