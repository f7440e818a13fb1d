/**
 * What the kernel and the views send each other: `effects`.
 *
 * Generated from `neuronwidgets/widgets/protocol` by
 * `python -m neuronwidgets.widgets.protocol.generate`. Do not edit.
 */

/** What the model makes of the concepts. */
export interface EffectsMeta {
  /** What the outputs are. */
  kind: "token" | "class";
  /** How effects are read. */
  lens: "logit" | "jacobian";
  /** The outputs that `effect_output` refers to. */
  names: string[];
  /** The strongest effect that 95% of random directions do not exceed; `None`: not known yet. */
  high: number | null;
  /** Why there are no effects; empty if there are, or may be. */
  note: string;
  /** The cut's height, of the k-means concepts in `effect_node`. Absent: of none. */
  refined?: number;
}

/** Take the concepts on the screen out of the model. The answer is in `evidence`. */
export interface CausesMeasure {
  type: "causes.measure";
  /** Whether those of every cut into up to ten concepts. Absent: no. */
  every?: boolean;
}

/** A cut whose concepts were taken out of the model. */
export interface MeasuredCut {
  /** Its concepts' tree nodes; -1: none, of k-means. */
  nodes: number[];
  /** What the numbers do not show by themselves, in sentences. */
  findings: string[];
  /** Held-out samples. */
  samples: number;
  /** Why it could not be measured; empty if it was. */
  note: string;
  /** The cut's height, of k-means membership. Absent: the tree's own. */
  refined?: number;
  /** The concepts, first ones, that are measured so far. Absent: all. */
  done?: number;
}

/** What the model loses without the concepts. */
export interface CausesMeta {
  /** Whether there are held-out samples to measure it on. */
  able: boolean;
  /** What every edit costs other samples, in nats. */
  kl: number;
  /** In the order of the arrays. */
  cuts: MeasuredCut[];
}
