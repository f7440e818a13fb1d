/** The messages of SplitExplorer, as `neuronwidgets/widgets/_protocol.py` describes them. */
import { type Faces, facesOf } from "./faces";
import { type Packed, unpack } from "./safetensors";
import { type Tree, treeOf } from "./tree";

export interface TreeMessage {
  tree: Tree;
  /** Dataset row of each sample, strongest first. */
  row: Int32Array;
  activation: Float32Array;
  /** Index into `labels` for each sample, -1 none; null without labels. */
  label: Int32Array | null;
  /** Index into `tokens` for each sample, -1 none; null where concepts are not named by tokens. */
  token?: Int32Array | null;
  tokens?: string[];
  map: Float32Array;
  /** Each node's slot in `palette`, -1 for nodes too small to be a concept. */
  color: Int16Array;
  palette: string[];
  /** null where nothing is known. */
  truth: TruthOfTree | null;
  faces: Faces;
  layer: string;
  name: string;
  neurons: number;
  samples: number;
  method: string;
  metric: string;
  minSize: number;
  /** Whether the tree and the map are of other points than the layer's own vectors. */
  elsewhere?: boolean;
  /** Why its concepts should not be trusted, in a clause. */
  doubt?: string;
  /** Whether its samples are texts, of which words can be said. */
  words?: boolean;
  labels: string[];
  range: [number, number];
  suggested: number;
}

/** A cut that the data suggests: the trait `_suggestions` holds some, fewest concepts first. */
export interface Suggestion {
  threshold: number;
  concepts: number;
  /** By which kinds ("gap", "compact", "stable", "chance") no other cut is better; often by none. */
  best: string[];
  /** Why, in words. */
  reasons: string[];
}

/** A number about the neuron as a whole, from the registry: the trait `_scores` holds some. */
export interface Score {
  name: string;
  title: string;
  /** null where it failed: `about` says why. */
  value: number | null;
  /** Its range, what a higher value means, and where it is from. */
  about: string;
  /** Whether it stands for itself, and not for a part of another. */
  main: boolean;
}

/** The true features that drive the neuron, and how near each node's vector is to them. */
export interface TruthOfTree {
  names: string[];
  /** The least cosine of a recovered feature. */
  recovered: number;
  /** Of each node that can be a concept, its cosine with each feature. */
  cosines: Map<number, Float64Array>;
}

/** How samples are compared with a concept: nearest in direction, or by the paper's dot product. */
export const READINGS = ["cosine", "dot"] as const;
export type By = (typeof READINGS)[number];

/** What one cluster retrieves from the whole dataset. */
export interface Retrieved {
  rows: Record<By, Int32Array>;
  labels: Record<By, Int32Array>;
  /** Of what it retrieves on the neuron: the median, 0 to 100. */
  percentile: Record<By, number>;
  /** Of its concept vector with the neuron's axis. */
  cosine: number;
  /** In what share of halves of the samples it is a cluster again; null where not known. */
  recurs: number | null;
}

/** What groups of top samples drawn at random retrieve; by reading, size and label. */
export interface Chance {
  sizes: Int32Array;
  labels: Int32Array;
  mean: Float32Array;
  /** What 95% of the groups do not exceed. */
  high: Float32Array;
}

export interface EvidenceMessage {
  retrieved: Map<number, Retrieved>;
  /** null without labels, and before it is measured. */
  chance: Chance | null;
  /** The words that set each node's texts apart; null where they were not looked for yet. */
  words: Map<number, string[] | null>;
  /** Of what is shown and not in the tree. */
  faces: Faces;
}

export interface RefinementMessage {
  threshold: number;
  concept: Int32Array;
  /** 0 stayed, 1 moved, 2 left. */
  mark: Int8Array;
  node: Int32Array;
  retrieved: Retrieved[];
  /** Each concept's cosines with the true features; null where nothing is known. */
  truth: Float64Array[] | null;
}

/** Messages from the view to the kernel. */
export type Request =
  | {
      type: "split.request";
      neuron: number | null;
      top: number;
      method: string;
      metric?: string;
      by?: By;
    }
  | { type: "job.cancel" }
  | { type: "capture.cancel" };

