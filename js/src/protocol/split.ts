/** The messages of SplitExplorer: the tree, what its concepts retrieve, the k-means concepts. */
import { type Previews, previewsOf } from "./previews";
import { type Packed, unpack } from "./safetensors";
import {
  type AgreementMeta,
  type BandMeta,
  type By,
  type CausesMeta,
  type EffectsMeta,
  EVIDENCE,
  type EvidenceArrays,
  type EvidenceMeta,
  type HalvesOfCut,
  type MeasuredCut,
  type PreviewsMeta,
  REFINEMENT,
  type RefinementArrays,
  type RefinementMeta,
  TREE,
  type TreeArrays,
  type TreeMeta,
} from "./schema";
import { type Tree, treeOf } from "./tree";
import { cosinesOf, type TruthOfTree, truthOf } from "./truth";

/** The message `tree`, decoded. */
export interface TreeMessage
  extends Pick<TreeArrays, "row" | "activation" | "map" | "color">,
    Omit<TreeMeta, "truth" | "words" | keyof PreviewsMeta> {
  tree: Tree;
  /** null without labels. */
  label: Int32Array | null;
  /** null where concepts are not named by tokens. */
  token?: Int32Array | null;
  /** The text or image of each; null where samples are whole ones. */
  source?: Int32Array | null;
  /** Samples in equal steps from the least to the largest activation; null: it never changes. */
  histogram?: Int32Array | null;
  /** null where no true features are known. */
  truth: TruthOfTree | null;
  faces: Previews;
  words?: boolean;
}

/** How samples are compared with a concept, in the order of the arrays. */
export const READINGS = ["cosine", "dot"] as const satisfies readonly By[];

/** What one cluster retrieves from the whole dataset. */
export interface Retrieved {
  rows: Record<By, Int32Array>;
  labels: Record<By, Int32Array>;
  /** The neuron's activations on them; null in what older versions saved. */
  activations: Record<By, Float32Array> | null;
  /** Of the `precisionOf` samples outside of it that it retrieves first, the share of its label. */
  precision: Record<By, number | null>;
  precisionOf: number;
  /** Where the retrieved samples stand among all activations: the median, 0 to 100. */
  percentile: Record<By, number>;
  /** Cosine of its concept vector with the neuron's axis. */
  cosine: number;
  /** The share of halves of the samples in which it is a cluster again; null: not known. */
  recurs: number | null;
}

/** Samples of the whole dataset that a concept or the neuron selects, over their activation range. */
export interface Spread {
  /** The most activating first. */
  rows: Int32Array;
  labels: Int32Array;
  activations: Float32Array;
  /** How many are selected; these are some of them. */
  selected: number;
}

/** The outputs that one vector promotes and demotes: their names and effects, the strongest first. */
export interface Promoted {
  promoted: Effect[];
  demoted: Effect[];
  /** Cosine of the effects from two halves of the samples; null: unknown. */
  agreement: number | null;
  /** How far its effects are from those of all top samples, as a multiple of what 95% of random
   * groups of these reach; null: not compared. */
  apart: number | null;
}

export interface Effect {
  name: string;
  /** The change of its logit by one unit of the vector, less the mean over all outputs. */
  value: number;
}

/** What the model makes of the concepts. */
export interface Effects extends Omit<EffectsMeta, "names"> {
  /** By tree node; -1 is the neuron itself. */
  of: Map<number, Promoted>;
}

/** How near concepts of a band are to those of the neuron's top samples. */
export interface InBand extends BandMeta {
  /** By tree node. */
  of: Map<number, { cosine: number; chance: number }>;
}

/** A value with its 95% interval; NaN: unknown. */
export interface Interval {
  value: number;
  low: number;
  high: number;
}

/** What own, siblings' and other samples lose. */
export interface Losses {
  own: Interval;
  siblings: Interval;
  others: Interval;
}

/** What the model loses without one concept, beside its controls, in nats. */
export interface Cause {
  concept: Losses;
  neuron: Losses;
  random: Losses;
  /** What own samples lose more than without random directions, and more than siblings'. */
  above: Interval;
  selectivity: Interval;
}

export interface Causes extends Omit<CausesMeta, "cuts"> {
  /** Of each, its concepts in the order of `nodes`. */
  cuts: (MeasuredCut & { gain: Interval; of: Cause[] })[];
}

/** What random groups of top-activating samples retrieve outside of themselves, by reading, size
 * and label; NaN where they leave none of a label outside. */
export interface Chance {
  sizes: Int32Array;
  labels: Int32Array;
  mean: Float32Array;
  /** The share that 95% of the groups do not exceed. */
  high: Float32Array;
}

