/**
 * What the kernel and the views send each other: `toy`.
 *
 * Generated from `neuronwidgets/widgets/protocol` by
 * `python -m neuronwidgets.widgets.protocol.generate`. Do not edit.
 */

import type { JobCancel, Status, ViewsCount } from "./base";
import type { Dtype } from "./dtypes";

export type Knob =
  | "features"
  | "dims"
  | "neurons"
  | "eps"
  | "distribution"
  | "task"
  | "nonlinearity"
  | "bias"
  | "decay"
  | "l1"
  | "learning_rate"
  | "cycle"
  | "batch"
  | "steps"
  | "seed"
  | "optimizer";

/** The configuration of a run: the knobs of `neuronwidgets.toy.Config`. */
export interface RunConfig {
  /** The preset that it is; empty for none. */
  preset: string;
  features: number;
  dims: number;
  neurons: number;
  eps: number;
  distribution: string;
  task: string;
  nonlinearity: string;
  bias: number;
  decay: number;
  l1: number;
  learning_rate: number;
  cycle: number;
  batch: number;
  steps: number;
  seed: number;
  optimizer: string;
}

/** The synced traits of ToyLab. */
export interface ToyLabTraits {
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
  /** Whether training goes on. */
  running: boolean;
  /** The step that is shown; `None`: the newest. */
  checkpoint: number | null;
  /** The run of the chosen neuron: 0 is A, 1 is B. */
  run_index: number;
  /** The chosen neuron. */
  neuron: number | null;
  /** The chosen feature, in both runs. */
  feature: number | null;
  /** The configuration of each run. */
  _configs: RunConfig[];
  /** The message `runs`. */
  _picture: DataView;
  /** The message `checkpoints`. */
  _checkpoints: DataView;
  /** The SplitExplorer inside: "IPY_MODEL_" and its model id. */
  _explorer: string | null;
  /** What the SplitExplorer inside shows, in words. */
  _split_of: string;
}

/** Train on; runs that are done begin again. */
export interface TrainRun {
  type: "train.run";
}

/** Pause training. */
export interface TrainPause {
  type: "train.pause";
}

/** Train each run one step further. */
export interface TrainStep {
  type: "train.step";
}

/** Train to the next power of two of steps. */
export interface TrainDouble {
  type: "train.double";
}

/** Return to step 0 of the same seeds. */
export interface TrainReset {
  type: "train.reset";
}

/** Change knobs of a run, which begins again. */
export interface ConfigRequest {
  type: "config.request";
  /** 0 is A, 1 is B. */
  run: number;
  /** The new values. */
  knobs: Partial<Record<Knob, number | string>>;
}

/** Change a run to a preset. */
export interface PresetRequest {
  type: "preset.request";
  /** 0 is A, 1 is B. */
  run: number;
  /** The name of the preset. */
  name: string;
}

/** Show two runs, or one. */
export interface CompareRequest {
  type: "compare.request";
  /** Whether there are two. */
  on: boolean;
}

/** Send the checkpoints as they are now. */
export interface CheckpointsRequest {
  type: "checkpoints.request";
}

/** Split the chosen neuron in a SplitExplorer inside the lab. */
export interface ExplorerOpen {
  type: "explorer.open";
}

/** Close the SplitExplorer inside the lab. */
export interface ExplorerClose {
  type: "explorer.close";
}

/** What is counted of a model at one step. */
export interface Counts {
  /** Steps done. */
  step: number;
  /** The response that 127 in `A` stands for. */
  peak: number;
  /** Monosemantic neurons. */
  monosemantic: number;
  /** Monosemantic neurons to expect if the responses were shuffled. */
  chance: number;
  /** Monosemantic neurons under a tenth of the strongest neuron's response. */
  faint: number;
  /** Features that a monosemantic neuron represents. */
  covered: number;
  /** Neurons without any response. */
  dead: number;
  /** Whether some of the numbers are not finite. */
  diverged: boolean;
  /** The mean bias; `None` where it is not finite. */
  meanBias: number | null;
  /** The loss as a share of the best linear map's; `None` where it is not known or not finite. */
  loss: number | null;
}