function retrievedOf(packed: Packed): Retrieved[] {
  const [, count, width] = packed.shape("retrieved");
  if (!count) return [];
  const rows = packed.tensor("retrieved", Int32Array);
  const labels = packed.tensor("retrieved_label", Int32Array);
  const percentile = packed.tensor("percentile", Float32Array);
  const cosine = packed.tensor("cosine", Float32Array);
  const recurs = packed.has("recurs") ? packed.tensor("recurs", Float32Array) : null;
  const both = <T>(of: (place: number) => T) =>
    Object.fromEntries(READINGS.map((by, r) => [by, of(r * count)])) as Record<By, T>;
  return Array.from({ length: count }, (_, i) => {
    const part = (all: Int32Array) =>
      both((at) => all.subarray((at + i) * width, (at + i + 1) * width));
    const known = recurs && !Number.isNaN(recurs[i]);
    return {
      rows: part(rows),
      labels: part(labels),
      percentile: both((at) => percentile[at + i]),
      cosine: cosine[i],
      recurs: known ? recurs[i] : null,
    };
  });
}

function chanceOf(packed: Packed): Chance | null {
  if (!packed.has("chance")) return null;
  return {
    sizes: packed.tensor("chance_size", Int32Array),
    labels: packed.tensor("chance_label", Int32Array),
    mean: packed.tensor("chance", Float32Array),
    high: packed.tensor("chance_high", Float32Array),
  };
}

function rowsOf(packed: Packed, name: string): Float64Array[] {
  const [count, width] = packed.shape(name);
  const all = packed.tensor(name, Float64Array);
  return Array.from({ length: count }, (_, i) => all.subarray(i * width, (i + 1) * width));
}

function truthOf(packed: Packed): TruthOfTree | null {
  if (!packed.has("truth")) return null;
  const rows = rowsOf(packed, "truth");
  const nodes = packed.tensor("truth_node", Int32Array);
  return {
    ...(packed.meta.truth as { names: string[]; recovered: number }),
    cosines: new Map(Array.from(nodes, (node, i) => [node, rows[i]] as const)),
  };
}

export function readTree(view: DataView | null): TreeMessage | null {
  const packed = unpack(view);
  if (!packed) return null;
  const meta = packed.meta as unknown as Omit<TreeMessage, "tree">;
  return {
    ...meta,
    tree: treeOf(packed.tensor("merge", Int32Array), packed.tensor("height", Float64Array)),
    row: packed.tensor("row", Int32Array),
    activation: packed.tensor("activation", Float32Array),
    label: packed.has("label") ? packed.tensor("label", Int32Array) : null,
    token: packed.has("token") ? packed.tensor("token", Int32Array) : null,
    map: packed.tensor("map", Float32Array),
    color: packed.tensor("color", Int16Array),
    truth: truthOf(packed),
    faces: facesOf(packed),
  };
}

export function readEvidence(view: DataView | null): EvidenceMessage | null {
  const packed = unpack(view);
  if (!packed) return null;
  const retrieved = retrievedOf(packed);
  const nodes = packed.tensor("node", Int32Array);
  // A notebook that was saved before cards had words has none.
  const words = (packed.meta.words ?? []) as (string[] | null)[];
  return {
    retrieved: new Map(Array.from(nodes, (node, i) => [node, retrieved[i]] as const)),
    chance: chanceOf(packed),
    words: new Map(Array.from(nodes, (node, i) => [node, words[i] ?? null] as const)),
    faces: facesOf(packed),
  };
}

export function readRefinement(view: DataView | null): RefinementMessage | null {
  const packed = unpack(view);
  if (!packed) return null;
  return {
    threshold: packed.meta.threshold as number,
    concept: packed.tensor("concept", Int32Array),
    mark: packed.tensor("mark", Int8Array),
    node: packed.tensor("node", Int32Array),
    retrieved: retrievedOf(packed),
    truth: packed.has("truth") ? rowsOf(packed, "truth") : null,
  };
}
