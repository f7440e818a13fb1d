/** The messages of NeuronBrowser: the table, the trees of all neurons, the map, what a search found. */
import { type Previews, previewsOf, type Text } from "./previews";
import { unpack } from "./safetensors";
import {
  MAP,
  MATCH,
  type MapArrays,
  type MapMeta,
  type MatchArrays,
  type MatchMeta,
  PEAKS,
  type PeaksArrays,
  PREVIEWS,
  PROMOTED,
  type PreviewsArrays,
  type PreviewsMeta,
  type PromotedArrays,
  type PromotedMeta,
  TABLE,
  type TableArrays,
  type TableMeta,
  TREES,
  type TreesArrays,
  type TreesMeta,
} from "./schema";
import type { Effect, Promoted } from "./split";

/** The message `table`, decoded; arrays are in the order of `neuron`. */
export interface TableMessage extends Omit<TableArrays, "score" | "unscored">, TableMeta {
  /** 1: the neuron's late scores are not computed yet; null: all are. */
  unscored: Uint8Array | null;
  /** Bins of a histogram, and top samples of a neuron. */
  bins: number;
  tops: number;
  /** The scores of each column by its name. */
  scores: Map<string, Float32Array>;
}

/** The message `trees`, decoded. */
export interface TreesMessage extends Omit<TreesArrays, "label">, TreesMeta {
  /** The most top samples of a neuron: the width of `sample` and `label`. */
  width: number;
  /** null without labels. */
  label: Int16Array | null;
}

/** The message `map`, decoded: the cell of each neuron, in the table's order. */
export interface LayerMap extends MapMeta {
  columnOf: Int16Array;
  rowOf: Int16Array;
}

/** The message `match`, decoded; arrays are in the table's order. */
export interface MatchMessage extends MatchMeta {
  value: Float32Array;
  /** null where no null is known. */
  q: Float32Array | null;
  /** The token that each neuron fires for most; null where no text was searched for. */
  token: Int32Array | null;
}

/** The message `promoted`, decoded; arrays are in the table's order. */
export interface PromotedMessage extends PromotedArrays, PromotedMeta {
  /** Outputs on each side. */
  side: number;
  /** The strongest effect, up or down; NaN: not known yet. */
  strongest: Float32Array;
}

export function readTable(view: DataView | null): TableMessage | null {
  const packed = unpack<TableArrays, TableMeta>(view, TABLE);
  if (!packed) return null;
  const neuron = packed.tensor("neuron");
  const score = packed.tensor("score");
  const n = neuron.length;
  return {
    ...packed.meta,
    neuron,
    histogram: packed.tensor("histogram"),
    least: packed.tensor("least"),
    largest: packed.tensor("largest"),
    top: packed.tensor("top"),
    concepts: packed.tensor("concepts"),
    unscored: packed.has("unscored") ? packed.tensor("unscored") : null,
    bins: packed.shape("histogram")[1],
    tops: packed.shape("top")[1],
    scores: new Map(
      packed.meta.columns.map(({ name }, c) => [name, score.subarray(c * n, (c + 1) * n)]),
    ),
  };
}

export function readTrees(view: DataView | null): TreesMessage | null {
  const packed = unpack<TreesArrays, TreesMeta>(view, TREES);
  if (!packed) return null;
  return {
    ...packed.meta,
    neuron: packed.tensor("neuron"),
    tops: packed.tensor("tops"),
    child: packed.tensor("child"),
    height: packed.tensor("height"),
    own: packed.tensor("own"),
    sample: packed.tensor("sample"),
    width: packed.shape("sample")[1],
    label: packed.has("label") ? packed.tensor("label") : null,
  };
}

export function readLayerMap(view: DataView | null): LayerMap | null {
  const packed = unpack<MapArrays, MapMeta>(view, MAP);
  if (!packed) return null;
  return { ...packed.meta, columnOf: packed.tensor("column"), rowOf: packed.tensor("row") };
}

export function readMatch(view: DataView | null): MatchMessage | null {
  const packed = unpack<MatchArrays, MatchMeta>(view, MATCH);
  if (!packed) return null;
  return {
    ...packed.meta,
    value: packed.tensor("value"),
    q: packed.has("q") ? packed.tensor("q") : null,
    token: packed.has("token") ? packed.tensor("token") : null,
  };
}

export function readPromoted(view: DataView | null): PromotedMessage | null {
  const packed = unpack<PromotedArrays, PromotedMeta>(view, PROMOTED);
  if (!packed) return null;
  const [output, effect] = [packed.tensor("output"), packed.tensor("effect")];
  const [n, , side] = packed.shape("output");
  const strongest = Float32Array.from({ length: n }, (_, i) =>
    Math.max(effect[2 * i * side], -effect[(2 * i + 1) * side]),
  );
  return { ...packed.meta, output, effect, side, strongest };
}

/** What the neuron at an index promotes and demotes; null: not known yet. */
export function promotedOf(message: PromotedMessage, i: number): Promoted | null {
  const { names, output, effect, side, strongest } = message;
  if (Number.isNaN(strongest[i])) return null;
  const at = (from: number): Effect[] =>
    Array.from(output.subarray(from, from + side), (place, j) => ({
      place,
      value: effect[from + j],
    }))
      .filter(({ place }) => place >= 0)
      .map(({ place, value }) => ({ name: names[place], value }));
  return {
    promoted: at(2 * i * side),
    demoted: at((2 * i + 1) * side),
    agreement: null,
    apart: null,
  };
}

/** Previews that the view asked for; null where there are none. */
export function readPreviews(view: DataView | null): Previews | null {
  const packed = unpack<PreviewsArrays, PreviewsMeta>(view, PREVIEWS);
  return packed && previewsOf(packed);
}

/** Where a neuron's activation peaks in a sample's text. */
export interface PeakText {
  neuron: number;
  row: number;
  text: Text;
}

/** The texts that were read token by token; none where there is no message. */
export function readPeaks(view: DataView | null): PeakText[] {
  const packed = unpack<PeaksArrays, PreviewsMeta>(view, PEAKS);
  if (!packed) return [];
  const { texts } = previewsOf(packed);
  const [neurons, rows] = [packed.tensor("neuron"), packed.tensor("face")];
  return texts.map((text, i) => ({ neuron: neurons[i], row: rows[i], text }));
}
