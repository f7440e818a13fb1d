/**
 * What the kernel and the views send each other: `sae`.
 *
 * Generated from `neuronwidgets/widgets/protocol` by
 * `python -m neuronwidgets.widgets.protocol.generate`. Do not edit.
 */

import type { Dtype } from "./dtypes";

/** The features that are compared. */
export interface SAEMeta {
  /** How many there are. */
  features: number;
  /** How many are active on two top samples or more; `None`: not computed yet. */
  active: number | null;
  /** The share of the top samples' variance that the autoencoder has; `None`: not known. */
  explained: number | null;
  /** Why the comparison may be void, or failed; often empty. */
  note: string;
  /** Whether nothing can be compared. */
  failed: boolean;
}

/** The arrays of the message `sae`, the trait `_sae` of SplitExplorer. */
export interface SaeArrays {
  /** `(q,)`. The tree nodes. */
  node: Int32Array;
  /**
   * `(q,)`. The feature that tells its samples from the other top samples best; -1: it has them
   * all.
   */
  feature: Int32Array;
  /**
   * `(q, 3)`. AUROC of the best feature of one half on the other half; the same of as many random
   * directions, their mean and what 95% have at most. NaN: unknown.
   */
  auroc: Float32Array;
  /** `(q, i)`. Features that together make it; -1: there are no more. */
  cover: Int32Array;
  /** `(q,)`. How many there are. */
  cover_size: Int32Array;
  /**
   * `(q, 2)`. The share of its samples that they cover, and as many random directions (at least
   * one).
   */
  covered: Float32Array;
  /** `(q,)`. The feature that tells its two branches apart; -1: it has none. */
  branch: Int32Array;
  /** `(q, 2)`. Its AUROC, held out, and that of random directions. NaN: unknown. */
  branch_auroc: Float32Array;
  /**
   * `(q, y, z)`. A bit for each top sample, the lowest first: whether the feature is active, one of
   * `cover` is, each random direction is that is active as often as the feature.
   */
  active: Uint8Array;
}

/** The dtypes of the arrays of `sae`. */
export const SAE: Record<keyof SaeArrays, Dtype> = {
  node: "I32",
  feature: "I32",
  auroc: "F32",
  cover: "I32",
  cover_size: "I32",
  covered: "F32",
  branch: "I32",
  branch_auroc: "F32",
  active: "U8",
};
