/**
 * What the kernel and the views send each other: `explorer`.
 *
 * Generated from `neuronwidgets/widgets/protocol` by
 * `python -m neuronwidgets.widgets.protocol.generate`. Do not edit.
 */

import type { JobCancel, Status, ViewsCount } from "./base";

export type ExplorerTab = "split" | "ranges" | "probe";

/** The synced traits of Explorer. */
export interface ExplorerTraits {
  /** What the kernel is doing. */
  status: Status;
  /** The version of the picture: counts what was put on the screen. */
  _version: number;
  /** The version that the view saw when it last set a trait. */
  _view_version: number;
  /** The widget's identity, by which a page counts its views. */
  _key: string;
  /** The arguments it was opened with, as code, but for those in traits. */
  _given: string;
  /** The model with its code: "IPY_MODEL_" and its id. */
  _front: string | null;
  /** The chosen neuron. */
  neuron: number | null;
  /** What is shown of it. */
  tab: ExplorerTab;
  /** The address of what is shown. */
  state: string;
  /** The layer's name. */
  layer: string;
  /** Why this layer was proposed; empty where the user named it. */
  _reason: string;
  /** Tabs that cannot be shown, and why, in a sentence. */
  _missing: Record<string, string>;
  /** How many places are behind the present one. */
  _back: number;
  /** How many are ahead. */
  _forward: number;
  /** The NeuronBrowser inside: "IPY_MODEL_" and its model id. */
  _browser: string | null;
  /** The SplitExplorer inside. */
  _split: string | null;
  /** The RangeExplorer inside. */
  _ranges: string | null;
  /** The LiveProbe inside. */
  _probe: string | null;
  /** The SplitExplorer of a lower neuron. `None` while it opens. */
  _lower: string | null;
  /** Which neuron of a layer below is shown in place of the split, in words; empty: none. */
  _lower_of: string;
}

/** Go to a place that was looked at before. */
export interface HistoryStep {
  type: "history.step";
  /** Negative: back. */
  steps: number;
}

/** Show the chosen neuron's own split again. */
export interface LowerClose {
  type: "lower.close";
}

/** What a view of Explorer may ask of the kernel. */
export type ExplorerRequest = HistoryStep | LowerClose | JobCancel | ViewsCount;
