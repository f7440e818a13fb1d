/** Where the nodes and edges of a concept graph stand, and where the arrow keys lead. */
import type { GraphEdge, GraphNode } from "../protocol/schema";

/** Pixels: a node, the distance between two of a column, and the least one between columns. */
export const NODE = { height: 42, pitch: 49, least: 160, most: 280 };
const GAP = { least: 56, most: 320 };
/** Pixels: the width of an edge of weight 0 and of weight 1. */
const LINE = [1, 11] as const;

export interface Graph {
  layers: readonly string[];
  nodes: readonly GraphNode[];
  edges: readonly GraphEdge[];
}

export interface Layout {
  width: number;
  height: number;
  /** The width of every node. */
  wide: number;
  /** The left upper corner of each node. */
  at: { x: number; y: number }[];
  /** Of each edge its path and its width. */
  lines: { path: string; stroke: number }[];
}

/** The nodes of a layer, from top to bottom. */
export function columnOf({ nodes }: Graph, layer: number): number[] {
  const own = nodes.flatMap((node, i) => (node.layer === layer ? [i] : []));
  return own.sort((a, b) => nodes[a].place - nodes[b].place || a - b);
}

/** A column for each layer, the upper one at the right. */
export function layoutOf(graph: Graph, room: number): Layout {
  const count = graph.layers.length;
  const gaps = Math.max(1, count - 1);
  const free = (room - gaps * GAP.least) / count;
  const wide = Math.round(Math.min(NODE.most, Math.max(NODE.least, free)));
  const gap = Math.min(GAP.most, Math.max(GAP.least, (room - count * wide) / gaps));
  const columns = graph.layers.map((_, layer) => columnOf(graph, layer));
  const height = Math.max(...columns.map((column) => column.length)) * NODE.pitch;
  const at: Layout["at"] = [];
  columns.forEach((column, layer) => {
    const x = (count - 1 - layer) * (wide + gap);
    const top = (height - column.length * NODE.pitch) / 2 + (NODE.pitch - NODE.height) / 2;
    column.forEach((node, i) => {
      at[node] = { x, y: top + i * NODE.pitch };
    });
  });
  const lines = graph.edges.map(({ source, target, weight }) => {
    const [x, y] = [at[source].x + wide, at[source].y + NODE.height / 2];
    const [toX, toY] = [at[target].x, at[target].y + NODE.height / 2];
    const middle = (x + toX) / 2;
    const stroke = LINE[0] + (LINE[1] - LINE[0]) * Math.min(1, Math.abs(weight));
    return { path: `M${x} ${y}C${middle} ${y} ${middle} ${toY} ${toX} ${toY}`, stroke };
  });
  return { width: count * wide + (count - 1) * gap, height, wide, at, lines };
}

/** The node that an arrow key leads to: along the strongest edge, or within the column. */
export function neighbourOf(graph: Graph, node: number, key: string): number {
  const column = columnOf(graph, graph.nodes[node].layer);
  const rank = column.indexOf(node);
  const strongest = (edges: GraphEdge[], end: "source" | "target") =>
    edges.length
      ? edges.reduce((a, b) => (Math.abs(b.weight) > Math.abs(a.weight) ? b : a))[end]
      : node;
  const { edges } = graph;
  if (key === "ArrowUp") return column[Math.max(0, rank - 1)];
  if (key === "ArrowDown") return column[Math.min(column.length - 1, rank + 1)];
  if (key === "ArrowLeft")
    return strongest(
      edges.filter(({ target }) => target === node),
      "source",
    );
  if (key === "ArrowRight")
    return strongest(
      edges.filter(({ source }) => source === node),
      "target",
    );
  return key === "Home" ? 0 : node;
}

/** A node's share with a sign: it has one where all its edges have the same. */
export function shareOf(graph: Graph, node: number): string {
  const own = graph.edges.filter(({ source }) => source === node);
  const lowers = own.length > 0 && own.every(({ weight }) => weight < 0);
  const percent = 100 * graph.nodes[node].strength;
  return percent < 1 ? "<1%" : `${lowers ? "−" : ""}${Math.round(percent)}%`;
}
