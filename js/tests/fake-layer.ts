/** A layer made up for the tests of NeuronBrowser: trees, a table and a map. */
import type { TreesMessage } from "../src/protocol/browser";
import { pack, random } from "./fake";

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

/** The messages of a layer of `count` neurons as the kernel packs them, and what they hold. */
export function layerOf(
  count: number,
  { split = count, width = 12, labels = ["a", "b", "c"], late = false } = {},
) {
  const next = random(count);
  const trees = treesOf(3, split, width);
  const columns = Math.ceil(Math.sqrt(count));
  const score = Float32Array.from({ length: 3 * count }, () => next());
  for (let c = 0; c < 3; c++) score.fill(Number.NaN, c * count + split, (c + 1) * count);
  const top = new Int32Array(count * 2).fill(-1);
  for (let i = 0; i < count; i++)
    for (let t = 0; t < 2; t++) top[2 * i + t] = i < split ? trees.sample[i * width + t] : 500 + i;
  const title = (name: string) => ({
    name,
    title: name,
    about: "0 to 1.",
    main: name === "geometry",
    late: late && name !== "skew",
  });
  const table = pack(
    {
      neuron: Int32Array.from({ length: count }, (_, i) => 2 * i),
      histogram: new Uint8Array(count * 4).fill(9),
      least: new Float32Array(count),
      largest: new Float32Array(count).fill(1),
      top,
      concepts: Int32Array.from({ length: count }, (_, i) => (i < split ? i % 4 : -1)),
      score,
      ...(late ? { unscored: Uint8Array.from({ length: count }, (_, i) => +(i >= split)) } : {}),
    },
    {
      layer: "layer",
      samples: 1000,
      split,
      columns: ["geometry", "geometry_p", "skew"].map(title),
      words: Array.from({ length: count }, () => ""),
      labels,
      colored: Array.from(labels.keys()).slice(0, 12),
    },
    { histogram: [count, 4], top: [count, 2], score: [3, count] },
  );
  const { neuron, tops, child, height, own, sample, label } = trees;
  const message = pack(
    {
      neuron: neuron.map((m) => 2 * m),
      tops,
      child,
      height,
      own,
      sample,
      ...(labels.length ? { label: label as Int16Array } : {}),
    },
    { scale: trees.scale, unit: trees.unit, minSize: 3, suggested: 3, labels },
    { child: [split, width - 1, 2], sample: [split, width] },
  );
  const map = pack(
    {
      column: Int16Array.from({ length: count }, (_, i) => i % columns),
      row: Int16Array.from({ length: count }, (_, i) => Math.floor(i / columns)),
    },
    { columns, rows: Math.ceil(count / columns), shared: 0.5, chance: 0.1 },
  );
  return { table, trees: message, map, holds: trees };
}
