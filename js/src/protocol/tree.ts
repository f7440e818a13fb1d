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
