/**
 * What the kernel and the views send each other: `sae`.
 *
 * Generated from `neuronwidgets/widgets/protocol` by
 * `python -m neuronwidgets.widgets.protocol.generate`. Do not edit.
 */

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