/** A run in `runs`. */
export interface RunMeta {
  /** Steps done. */
  step: number;
  /** The response that 127 in `A` stands for. */
  peak: number;
  /** Monosemantic neurons. */
  monosemantic: number;
  /** Monosemantic neurons to expect if the responses were shuffled. */
  chance: number;
  /** Monosemantic neurons under a tenth of the strongest neuron's response. */
  faint: number;
  /** Features that a monosemantic neuron represents. */
  covered: number;
  /** Neurons without any response. */
  dead: number;
  /** Whether some of the numbers are not finite. */
  diverged: boolean;
  /** The mean bias; `None` where it is not finite. */
  meanBias: number | null;
  /** The loss as a share of the best linear map's; `None` where it is not known or not finite. */
  loss: number | null;
  /** "A" or "B". */
  name: string;
  /** A CSS colour. */
  color: string;
  /** The preset; empty for none. */
  title: string;
  /** Features of the model. */
  features: number;
  /** Neurons of the model. */
  neurons: number;
  /** Steps of the whole training. */
  steps: number;
  /** Steps per second; 0: not known. */
  speed: number;
  /** Seconds until training pauses; `None`: not known. */
  left: number | null;
  /** Whether training has ended. */
  done: boolean;
  /** Whether the model is the run's last checkpoint and has no arrays here. */
  kept: boolean;
}

/** The metadata of `runs`. */
export interface RunsMeta {
  /** One or two. */
  runs: RunMeta[];
}

/** A run in `checkpoints`. */
export interface RunCheckpoints {
  /** The checkpoints, by step. */
  stills: Counts[];
}

/** The metadata of `checkpoints`. */
export interface CheckpointsMeta {
  /** One or two. */
  runs: RunCheckpoints[];
}

/** What a view of ToyLab may ask of the kernel. */
export type ToyLabRequest =
  | TrainRun
  | TrainPause
  | TrainStep
  | TrainDouble
  | TrainReset
  | ConfigRequest
  | PresetRequest
  | CompareRequest
  | CheckpointsRequest
  | ExplorerOpen
  | ExplorerClose
  | JobCancel
  | ViewsCount;

/**
 * The arrays of the message `runs`, the trait `_picture` of ToyLab. Their names end in the number
 * of the run.
 */
export interface RunsArrays {
  /**
   * `(k, N)`. Responses in steps of `peak / 127`. Rows and columns are in the order of the paper's
   * heatmaps.
   */
  A?: Int8Array;
  /** `(k,)`. The neuron in each row. */
  neurons?: Int32Array;
  /** `(N,)`. The feature in each column. */
  features?: Int32Array;
  /** `(k,)`. The bias of each neuron. */
  bias?: Float32Array;
  /** `(k,)`. Each neuron's largest response over the sum of its responses; 0: dead. */
  share?: Float32Array;
  /** `(L,)`. Steps done. */
  log_step: Int32Array;
  /** `(L,)`. Monosemantic neurons. */
  log_mono: Int32Array;
  /** `(L,)`. Loss as a share of the best linear map's. */
  log_loss: Float64Array;
  /** `(L,)`. Mean bias. */
  log_bias: Float64Array;
}

/** The dtypes of the arrays of `runs`. */
export const RUNS: Record<keyof RunsArrays, Dtype> = {
  A: "I8",
  neurons: "I32",
  features: "I32",
  bias: "F32",
  share: "F32",
  log_step: "I32",
  log_mono: "I32",
  log_loss: "F64",
  log_bias: "F64",
};

/**
 * The arrays of the message `checkpoints`, the trait `_checkpoints` of ToyLab. Their names end in
 * the number of the run.
 */
export interface CheckpointsArrays {
  /** `(S, k, N)`. Responses as in `runs`, with the `peak` of each checkpoint. */
  A: Int8Array;
  /** `(S, k)`. The neuron in each row. */
  neurons: Int32Array;
  /** `(S, N)`. The feature in each column. */
  features: Int32Array;
  /** `(S, k)`. The bias of each neuron. */
  bias: Float32Array;
  /** `(S, k)`. The share of each neuron, as in `runs`. */
  share: Float32Array;
}

/** The dtypes of the arrays of `checkpoints`. */
export const CHECKPOINTS: Record<keyof CheckpointsArrays, Dtype> = {
  A: "I8",
  neurons: "I32",
  features: "I32",
  bias: "F32",
  share: "F32",
};
