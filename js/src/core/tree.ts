/** A linkage as a tree whose every cut is cheap; node numbers as in SciPy. */

export interface Tree {
  /** Samples. */
  n: number;
  /** Children of merge `m` at `2m` and `2m + 1`, the larger first. */
  merge: Int32Array;
  /** Height of each of the `2n - 1` nodes. */
  height: Float64Array;
  size: Int32Array;
  /** A node's samples stand at `order[start .. start + size)`. */
  start: Int32Array;
  parent: Int32Array;
  order: Int32Array;
}

export function treeOf(merge: Int32Array, heights: Float64Array): Tree {
  const n = heights.length + 1;
  const nodes = 2 * n - 1;
  const height = new Float64Array(nodes);
  height.set(heights, n);
  const size = new Int32Array(nodes).fill(1, 0, n);
  const start = new Int32Array(nodes);
  const parent = new Int32Array(nodes).fill(-1);
  for (let m = 0; m < n - 1; m++) {
    const [a, b] = [merge[2 * m], merge[2 * m + 1]];
    size[n + m] = size[a] + size[b];
    parent[a] = n + m;
    parent[b] = n + m;
  }
  for (let m = n - 2; m >= 0; m--) {
    const [a, b] = [merge[2 * m], merge[2 * m + 1]];
    start[a] = start[n + m];
    start[b] = start[a] + size[a];
  }
  const order = new Int32Array(n);
  for (let leaf = 0; leaf < n; leaf++) order[start[leaf]] = leaf;
  return { n, merge, height, size, start, parent, order };
}

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