/** The message `evidence`, decoded. */
export interface EvidenceMessage {
  retrieved: Map<number, Retrieved>;
  /** null without labels, and before it is measured. */
  chance: Chance | null;
  /** Keywords of each node's texts; null: not computed yet. */
  words: Map<number, string[] | null>;
  /** By tree node; -1 is the neuron itself. Only those that a view has asked for. */
  spread: Map<number, Spread>;
  /** null without a model. */
  effects: Effects | null;
  /** null of top samples, and before it is computed. */
  band: InBand | null;
  /** null without a model. */
  causes: Causes | null;
  /** null of the default split, and before it is computed. */
  agreement: AgreementMeta | null;
  /** Of the cuts that were on the screen: whether concepts come back from other halves. */
  halves: HalvesOfCut[];
  /** Previews that the tree lacks. */
  faces: Previews;
}

/** The message `refinement`, decoded. */
export interface RefinementMessage
  extends Pick<RefinementArrays, "concept" | "mark" | "node">,
    RefinementMeta {
  retrieved: Retrieved[];
  /** Each concept's cosines with the true features; null where none are known. */
  truth: Float64Array[] | null;
}

/** What both `evidence` and `refinement` say of the clusters that they hold. */
type RetrievedArrays = Pick<
  RefinementArrays,
  | "retrieved"
  | "retrieved_label"
  | "retrieved_activation"
  | "precision"
  | "precision_of"
  | "percentile"
  | "cosine"
>;

/** null for NaN, and for what an older version did not send. */
const known = (value?: number) => (value === undefined || Number.isNaN(value) ? null : value);

function retrievedOf<Arrays extends RetrievedArrays>(
  packed: Packed<Arrays, unknown>,
  recurs: Float32Array | null,
): Retrieved[] {
  const [, count, width] = packed.shape("retrieved");
  if (!count) return [];
  const rows = packed.tensor("retrieved");
  const labels = packed.tensor("retrieved_label");
  const activations = packed.has("retrieved_activation")
    ? packed.tensor("retrieved_activation")
    : null;
  const precision = packed.has("precision") ? packed.tensor("precision") : null;
  const precisionOf = packed.has("precision_of") ? packed.tensor("precision_of") : null;
  const percentile = packed.tensor("percentile");
  const cosine = packed.tensor("cosine");
  const both = <T>(of: (place: number) => T) =>
    Object.fromEntries(READINGS.map((by, r) => [by, of(r * count)])) as Record<By, T>;
  return Array.from({ length: count }, (_, i) => {
    const part = <Numbers extends Int32Array | Float32Array>(all: Numbers) =>
      both((at) => all.subarray((at + i) * width, (at + i + 1) * width) as Numbers);
    return {
      rows: part(rows),
      labels: part(labels),
      activations: activations && part(activations),
      precision: both((at) => known(precision?.[at + i])),
      precisionOf: precisionOf?.[i] ?? 0,
      percentile: both((at) => percentile[at + i]),
      cosine: cosine[i],
      recurs: known(recurs?.[i]),
    };
  });
}

function chanceOf(packed: Packed<EvidenceArrays, EvidenceMeta>): Chance | null {
  if (!packed.has("chance")) return null;
  return {
    sizes: packed.tensor("chance_size"),
    labels: packed.tensor("chance_label"),
    mean: packed.tensor("chance"),
    high: packed.tensor("chance_high"),
  };
}

function spreadsOf(packed: Packed<EvidenceArrays, EvidenceMeta>): Map<number, Spread> {
  if (!packed.has("spread_node")) return new Map();
  const [, width] = packed.shape("spread");
  const rows = packed.tensor("spread");
  const labels = packed.tensor("spread_label");
  const activations = packed.tensor("spread_activation");
  const selected = packed.tensor("spread_selected");
  const entries = Array.from(packed.tensor("spread_node"), (node, i) => {
    const [start, all] = [i * width, rows.subarray(i * width, (i + 1) * width)];
    const count = all.filter((row) => row >= 0).length;
    const end = start + count;
    const spread = {
      rows: rows.subarray(start, end),
      labels: labels.subarray(start, end),
      activations: activations.subarray(start, end),
      selected: selected[i],
    };
    return [node, spread] as const;
  });
  return new Map(entries);
}

