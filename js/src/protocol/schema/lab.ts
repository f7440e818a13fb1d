/**
 * What the kernel and the JupyterLab extension send each other: `lab`.
 *
 * Generated from `neuronwidgets/lab/protocol.py` by
 * `python -m neuronwidgets.widgets.protocol.generate`. Do not edit.
 */

/** A capture that the kernel knows. */
export interface CaptureState {
  id: string;
  layer: string;
  /** Its name in the user's namespace. */
  variable: string | null;
  state: "running" | "done" | "stopped" | "failed";
  samples: number;
  total: number | null;
  /** Seconds. */
  left: number | null;
  text: string;
  bytes: number;
  path: string | null;
}

/** A widget that is open in the kernel. */
export interface WidgetState {
  /** The id of its model. */
  id: string;
  kind: string;
  title: string;
  variable: string | null;
  /** The cell that made it. */
  cell: string | null;
  pinned: number[];
  layer: string;
}

/** Activations held by a variable. */
export interface StoreState {
  id: string;
  variable: string | null;
  layer: string;
  samples: number;
  neurons: number;
  bytes: number;
  path: string | null;
}

/** Concepts held by a variable. */
export interface LibraryState {
  variable: string | null;
  concepts: number;
  names: string[];
}

export interface KernelState {
  type: "kernel.state";
  captures: CaptureState[];
  widgets: WidgetState[];
  stores: StoreState[];
  libraries: LibraryState[];
}

export interface WidgetOpened {
  type: "widget.opened";
  /** The id of its model. */
  id: string;
  title: string;
}

export interface RequestFailed {
  type: "request.failed";
  text: string;
}

export type FromKernel = KernelState | WidgetOpened | RequestFailed;

export interface CaptureCancel {
  type: "capture.cancel";
  id: string;
}

export interface CaptureExplore {
  type: "capture.explore";
  id: string;
}

export interface StoreExplore {
  type: "store.explore";
  id: string;
}

export interface PathExplore {
  type: "path.explore";
  path: string;
}

export type FromPage = CaptureCancel | CaptureExplore | StoreExplore | PathExplore;
