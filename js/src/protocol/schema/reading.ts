/**
 * What the kernel and the views send each other: `reading`.
 *
 * Generated from `neuronwidgets/widgets/protocol` by
 * `python -m neuronwidgets.widgets.protocol.generate`. Do not edit.
 */

import type { Status } from "./base";

export type CaptureState = "running" | "done" | "stopped" | "failed";

/** The empty object: there is no value yet. */
export type Nothing = Record<string, never>;

/** The progress of a capture. */
export interface CaptureProgress {
  state: CaptureState;
  /** Samples read so far. */
  samples: number;
  /** Samples in all; `None` where that is not known. */
  total: number | null;
  /** Samples per second. */
  rate: number;
  /** Tokens per second. */
  tokens_rate: number;
  /** Seconds left; `None` where that is not known or it has ended. */
  left: number | null;
  /** The same in words. */
  text: string;
}

/** The synced traits of a widget that can open on a running capture. */
export interface LiveTraits {
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
  /** The capture's progress; empty without one. */
  reading: CaptureProgress | Nothing;
  /** Whether the user holds something in a view. */
  _held: boolean;
}

/** Stop the capture and keep what was read. Known only where the widget shows a capture. */
export interface CaptureCancel {
  type: "capture.cancel";
}