function effectsOf(packed: Packed<EvidenceArrays, EvidenceMeta>): Effects | null {
  const about = packed.meta.effects;
  if (!about) return null;
  const { names, ...rest } = about;
  if (!packed.has("effect_node")) return { ...rest, of: new Map() };
  const [, , width] = packed.shape("effect");
  const outputs = packed.tensor("effect_output");
  const values = packed.tensor("effect");
  const agreement = packed.tensor("effect_agreement");
  const apart = packed.tensor("effect_apart");
  const side = (line: number): Effect[] =>
    Array.from({ length: width }, (_, k) => ({
      name: names[outputs[line * width + k]],
      value: values[line * width + k],
    }));
  const entries = Array.from(packed.tensor("effect_node"), (node, i) => {
    const strip: Promoted = {
      promoted: side(2 * i),
      demoted: side(2 * i + 1),
      agreement: Number.isNaN(agreement[i]) ? null : agreement[i],
      apart: Number.isNaN(apart[i]) ? null : apart[i],
    };
    return [node, strip] as const;
  });
  return { ...rest, of: new Map(entries) };
}

function inBandOf(packed: Packed<EvidenceArrays, EvidenceMeta>): InBand | null {
  const about = packed.meta.band;
  if (!about) return null;
  const cosine = packed.tensor("band_cosine");
  const chance = packed.tensor("band_chance");
  const entries = Array.from(
    packed.tensor("band_node"),
    (node, i) => [node, { cosine: cosine[i], chance: chance[i] }] as const,
  );
  return { ...about, of: new Map(entries) };
}

function causesOf(packed: Packed<EvidenceArrays, EvidenceMeta>): Causes | null {
  const about = packed.meta.causes;
  if (!about) return null;
  const { cuts, ...rest } = about;
  if (!packed.has("cause")) return { ...rest, cuts: [] };
  const three = (all: Float32Array, i: number): Interval => ({
    value: all[3 * i],
    low: all[3 * i + 1],
    high: all[3 * i + 2],
  });
  const all = packed.tensor("cause");
  const [above, selectivity] = [packed.tensor("cause_above"), packed.tensor("cause_selectivity")];
  const gains = packed.tensor("cause_gain");
  const losses = (line: number): Losses => ({
    own: three(all, 3 * line),
    siblings: three(all, 3 * line + 1),
    others: three(all, 3 * line + 2),
  });
  let at = 0;
  return {
    ...rest,
    cuts: cuts.map((cut, c) => {
      const of = cut.nodes.map((): Cause => {
        const i = at++;
        return {
          concept: losses(3 * i),
          neuron: losses(3 * i + 1),
          random: losses(3 * i + 2),
          above: three(above, i),
          selectivity: three(selectivity, i),
        };
      });
      return { ...cut, gain: three(gains, c), of };
    }),
  };
}

export function readTree(view: DataView | null): TreeMessage | null {
  const packed = unpack<TreeArrays, TreeMeta>(view, TREE);
  if (!packed) return null;
  return {
    ...packed.meta,
    tree: treeOf(packed.tensor("merge"), packed.tensor("height")),
    row: packed.tensor("row"),
    activation: packed.tensor("activation"),
    label: packed.has("label") ? packed.tensor("label") : null,
    token: packed.has("token") ? packed.tensor("token") : null,
    source: packed.has("source") ? packed.tensor("source") : null,
    map: packed.tensor("map"),
    color: packed.tensor("color"),
    histogram: packed.has("histogram") ? packed.tensor("histogram") : null,
    truth: truthOf(packed),
    faces: previewsOf(packed),
  };
}

export function readEvidence(view: DataView | null): EvidenceMessage | null {
  const packed = unpack<EvidenceArrays, EvidenceMeta>(view, EVIDENCE);
  if (!packed) return null;
  // Notebooks that were saved by older versions may lack both.
  const recurs = packed.has("recurs") ? packed.tensor("recurs") : null;
  const words = packed.meta.words ?? [];
  const retrieved = retrievedOf(packed, recurs);
  const nodes = packed.tensor("node");
  return {
    retrieved: new Map(Array.from(nodes, (node, i) => [node, retrieved[i]] as const)),
    chance: chanceOf(packed),
    words: new Map(Array.from(nodes, (node, i) => [node, words[i] ?? null] as const)),
    spread: spreadsOf(packed),
    effects: effectsOf(packed),
    band: inBandOf(packed),
    causes: causesOf(packed),
    agreement: packed.meta.agreement ?? null,
    halves: packed.meta.halves ?? [],
    faces: previewsOf(packed),
  };
}

export function readRefinement(view: DataView | null): RefinementMessage | null {
  const packed = unpack<RefinementArrays, RefinementMeta>(view, REFINEMENT);
  if (!packed) return null;
  return {
    threshold: packed.meta.threshold,
    concept: packed.tensor("concept"),
    mark: packed.tensor("mark"),
    node: packed.tensor("node"),
    retrieved: retrievedOf(packed, null),
    truth: packed.has("truth") ? cosinesOf(packed) : null,
  };
}
