/** Where the branches of a tree stand on the screen, and which are worth drawing. */
import type { Tree } from "../protocol/tree";
import { toUnit } from "./scale";
import { rootOf, topOf } from "./tree";

/** Narrower branches than this many pixels are drawn as one line down to the ground. */
const NARROW = 0.8;

export interface Branches {
  /** Pixels per sample. */
  step: number;
  /** Merges worth drawing, the root first. */
  node: Int32Array;
  /** For each: x of its two stems, y of its bar and of the stems' lower ends, in pixels. */
  place: Float32Array;
}

/** y of a height, 0 at the top of the scale. */
export const yOf = (height: number, top: number, tall: number, comb = 0): number =>
  tall * (1 - toUnit(height, top, comb));

/** Pixels between two numbers below the tree. */
const APART = 4;

/**
 * Where the concepts' numbers stand below the tree: moved in from its ends as far as their widths
 * need; NaN where there is no room beside the one before.
 */
export function numbersAt(middles: number[], widths: number[], wide: number): number[] {
  let end = -APART;
  return middles.map((middle, i) => {
    const half = widths[i] / 2;
    const x = Math.max(half, Math.min(middle, wide - half));
    if (x - half < end + APART) return Number.NaN;
    end = x + half;
    return x;
  });
}

/** Lay the tree out in `wide` x `tall` pixels. */
export function branches(tree: Tree, wide: number, tall: number, comb = 0): Branches {
  const { n, merge, size, start, height } = tree;
  const step = wide / n;
  const top = topOf(tree);
  const x = new Float32Array(2 * n - 1);
  for (let leaf = 0; leaf < n; leaf++) x[leaf] = (start[leaf] + 0.5) * step;
  for (let m = 0; m < n - 1; m++) x[n + m] = (x[merge[2 * m]] + x[merge[2 * m + 1]]) / 2;
  const nodes: number[] = [];
  const place: number[] = [];
  const stack = [rootOf(tree)];
  const wideEnough = (node: number) => node >= n && size[node] * step >= NARROW;
  while (stack.length) {
    const node = stack.pop() as number;
    if (!wideEnough(node) && node !== rootOf(tree)) continue;
    const m = 2 * (node - n);
    const [a, b] = [merge[m], merge[m + 1]];
    const foot = (child: number) =>
      wideEnough(child) ? yOf(height[child], top, tall, comb) : tall;
    nodes.push(node);
    place.push(x[a], x[b], yOf(height[node], top, tall, comb), foot(a), foot(b));
    stack.push(a, b);
  }
  return { step, node: Int32Array.from(nodes), place: Float32Array.from(place) };
}

/**
 * Add the branches to one path per concept: `paths[c + 1]` for concept `c`, `paths[0]` for grey.
 * A stem that crosses the threshold has its concept's colour below the line only.
 */
export function trace(
  tree: Tree,
  { node, place }: Branches,
  threshold: number,
  of: Int16Array,
  line: number,
  paths: Pick<Path2D, "moveTo" | "lineTo">[],
): void {
  const { n, merge, height, start, order } = tree;
  const pathOf = (inner: number) => paths[of[order[start[inner]]] + 1];
  const grey = paths[0];
  for (let i = 0; i < node.length; i++) {
    const offset = 5 * i;
    const [xa, xb, y] = [place[offset], place[offset + 1], place[offset + 2]];
    const m = 2 * (node[i] - n);
    const below = height[node[i]] <= threshold;
    const bar = below ? pathOf(node[i]) : grey;
    for (let side = 0; side < 2; side++) {
      const x = side ? xb : xa;
      const foot = place[offset + 3 + side];
      const child = merge[m + side];
      if (below || height[child] > threshold) {
        bar.moveTo(x, foot);
        bar.lineTo(x, y);
      } else {
        const from = Math.min(foot, Math.max(line, y));
        const path = pathOf(child);
        path.moveTo(x, foot);
        path.lineTo(x, from);
        grey.moveTo(x, from);
        grey.lineTo(x, y);
      }
    }
    bar.moveTo(xa, y);
    bar.lineTo(xb, y);
  }
}
