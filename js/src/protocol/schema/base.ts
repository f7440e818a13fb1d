/**
 * What the kernel and the views send each other: `base`.
 *
 * Generated from `neuronwidgets/widgets/protocol` by
 * `python -m neuronwidgets.widgets.protocol.generate`. Do not edit.
 */

export type JobState = "idle" | "running" | "error";

/** What the kernel is doing. */
export interface Status {
  state: JobState;
  /** The running step, or the error, in words. */
  text: string;
  /** The share of the job that is done, 0 to 1. */
  progress: number;
}

/** The synced traits of every widget. */
export interface BaseTraits {
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
}

/** Stop the job that runs. */
export interface JobCancel {
  type: "job.cancel";
}

/** Tell the kernel how many views of the widget a page has. */
export interface ViewsCount {
  type: "views.count";
  /** At least 0. */
  count: number;
}

/** The kernel's answer to every request, sent at once and before the request is handled. */
export interface JobAck {
  type: "job.ack";
}
