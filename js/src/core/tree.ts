/** What is asked of a tree: its cuts, its nodes, its names. */
import type { Tree } from "../protocol/tree";

export const rootOf = (tree: Tree): number => 2 * tree.n - 2;
export const topOf = (tree: Tree): number => tree.height[rootOf(tree)];

/** The clusters whose merges are all at or below `threshold`, from left to right. */
export function cut(tree: Tree, threshold: number): number[] {
  const nodes: number[] = [];
  const stack = [rootOf(tree)];
  while (stack.length) {
    const node = stack.pop() as number;
    if (node < tree.n || tree.height[node] <= threshold) {
      nodes.push(node);
    } else {
      const m = 2 * (node - tree.n);
      stack.push(tree.merge[m + 1], tree.merge[m]);
    }
  }
  return nodes;
}

/** The lowest height at which a cut has a cluster of `least` samples or more. */
export function combOf(tree: Tree, least: number): number {
  for (let m = 0; m < tree.n - 1; m++)
    if (tree.size[tree.n + m] >= least) return tree.height[tree.n + m];
  return 0;
}

/** The samples of a node, from left to right. */
export function members(tree: Tree, node: number): Int32Array {
  return tree.order.subarray(tree.start[node], tree.start[node] + tree.size[node]);
}

export function contains(tree: Tree, outer: number, inner: number): boolean {
  const first = tree.start[outer];
  return first <= tree.start[inner] && tree.start[inner] < first + tree.size[outer];
}

/** The cluster over leaf position `x` (0 to n) at height `height`: what a click there means. */
export function nodeAt(tree: Tree, x: number, height: number): number {
  let node = rootOf(tree);
  while (node >= tree.n && tree.height[node] > height) {
    const m = 2 * (node - tree.n);
    const [left, right] = [tree.merge[m], tree.merge[m + 1]];
    node = x < tree.start[right] ? left : right;
  }
  return node;
}

/**
 * Which anchor (a node at which the user gave a name) each of `nodes` takes: its index, or -1.
 * The pair with the largest overlap is served first; each anchor serves one node.
 * The same rule as `Tree.inherit` in Python; `tests/protocol` holds both to it.
 */
export function inherit(
  tree: Tree,
  nodes: readonly number[],
  anchors: readonly number[],
): number[] {
  const pairs: [number, number, number, number, number, number][] = [];
  anchors.forEach((anchor, a) => {
    nodes.forEach((node, c) => {
      const anchorInside = tree.size[anchor] <= tree.size[node];
      const [small, large] = anchorInside ? [anchor, node] : [node, anchor];
      if (contains(tree, large, small)) {
        pairs.push([-tree.size[small], tree.size[anchor], anchor, node, a, c]);
      }
    });
  });
  pairs.sort((p, q) => p[0] - q[0] || p[1] - q[1] || p[2] - q[2] || p[3] - q[3]);
  const taken = nodes.map(() => -1);
  const spent = new Set<number>();
  for (const [, , , , a, c] of pairs) {
    if (taken[c] < 0 && !spent.has(a)) {
      taken[c] = a;
      spent.add(a);
    }
  }
  return taken;
}
