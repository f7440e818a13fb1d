/** A layer made up for the tests of NeuronBrowser: trees, a table and a map. */
import type { TreesMessage } from "../src/protocol/browser";
import { random } from "./fake";

/** A random binary tree of `n` leaves with ascending heights in steps; children as merges join them. */
function randomTree(next: () => number, n: number): { child: number[]; height: number[] } {
  const free = Array.from({ length: n }, (_, i) => i);
  const take = () => free.splice(Math.floor(next() * free.length), 1)[0];
  const child: number[] = [];
  const height: number[] = [];
  for (let m = 0; m < n - 1; m++) {
    child.push(take(), take());
    free.push(n + m);
    // Equal heights come too.
    height.push(Math.round(next() ** 2 * 400) * 160);
  }
  return { child, height: height.sort((a, b) => a - b) };
}

/** Trees of `count` neurons with at most `width` samples, every fourth with fewer. */
export function treesOf(
  seed: number,
  count: number,
  width: number,
  more: Partial<TreesMessage> = {},
): TreesMessage {
  const next = random(seed);
  const child = new Uint16Array(count * (width - 1) * 2);
  const height = new Uint16Array(count * (width - 1));
  const tops = new Int32Array(count).fill(width);
  const sample = new Int32Array(count * width).fill(-1);
  const label = new Int16Array(count * width).fill(-1);
  const own = new Float32Array(count);
  const scale = 7;
  for (let m = 0; m < count; m++) {
    if (m % 4 === 3) tops[m] = 1 + Math.floor(next() * width);
    const tree = randomTree(next, tops[m]);
    child.set(tree.child, m * (width - 1) * 2);
    height.set(tree.height, m * (width - 1));
    own[m] = (next() * scale * 64_000) / 65535;
    for (let i = 0; i < tops[m]; i++) {
      sample[m * width + i] = Math.floor(next() * 1000);
      label[m * width + i] = Math.floor(next() * 4) - 1;
    }
  }
  return {
    neuron: Int32Array.from({ length: count }, (_, i) => i),
    tops,
    child,
    height,
    own,
    sample,
    label,
    width,
    scale,
    unit: "cosine distance",
    minSize: 3,
    suggested: 3,
    labels: ["a", "b", "c"],
    ...more,
  };
}
