/** The message `sae`: the features of a sparse autoencoder beside the concepts. */
import { unpack } from "./safetensors";
import { SAE, type SAEMeta, type SaeArrays } from "./schema";

/** The feature that tells a concept's samples from the other top samples best. */
export interface FeatureOf {
  /** -1: the concept has all top samples. */
  feature: number;
  /** AUROC of the best feature of one half on the other half; NaN: unknown. */
  auroc: number;
  /** The same of as many random directions: their mean, and what 95% have at most. */
  random: number;
  randomMost: number;
  /** Features that together make the concept; some of them, if they are many. */
  cover: number[];
  /** How many features these are. */
  coverSize: number;
  /** The share of its samples that they cover, and as many random directions. */
  covered: number;
  randomCovered: number;
  /** The feature that tells its two branches apart; -1: it has none. */
  branch: number;
  branchAuroc: number;
  branchRandom: number;
  /** A bit for each top sample: where the feature is active, ... */
  active: Uint8Array;
  /** ... where one of `cover` is, ... */
  coverActive: Uint8Array;
  /** ... where each random direction is that is active as often as the feature. */
  randomActive: Uint8Array[];
}

export interface SAEFeatures extends SAEMeta {
  /** By tree node. */
  of: Map<number, FeatureOf>;
}

export function readSAE(view: DataView | null | undefined): SAEFeatures | null {
  const packed = unpack<SaeArrays, SAEMeta>(view, SAE);
  if (!packed) return null;
  const [, rows, width] = packed.shape("active");
  const [, listed] = packed.shape("cover");
  const features = packed.tensor("feature");
  const aurocs = packed.tensor("auroc");
  const cover = packed.tensor("cover");
  const sizes = packed.tensor("cover_size");
  const covered = packed.tensor("covered");
  const branches = packed.tensor("branch");
  const branchAurocs = packed.tensor("branch_auroc");
  const bits = packed.tensor("active");
  const entries = Array.from(packed.tensor("node"), (node, i) => {
    const mask = (row: number) =>
      bits.subarray((i * rows + row) * width, (i * rows + row + 1) * width);
    const one: FeatureOf = {
      feature: features[i],
      auroc: aurocs[3 * i],
      random: aurocs[3 * i + 1],
      randomMost: aurocs[3 * i + 2],
      cover: Array.from(cover.subarray(i * listed, (i + 1) * listed)).filter((f) => f >= 0),
      coverSize: sizes[i],
      covered: covered[2 * i],
      randomCovered: covered[2 * i + 1],
      branch: branches[i],
      branchAuroc: branchAurocs[2 * i],
      branchRandom: branchAurocs[2 * i + 1],
      active: mask(0),
      coverActive: mask(1),
      randomActive: Array.from({ length: rows - 2 }, (_, draw) => mask(2 + draw)),
    };
    return [node, one] as const;
  });
  return { ...packed.meta, of: new Map(entries) };
}
