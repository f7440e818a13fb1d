/**
 * What the kernel and the views send each other: `lab`.
 *
 * Generated from `neuronwidgets/widgets/protocol` by
 * `python -m neuronwidgets.widgets.protocol.generate`. Do not edit.
 */

import type { CaptureState } from "./reading";

/** A capture in the background that runs, or that something still refers to. */
export interface BackgroundCapture {
  id: string;
  /** Its layer; several are joined by commas. */
  layer: string;
  /** The user's name for it. */
  variable: string | null;
  state: CaptureState;
  /** Samples read so far. */
  samples: number;
  /** Samples in all; `None` where that is not known. */
  total: number | null;
  /** Seconds left; `None` where that is not known or it has ended. */
  left: number | null;
  /** The same in words. */
  text: string;
  /** Bytes of the values that it holds in memory. */
  bytes: number;
  /** Bytes of the shards that it has finished on disk. */
  disk: number;
  /** The folder that it writes to; `None` in memory. */
  path: string | null;
}

/** A widget of this package that pages can show. */
export interface WidgetState {
  /** The id of its model. */
  id: string;
  /** The name of its class. */
  kind: string;
  /** What it shows: "neuron 17 of relu2". */
  title: string;
  /** The user's name for it. */
  variable: string | null;
  /** The id of a cell that shows it or has made it. */
  cell: string | null;
  /** The neurons that are pinned in it. */
  pinned: number[];
  /** The name of its layer; empty without one. */
  layer: string;
}

/** Activations that a variable of the user holds. */
export interface StoreState {
  id: string;
  /** The user's expression for it: `acts`, `both['h.0']`. */
  variable: string | null;
  layer: string;
  samples: number;
  neurons: number;
  /** Bytes of its arrays in memory, without those that are mapped. */
  bytes: number;
  /** Bytes of its values on disk. */
  disk: number;
  /** Its folder; `None` in memory. */
  path: string | null;
}

/** A library of concepts that a variable of the user holds. */
export interface LibraryState {
  /** The user's name for it. */
  variable: string | null;
  /** How many concepts it has. */
  concepts: number;
  /** Their names. */
  names: string[];
}

/** All that the kernel holds. Sent at the start and when it has changed, at most 4 a second. */
export interface KernelState {
  type: "kernel.state";
  captures: BackgroundCapture[];
  widgets: WidgetState[];
  stores: StoreState[];
  libraries: LibraryState[];
}

/** The kernel has opened the widget that the page asked for. */
export interface WidgetOpened {
  type: "widget.opened";
  /** The id of its model. */
  id: string;
  title: string;
}

/** The kernel could not do what the page asked for. */
export interface RequestFailed {
  type: "request.failed";
  /** Why, in one sentence. */
  text: string;
}

/** Stop a capture and keep what was read. */
export interface CaptureStop {
  type: "capture.cancel";
  id: string;
}

/** Open an Explorer on a capture. */
export interface CaptureExplore {
  type: "capture.explore";
  id: string;
}

/** Open an Explorer on activations. */
export interface StoreExplore {
  type: "store.explore";
  id: string;
}

/** Open an Explorer on a store on disk. */
export interface PathExplore {
  type: "path.explore";
  /** The folder: absolute, or relative to the kernel's working directory. */
  path: string;
}

/** What the kernel tells JupyterLab's panel. */
export type FromKernel = KernelState | WidgetOpened | RequestFailed;

/** What JupyterLab's panel may ask of the kernel. */
export type FromPage = CaptureStop | CaptureExplore | StoreExplore | PathExplore;
