/**
 * What the kernel and the views send each other: `split_requests`.
 *
 * Generated from `neuronwidgets/widgets/protocol` by
 * `python -m neuronwidgets.widgets.protocol.generate`. Do not edit.
 */

export type By = "cosine" | "dot";

/** Split a neuron, and show the result. */
export interface SplitRequest {
  type: "split.request";
  /** `None`: the neuron or direction on the screen. */
  neuron: number | null;
  /** How many top-activating samples. */
  top: number;
  /** The clustering method. */
  method: string;
  /** How distances are measured. Absent: as the method does by default. */
  metric?: string;
  /** Two quantiles; `None`: the top. Absent: unchanged. */
  band?: number[] | null;
  /** How concepts retrieve samples. Absent: unchanged. */
  by?: By;
}

/** Show samples of the whole layer over their activation range. The answer is in `evidence`. */
export interface SamplesSpread {
  type: "samples.spread";
  /** Of the tree, the concept that selects them; `None`: the neuron. */
  node: number | null;
}

/** Read a text to its ends. The answer is in `evidence`. */
export interface TextRead {
  type: "text.read";
  /** The dataset index of the text or token. */
  row: number;
}
