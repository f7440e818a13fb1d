/**
 * The trees of all neurons of a layer, so that all can be cut in one frame.
 *
 * A cluster of enough samples is a concept from its own height up to its parent's. With both
 * heights in one flat list, a cut is one pass over the list: no tree is walked.
 */
import type { TreesMessage } from "../protocol/browser";

/** Heights are whole steps, from 0 to this. */
export const STEPS = 65535;

export interface Forest {
  /** Neurons split, and each one's number. */
  count: number;
  neuron: Int32Array;
  /** The top samples of each. */
  tops: Int32Array;
  /** The clusters of tree `m` are `first[m]` to `first[m + 1]`, left to right in its dendrogram. */
  first: Int32Array;
  /** The steps from which on, and before which, a cluster is one of the cut's. */
  birth: Uint16Array;
  death: Int32Array;
  size: Uint16Array;
  /** Palette slot, by the rule of SplitExplorer: where a concept splits, the larger part keeps it. */
  slot: Uint8Array;
  /** The most frequent label; -1: none. */
  label: Int16Array;
  /** The step of each tree's own cut. */
  own: Int32Array;
}

/** A height on the common scale -> the nearest step, as the kernel rounds them. */
export function stepOf(height: number, scale: number): number {
  if (!(scale > 0)) return STEPS;
  return Math.max(0, Math.min(STEPS, Math.round((height / scale) * STEPS)));
}

/** What is reused from tree to tree. */
interface Scratch {
  size: Int32Array;
  parent: Int32Array;
  start: Int32Array;
  order: Int32Array;
  height: Int32Array;
  track: Int32Array;
}

export function forestOf(trees: TreesMessage): Forest {
  const { width, minSize, scale, labels } = trees;
  const count = trees.neuron.length;
  const nodes = 2 * width - 1;
  // Without leaves: one sample is a concept only where `minSize` is 1.
  const most = count * (minSize > 1 ? Math.max(0, width - 1) : nodes);
  const birth = new Uint16Array(most);
  const death = new Int32Array(most);
  const size = new Uint16Array(most);
  const slot = new Uint8Array(most);
  const label = new Int16Array(most).fill(-1);
  const first = new Int32Array(count + 1);
  const scratch: Scratch = {
    size: new Int32Array(nodes),
    parent: new Int32Array(nodes),
    start: new Int32Array(nodes),
    order: new Int32Array(width),
    height: new Int32Array(nodes),
    track: new Int32Array(nodes),
  };
  const tally = new Int32Array(labels.length);
  let at = 0;
  for (let m = 0; m < count; m++) {
    const n = trees.tops[m];
    const slots = n > 0 ? layOut(trees, m, n, scratch) : [];
    const { order, start, parent, height } = scratch;
    // Of clusters that begin at the same leaf, the outer ones first; a cut has but one of them.
    for (const node of fromLeft(scratch, n, minSize)) {
      const dies = parent[node] < 0 ? STEPS + 1 : height[parent[node]];
      if (height[node] >= dies) continue;
      birth[at] = height[node];
      death[at] = dies;
      size[at] = scratch.size[node];
      slot[at] = slots[scratch.track[node]];
      if (trees.label)
        label[at] = mostFrequent(trees.label, m * width, order, start[node], size[at], tally);
      at++;
    }
    first[m + 1] = at;
  }
  return {
    count,
    neuron: trees.neuron,
    tops: trees.tops,
    first,
    birth: birth.slice(0, at),
    death: death.slice(0, at),
    size: size.slice(0, at),
    slot: slot.slice(0, at),
    label: label.slice(0, at),
    own: Int32Array.from(trees.own, (height) => stepOf(height, scale)),
  };
}

