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
}
