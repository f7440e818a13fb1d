/** The concepts at a cut, with what their cards say, from the tree alone. */
import type { RefinementMessage, Retrieved, TreeMessage } from "../protocol/split";
import { asAll } from "./common-label";
import { cut, inherit, members } from "./tree";

/** Samples on a strip of a card, at most. */
export const SHOWN = 16;
/** Tokens in a name. */
const TOKENS = 3;

export interface Concept {
  /** From 1, left to right in the dendrogram. */
  number: number;
  /** The tree's node; -1 for a k-means concept without one. */
  node: number;
  /** Stays with the concept across cuts, so that its card does too. */
  key: string;
  color: string;
  name: string;
  size: number;
  /** The texts or images that its samples are of. */
  sources: number;
  /** Samples (0 is the strongest), the strongest first. */
  exemplars: number[];
  label: number;
  /** The share of `label` among the labelled samples, and how many those are. */
  purity: number;
  labelled: number;
  /** Whether random groups of the top samples have `label` as often. */
  common: boolean;
  /** The tokens that most of it are; undefined where it is not named by tokens. */
  tokens: string | undefined;
  range: [number, number];
  /** Samples that k-means reassigned to it, and outliers of its cluster. */
  reassigned: number;
  outliers: number;
  /** Whether its members are k-means': then `retrieved` is its own. */
  refined: boolean;
  retrieved: Retrieved | null;
}

export interface Cut {
  concepts: Concept[];
  /** Concept of each sample, as an index into `concepts`, or -1. */
  of: Int16Array;
  unassigned: number;
  /** 0 stayed, 1 reassigned, 2 outlier; null when the membership is the tree's. */
  mark: Int8Array | null;
}

export type Names = Record<string, string>;

/** Whether two lists of tree nodes are of one cut. */
export const sameNodes = (one: readonly number[], other: readonly number[]) =>
  one.length === other.length && other.every((node) => one.includes(node));

/** How often each label occurs, and how many samples have one. */
function tally(labels: Iterable<number>, count: number): [Int32Array, number] {
  const counts = new Int32Array(count);
  let known = 0;
  for (const label of labels) {
    if (label >= 0) {
      counts[label]++;
      known++;
    }
  }
  return [counts, known];
}

/** The most frequent label of some samples and its share among the labelled ones. */
export function majority(labels: Iterable<number>, count: number): [number, number] {
  const [counts, known] = tally(labels, count);
  if (!known) return [-1, Number.NaN];
  let best = 0;
  for (let i = 1; i < count; i++) if (counts[i] > counts[best]) best = i;
  return [best, counts[best] / known];
}

/** Shannon entropy of labels, in bits; NaN where none is known. */
export function entropy(labels: Iterable<number>, count: number): number {
  const [counts, known] = tally(labels, count);
  if (!known) return Number.NaN;
  let bits = 0;
  for (const c of counts) if (c) bits -= (c / known) * Math.log2(c / known);
  return Math.abs(bits);
}

/** The `k` smallest of some sample numbers (the strongest samples), ascending. */
export function strongest(samples: Int32Array, k: number): number[] {
  if (samples.length <= 64)
    return Array.from(samples)
      .sort((a, b) => a - b)
      .slice(0, k);
  const best: number[] = [];
  for (const sample of samples) {
    if (best.length === k && sample >= best[k - 1]) continue;
    let slot = best.length;
    while (slot > 0 && best[slot - 1] > sample) slot--;
    best.splice(slot, 0, sample);
    if (best.length > k) best.pop();
  }
  return best;
}

function describe(data: TreeMessage, samples: Int32Array) {
  let last = 0;
  for (const sample of samples) if (sample > last) last = sample;
  const exemplars = strongest(samples, SHOWN);
  const { label, source } = data;
  let labelled = 0;
  if (label) for (const sample of samples) if (label[sample] >= 0) labelled++;
  const [best, purity] = label
    ? majority(
        (function* () {
          for (const sample of samples) yield label[sample];
        })(),
        data.labels.length,
      )
    : [-1, Number.NaN];
  return {
    size: samples.length,
    sources: source ? new Set(samples.map((sample) => source[sample])).size : samples.length,
    exemplars,
    label: best,
    purity,
    labelled,
    common: label !== null && best >= 0 && asAll(label, source, samples, best),
    tokens: data.token ? tokenName(data.token, data.tokens ?? [], samples) : undefined,
    range: [data.activation[last], data.activation[exemplars[0]]] as [number, number],
  };
}

/** Concepts by node. A concept that looks the same stays the same object: its card is not redrawn. */
export type Seen = Map<number, Concept>;

/** The tokens, at most three, that more than half of the samples are. */
export function tokenName(
  token: Int32Array,
  names: string[],
  samples: Int32Array,
): string | undefined {
  const counts = new Int32Array(names.length);
  for (const sample of samples) if (token[sample] >= 0) counts[token[sample]]++;
  const best = Array.from(counts.keys())
    .sort((a, b) => counts[b] - counts[a] || a - b)
    .slice(0, TOKENS);
  let held = 0;
  for (const [i, one] of best.entries()) {
    held += counts[one];
    if (2 * held > samples.length)
      return best
        .slice(0, i + 1)
        .map((code) => names[code])
        .join(", ");
  }
  return undefined;
}

/** The user's name, else tokens, else the label that more than half of the samples carry, else a number. */
function titled(
  data: TreeMessage,
  given: string | undefined,
  about: ReturnType<typeof describe>,
  i: number,
): string {
  const number = `Concept ${i + 1}`;
  // The label of a text does not say what its tokens are.
  if (data.token) return given ?? about.tokens ?? number;
  const named = about.purity * about.labelled > about.size / 2;
  return given ?? (named ? data.labels[about.label] : number);
}

