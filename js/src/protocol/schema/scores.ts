/**
 * What the kernel and the views send each other: `scores`.
 *
 * Generated from `neuronwidgets/widgets/protocol` by
 * `python -m neuronwidgets.widgets.protocol.generate`. Do not edit.
 */

/** A suggested cut. */
export interface SuggestedCut {
  /** The height of the cut. */
  threshold: number;
  /** How many concepts it gives. */
  concepts: number;
  /**
   * The kinds of reason ("gap", "compact", "stable", "chance") by which no other cut is better;
   * often none.
   */
  best: string[];
  /** The reasons in words. */
  reasons: string[];
}

/** A score of the neuron as a whole, at the suggested cut. */
export interface NeuronScore {
  /** The column of the registry. */
  name: string;
  /** The name for people. */
  title: string;
  /** `None` where the score failed; `about` has the error. */
  value: number | null;
  /** The range, what a higher value means, and the source. */
  about: string;
  /** Whether it is a score itself and not a part of one. */
  main: boolean;
}

/** How concepts of a band are compared with those of the top samples. */
export interface BandMeta {
  /** The cosine below which a concept is in the band only. */
  limit: number;
  /** The share of concepts that sampling alone would mark; `None`: not known. */
  missed: number | null;
}

/** The true features that drive the neuron. */
export interface TruthMeta {
  /** Their names. */
  names: string[];
  /** The least cosine of a concept vector that recovers a feature. */
  recovered: number;
}

/** How far a split agrees with the default one, Ward's linkage by cosine. */
export interface AgreementMeta {
  /** The adjusted Rand index at both suggested cuts. */
  index: number;
  /** The index that 97.5% of permutations of the samples do not exceed. */
  chance: number;
  /** Clusters of this split and of the default one. */
  clusters: number[];
  /** Samples that both have. */
  samples: number;
}

/** How far the concepts of a cut come back from another half of the top samples. */
export interface HalvesOfCut {
  /** Its concepts' tree nodes. */
  nodes: number[];
  /**
   * The cosine of each concept's directions from two halves, each clustered anew: the mean over
   * divisions. `None`: no half has it.
   */
  agreement: (number | null)[];
  /** The same with the samples of all clusters permuted, on average. */
  chance: (number | null)[];
  /** What 95% of these permutations have at most. */
  high: (number | null)[];
}