/** Sizes, places and tracks of a tree's nodes into `scratch`; the palette slot of each track. */
function layOut(trees: TreesMessage, m: number, n: number, scratch: Scratch): number[] {
  const { size, parent, start, order, height, track } = scratch;
  const { width, minSize } = trees;
  const from = m * (width - 1);
  const { child } = trees;
  size.fill(1, 0, n);
  height.fill(0, 0, n);
  for (let i = 0; i < n - 1; i++) {
    const [a, b] = [child[2 * (from + i)], child[2 * (from + i) + 1]];
    size[n + i] = size[a] + size[b];
    height[n + i] = trees.height[from + i];
    parent[a] = n + i;
    parent[b] = n + i;
  }
  const root = 2 * n - 2;
  parent[root] = -1;
  start[root] = 0;
  const born: number[] = [];
  const ends: number[] = [];
  for (let node = root; node >= 0; node--) {
    if (node >= n) {
      const [a, b] = [child[2 * (from + node - n)], child[2 * (from + node - n) + 1]];
      start[a] = start[node];
      start[b] = start[node] + size[a];
    } else order[start[node]] = node;
    if (size[node] < minSize) continue;
    const above = parent[node];
    if (above >= 0 && largerOf(trees, from + above - n, size) === node) {
      track[node] = track[above];
    } else {
      track[node] = born.length;
      born.push(above < 0 ? STEPS + 1 : height[above]);
      ends.push(0);
    }
    ends[track[node]] = height[node];
  }
  return slotsOf(born, ends);
}

function largerOf({ child }: TreesMessage, merge: number, size: Int32Array): number {
  const [a, b] = [child[2 * merge], child[2 * merge + 1]];
  return size[b] > size[a] ? b : a;
}

/** The smallest slot that is free where each track begins, from the top down. */
function slotsOf(born: number[], ends: number[]): number[] {
  const slots: number[] = new Array(born.length).fill(0);
  const until: number[] = [];
  const order = Array.from(born.keys()).sort((a, b) => born[b] - born[a] || a - b);
  for (const i of order) {
    let free = 0;
    while (free < until.length && until[free] < born[i]) free++;
    until[free] = ends[i];
    slots[i] = Math.min(255, free);
  }
  return slots;
}

/** The nodes of at least `least` samples, in the order of their first leaf. */
function fromLeft({ size, start }: Scratch, n: number, least: number): number[] {
  const nodes: number[] = [];
  for (let node = 2 * n - 2; node >= 0; node--) if (size[node] >= least) nodes.push(node);
  return nodes.sort((a, b) => start[a] - start[b] || b - a);
}

function mostFrequent(
  codes: Int16Array,
  from: number,
  order: Int32Array,
  start: number,
  size: number,
  tally: Int32Array,
): number {
  let best = -1;
  for (let i = start; i < start + size; i++) {
    const code = codes[from + order[i]];
    if (code < 0) continue;
    tally[code]++;
    if (best < 0 || tally[code] > tally[best] || (tally[code] === tally[best] && code < best))
      best = code;
  }
  for (let i = start; i < start + size; i++) {
    const code = codes[from + order[i]];
    if (code >= 0) tally[code] = 0;
  }
  return best;
}

/** How many concepts each tree has at `step`; -1: at its own cut. */
export function countsAt(forest: Forest, step: number, out: Uint16Array): Uint16Array {
  const { first, birth, death, own, count } = forest;
  for (let m = 0; m < count; m++) {
    const height = step < 0 ? own[m] : step;
    let concepts = 0;
    for (let i = first[m]; i < first[m + 1]; i++)
      if (birth[i] <= height && height < death[i]) concepts++;
    out[m] = concepts;
  }
  return out;
}

/** How many neurons have 0, 1, 2, and 3 or more concepts, when all are cut at each of `steps`. */
export function countCurve(forest: Forest, steps: readonly number[]): Int32Array[] {
  const { first, birth, death, count } = forest;
  const curve = Array.from({ length: 4 }, () => new Int32Array(steps.length));
  const change = new Int32Array(steps.length + 1);
  // For each height, the first of `steps` that is not below it.
  const from = new Int32Array(STEPS + 2);
  for (let height = 0, i = 0; height < from.length; height++) {
    while (i < steps.length && steps[i] < height) i++;
    from[height] = i;
  }
  for (let m = 0; m < count; m++) {
    change.fill(0);
    for (let i = first[m]; i < first[m + 1]; i++) {
      change[from[birth[i]]]++;
      change[from[death[i]]]--;
    }
    let concepts = 0;
    for (let i = 0; i < steps.length; i++) {
      concepts += change[i];
      curve[Math.min(3, concepts)][i]++;
    }
  }
  return curve;
}

/** The concepts of tree `m` at `step` (-1: its own cut), as indices into the forest's lists. */
export function conceptsOf(forest: Forest, m: number, step: number): number[] {
  const height = step < 0 ? forest.own[m] : step;
  const out: number[] = [];
  for (let i = forest.first[m]; i < forest.first[m + 1]; i++)
    if (forest.birth[i] <= height && height < forest.death[i]) out.push(i);
  return out;
}
