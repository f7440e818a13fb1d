/**
 * What the kernel and the views send each other: `library`.
 *
 * Generated from `neuronwidgets/widgets/protocol` by
 * `python -m neuronwidgets.widgets.protocol.generate`. Do not edit.
 */

/** A concept of the library. */
export interface PinnedName {
  name: string;
  /** The layer that it was found in. */
  layer: string;
  /** Its neuron; `None` for a direction. */
  neuron: number | null;
  /** How many samples it has. */
  samples: number;
}

/** Keep a concept on the screen of SplitExplorer in the library. */
export interface ConceptKeep {
  type: "concept.keep";
  /** Its number, from 0, in the order of the cards. */
  concept: number;
  /** How many samples it has on the screen. */
  size: number;
  /** What the screen calls it. */
  name: string;
}