/** What the cards are called: default names that several concepts share are numbered. */
export function titlesOf(concepts: readonly Pick<Concept, "name">[], names: Names): string[] {
  const given = new Set(Object.values(names));
  const same = (i: number, other: Pick<Concept, "name">) => other.name === concepts[i].name;
  return concepts.map(({ name }, i) => {
    if (given.has(name) || concepts.filter((other) => same(i, other)).length < 2) return name;
    return `${name} ${concepts.slice(0, i + 1).filter((other) => same(i, other)).length}`;
  });
}

const keyOf = (slot: number): string => `color ${slot}`;

/** The tree's own clusters at `threshold`. */
export function cutAt(
  data: TreeMessage,
  threshold: number,
  names: Names,
  seen: Seen = new Map(),
): Cut {
  const { tree } = data;
  const nodes = cut(tree, threshold).filter((node) => tree.size[node] >= data.minSize);
  const of = new Int16Array(tree.n).fill(-1);
  let assigned = 0;
  const identity = identities(data, nodes, names);
  const concepts = nodes.map((node, i): Concept => {
    const samples = members(tree, node);
    for (const sample of samples) of[sample] = i;
    assigned += samples.length;
    const last = seen.get(node);
    const { slot, given } = identity[i];
    const about = last ?? describe(data, samples);
    const name = titled(data, given, about, i);
    if (last && last.number === i + 1 && last.key === keyOf(slot) && last.name === name)
      return last;
    const concept = {
      ...about,
      number: i + 1,
      node,
      key: keyOf(slot),
      color: data.palette[slot % data.palette.length],
      name,
      reassigned: 0,
      outliers: 0,
      refined: false,
      retrieved: null,
    };
    seen.set(node, concept);
    return concept;
  });
  return { concepts, of, unassigned: tree.n - assigned, mark: null };
}

/** The paper's k-means membership, where the kernel has sent it for this threshold. */
export function refinedAt(data: TreeMessage, done: RefinementMessage, names: Names): Cut {
  const { tree } = data;
  const groups: number[][] = Array.from(done.node, () => []);
  const of = new Int16Array(tree.n).fill(-1);
  let assigned = 0;
  done.concept.forEach((concept, sample) => {
    if (concept < 0) return;
    groups[concept].push(sample);
    of[sample] = concept;
    assigned++;
  });
  const before = cutAt(data, done.threshold, {});
  const outliersOf = before.concepts.map(() => 0);
  done.mark.forEach((mark, sample) => {
    if (mark === 2) outliersOf[before.of[sample]]++;
  });
  const nodes = Array.from(done.node).filter((node) => node >= 0);
  const identity = identities(data, nodes, names);
  const used = new Set(identity.map(({ slot }) => slot));
  let spare = 0;
  const concepts = groups.map((group, i): Concept => {
    const node = done.node[i];
    const about = describe(data, Int32Array.from(group));
    const known = node >= 0 ? identity[nodes.indexOf(node)] : null;
    while (!known && used.has(spare)) spare++;
    const slot = known ? known.slot : spare++;
    const name = known?.given;
    const former = before.concepts.findIndex((concept) => concept.node === node);
    return {
      number: i + 1,
      node,
      key: keyOf(slot),
      color: data.palette[slot % data.palette.length],
      name: titled(data, name, about, i),
      ...about,
      reassigned: group.reduce((sum, sample) => sum + (done.mark[sample] === 1 ? 1 : 0), 0),
      outliers: former < 0 ? 0 : outliersOf[former],
      refined: true,
      retrieved: done.retrieved[i] ?? null,
    };
  });
  return { concepts, of, unassigned: tree.n - assigned, mark: done.mark };
}

interface Identity {
  slot: number;
  given: string | undefined;
}

/**
 * Colour and name of each of `nodes`. A name goes with its colour to the cluster that has most of
 * the concept that was named; the cluster that had this colour takes the other's.
 * The same rule as `identities` in Python; `tests/protocol` holds both to it.
 */
function identities(
  data: Pick<TreeMessage, "tree" | "color">,
  nodes: number[],
  names: Names,
): Identity[] {
  const out = nodes.map((node): Identity => ({ slot: data.color[node], given: undefined }));
  const anchors = Object.keys(names).map(Number);
  inherit(data.tree, nodes, anchors).forEach((a, i) => {
    if (a < 0) return;
    out[i].given = names[anchors[a]];
    const wanted = data.color[anchors[a]];
    const holder = out.find((other) => other.slot === wanted);
    if (wanted < 0) return;
    if (holder) holder.slot = out[i].slot;
    out[i].slot = wanted;
  });
  return out;
}

/**
 * Names after the user gave `node` a new one, on the screen's `nodes`; empty takes it back.
 * The same rule as `SplitExplorer.rename` in Python; `tests/protocol/rename.json` holds both to it.
 */
export function renamed(
  data: Pick<TreeMessage, "tree">,
  nodes: number[],
  names: Names,
  node: number,
  name: string,
): Names {
  const anchors = Object.keys(names).map(Number);
  const taken = inherit(data.tree, nodes, anchors)[nodes.indexOf(node)];
  const next = { ...names };
  if (taken >= 0) delete next[String(anchors[taken])];
  const clean = name.trim();
  if (clean) next[String(node)] = clean;
  return next;
}
