/**
 * What the kernel and the views send each other.
 *
 * Generated from `neuronwidgets/widgets/protocol` by
 * `python -m neuronwidgets.widgets.protocol.generate`. Do not edit.
 */

/** The typed array of each dtype of the safetensors format. */
export const ARRAYS = {
  F64: Float64Array,
  F32: Float32Array,
  I32: Int32Array,
  I16: Int16Array,
  U16: Uint16Array,
  I8: Int8Array,
  U8: Uint8Array,
} as const;

export type Dtype = keyof typeof ARRAYS;

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
  /** The capture's progress; empty without one. */
  reading: CaptureProgress | Nothing;
  /** Whether the user holds something in a view. */
  _held: boolean;
}

/** Stop the capture and keep what was read. Known only where the widget shows a capture. */
export interface CaptureCancel {
  type: "capture.cancel";
}

export type SampleKind = "image" | "text" | "none";

/** The layout of an atlas of images. */
export interface Tile {
  /** Pixels of a square tile. */
  side: number;
  /** Tiles in a row of the atlas. */
  columns: number;
  /** Rows of tiles. */
  rows: number;
  /** Small grey figures on black; a light page shows them inverted. */
  ink: boolean;
}

/** The metadata of previews: `tile` for images, the others for texts. */
export interface PreviewsMeta {
  /** What the samples are. */
  kind: SampleKind;
  /** The layout of `atlas`. */
  tile?: Tile;
  /** The segments of each text; joined, they are the text. */
  segments?: string[][];
  /** How many elements of `value` each text has; 0: not read. */
  values?: number[];
  /** The segment of each text's peak token; -1: none. */
  peaks?: number[];
}

export type By = "cosine" | "dot";

export type Span = [low: number, high: number];

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

/** The synced traits of SplitExplorer. */
export interface SplitExplorerTraits {
  /** What the kernel is doing. */
  status: Status;
  /** The version of the picture: counts what was put on the screen. */
  _version: number;
  /** The version that the view saw when it last set a trait. */
  _view_version: number;
  /** The widget's identity, by which a page counts its views. */
  _key: string;
  /** The capture's progress; empty without one. */
  reading: CaptureProgress | Nothing;
  /** Whether the user holds something in a view. */
  _held: boolean;
  /** The neuron that is split; `None` for a direction. */
  neuron: number | null;
  /** How many top-activating samples are split. */
  top: number;
  /** The clustering method. */
  method: string;
  /** How distances are measured. */
  metric: string;
  /** How concepts retrieve samples. */
  by: By;
  /** The height of the cut; lower is finer. */
  threshold: number;
  /** Whether membership is that of k-means instead of the tree's. */
  refined: boolean;
  /** Dataset indices of the selected samples. */
  selection: number[];
  /** Names given by the user: tree node to name. */
  names: Record<string, string>;
  /** The methods that can be chosen. */
  _methods: string[];
  /** Suggested cuts, those with fewest concepts first. */
  _suggestions: SuggestedCut[];
  /** Scores of the neuron; empty before they are computed. */
  _scores: NeuronScore[];
  /** The message `tree`. */
  _tree: DataView;
  /** The message `evidence`. */
  _evidence: DataView;
  /** The message `refinement`; empty without k-means. */
  _refinement: DataView;
}

/** Split a neuron, and show the result. */
export interface SplitRequest {
  type: "split.request";
  /** `None`: the neuron or direction on the screen. */
  neuron: number | null;
  /** How many top-activating samples. */
  top: number;
  /** The clustering method. */
  method: string;
  /** How distances are measured. Absent: as the method does by default. */
  metric?: string;
  /** How concepts retrieve samples. Absent: unchanged. */
  by?: By;
}

/** The true features that drive the neuron. */
export interface TruthMeta {
  /** Their names. */
  names: string[];
  /** The least cosine of a concept vector that recovers a feature. */
  recovered: number;
}

/** The metadata of `tree`. */
export interface TreeMeta {
  /** What the samples are. */
  kind: SampleKind;
  /** The layout of `atlas`. */
  tile?: Tile;
  /** The segments of each text; joined, they are the text. */
  segments?: string[][];
  /** How many elements of `value` each text has; 0: not read. */
  values?: number[];
  /** The segment of each text's peak token; -1: none. */
  peaks?: number[];
  /** The name of the layer. */
  layer: string;
  /** The neuron or direction, in words. */
  name: string;
  /** The width of the layer. */
  neurons: number;
  /** Samples in the data set. */
  samples: number;
  /** The clustering method. */
  method: string;
  /** How distances are measured. */
  metric: string;
  /** The least number of samples of a concept. */
  minSize: number;
  /** Titles of the class labels; empty without labels. */
  labels: string[];
  /** The least and the largest activation in the data set. */
  range: Span;
  /** The default threshold. */
  suggested: number;
  /** The CSS colours that `color` refers to. */
  palette: string[];
  /** Whether the samples are texts, which keywords can describe. */
  words: boolean;
  /** True where tree and map are not of the layer's own vectors. */
  elsewhere?: boolean;
  /** Why the concepts should not be trusted. Absent: they may be. */
  doubt?: string;
  /** The tokens that `token` refers to. Absent without `token`. */
  tokens?: string[];
  /** Absent where no true features are known. */
  truth?: TruthMeta;
}

/** The metadata of `evidence`. */
export interface EvidenceMeta {
  /** What the samples are. */
  kind: SampleKind;
  /** The layout of `atlas`. */
  tile?: Tile;
  /** The segments of each text; joined, they are the text. */
  segments?: string[][];
  /** How many elements of `value` each text has; 0: not read. */
  values?: number[];
  /** The segment of each text's peak token; -1: none. */
  peaks?: number[];
  /** Keywords of each node's texts; `None`: not computed yet. */
  words: (string[] | null)[];
}

/** The metadata of `refinement`. */
export interface RefinementMeta {
  /** The height of the cut that it refines. */
  threshold: number;
}

export type Rule = "gaussian" | "quantile" | "discriminative";

export type ClassKind = "label" | "concept";

export type Bar = [value: number | null, low: number | null, high: number | null];

/** What the kernel can do with the models and data it was given. */
export interface Capabilities {
  /** Measure what a mask costs the model. */
  measure: boolean;
  /** Measure perplexity on texts, too. */
  perplexity: boolean;
  /** Complete a prompt. */
  complete: boolean;
}

/** The traits that a measurement was made for, each by its name. */
export interface MaskSetting {
  neuron: number;
  label: number;
  tau: number;
  rule: Rule;
  edges: (number | null)[];
  top: number;
  this_neuron_only: boolean;
}

/** A quantity under each mask, with its 95% bootstrap interval; `None`: not known. */
export interface Bars {
  /** No mask. */
  base: Bar;
  /** The range mask. */
  range: Bar;
  /** The neuron mask. */
  neuron: Bar;
}

/**
 * What a mask changes: a quantity's difference to no mask, with its 95% bootstrap interval over
 * the same samples; `None`: not known.
 */
export interface Changes {
  /** The range mask. */
  range: Bar;
  /** The neuron mask. */
  neuron: Bar;
}

/** What the masks cost the model, as far as it was measured. */
export interface Measure {
  /** The traits that are being measured. */
  for: MaskSetting;
  /** Accuracy on samples of the class. */
  target: Bars;
  /** Accuracy on all other samples. */
  other: Bars;
  /** Change of that accuracy on samples of the class. */
  target_change: Changes;
  /** Change of that accuracy on all other samples. */
  other_change: Changes;
  /** Change of the mean log-probability of the right class, on samples of the class. */
  target_nats: Changes;
  /** The same on all other samples. */
  other_nats: Changes;
  /** What the bars hide, in sentences; empty before the end. */
  findings: string[];
  /** Held-out samples measured so far. */
  samples: number;
  /** Held-out samples in all; at least `samples`. */
  of: number;
  /** Why whole forward passes are made; empty where they are not. */
  note: string;
  /** Perplexity on texts. Absent without texts, or before the end. */
  perplexity?: Bars;
  /** The same as `for` when the measurement is complete. */
  done?: MaskSetting;
}

/** The traits that a curve is for, each by its name. */
export interface CurveSetting {
  /** The neuron, if a mask edits this neuron only. */
  neuron: number | null;
  label: number;
  rule: Rule;
  top: number;
  this_neuron_only: boolean;
}

/** What the rule's range mask costs at each width, `None` where there are no samples. */
export interface Curve {
  /** The traits that the widths are measured for. */
  for: CurveSetting;
  /** The widths that have been measured, ascending. */
  tau: number[];
  /** How many widths are measured in all. */
  of: number;
  /** Accuracy on samples of the class at each width. */
  target: (number | null)[];
  /** Accuracy on all other samples. */
  other: (number | null)[];
  /** Change of the mean log-probability of the right class, on samples of the class. */
  target_nats: (number | null)[];
  /** The same on all other samples. */
  other_nats: (number | null)[];
}

/** What the language model writes after a prompt. */
export interface Completions {
  prompt: string;
  /** The class whose range is masked. */
  label: number;
  /** The text without a mask. */
  base: string;
  /** The text under the range mask. */
  range: string;
  /** The text under the neuron mask. */
  neuron: string;
  /** Whether the texts are complete. */
  done: boolean;
}

/** The synced traits of RangeExplorer. */
export interface RangeExplorerTraits {
  /** What the kernel is doing. */
  status: Status;
  /** The version of the picture: counts what was put on the screen. */
  _version: number;
  /** The version that the view saw when it last set a trait. */
  _view_version: number;
  /** The widget's identity, by which a page counts its views. */
  _key: string;
  /** The capture's progress; empty without one. */
  reading: CaptureProgress | Nothing;
  /** Whether the user holds something in a view. */
  _held: boolean;
  /** The neuron on the screen. */
  neuron: number;
  /** The class whose range is shown. */
  label: number;
  /** The width of the range in standard deviations, 0 to 4. */
  tau: number;
  /** How the range follows from the class. */
  rule: Rule;
  /**
   * The user's own band on this neuron, `[low, high, low, high, ...]`; `None`: an open end. Every
   * masked neuron has it at the same z-scores of the class. Empty: the rule's range.
   */
  edges: (number | null)[];
  /** The share of the class's salient neurons that a mask edits. */
  top: number;
  /** Whether a mask edits this neuron only. */
  this_neuron_only: boolean;
  /** Dataset indices of the selected samples. */
  selection: number[];
  /** What the kernel can do. */
  capabilities: Capabilities;
  /** What the masks cost; empty before it is measured. */
  measure: Measure | Nothing;
  /** The cost at every width; empty before it is measured. */
  curve: Curve | Nothing;
  /** The prompt to complete; empty without one. */
  prompt: string;
  /** The completions; empty without a prompt. */
  completions: Completions | Nothing;
  /** The message `ranges`. */
  _picture: DataView;
  /** The message `examples`. */
  _examples: DataView;
}

/** Show another neuron. */
export interface NeuronRequest {
  type: "neuron.request";
  neuron: number;
}

/** Complete a prompt. */
export interface PromptRequest {
  type: "prompt.request";
  prompt: string;
}

/** The metadata of `ranges`. */
export interface RangesMeta {
  /** The name of the layer. */
  layer: string;
  /** The neuron, in words. */
  name: string;
  /** The width of the layer. */
  neurons: number;
  /** Labelled samples in the data set. */
  samples: number;
  /** The title of each class. */
  labels: string[];
  /** Samples of each class; a large class sends only some of them. */
  count: number[];
  /** The CSS colour of each class, or one for all. */
  colors: string[];
  /** The normal scores of `quantile`, ascending. */
  scores: number[];
  /** Why each class has no range; empty where it has one. */
  why: string[];
  /** The neuron that is most salient for each class. */
  salient: number[];
  /** What the classes are. */
  what: ClassKind;
  /** The pooling of a sample; empty if it is not known. */
  pooling: string;
}

/** The metadata of `examples`. */
export interface ExamplesMeta {
  /** What the samples are. */
  kind: SampleKind;
  /** The layout of `atlas`. */
  tile?: Tile;
  /** The segments of each text; joined, they are the text. */
  segments?: string[][];
  /** How many elements of `value` each text has; 0: not read. */
  values?: number[];
  /** The segment of each text's peak token; -1: none. */
  peaks?: number[];
}

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

/** What a view of SplitExplorer may ask of the kernel. */
export type SplitExplorerRequest = SplitRequest | JobCancel | CaptureCancel | ViewsCount;

/** The arrays of the message `tree`, the trait `_tree` of SplitExplorer. */
export interface TreeArrays {
  /** `(n - 1, 2)`. The children of each merge, the larger first. */
  merge: Int32Array;
  /** `(n - 1,)`. The height of each merge. */
  height: Float64Array;
  /** `(n,)`. The dataset index of each sample. */
  row: Int32Array;
  /** `(n,)`. The neuron's activation on each sample. */
  activation: Float32Array;
  /** `(n,)`. The class label of each sample in `meta.labels`; -1: none. */
  label?: Int32Array;
  /** `(n,)`. The token of each sample in `meta.tokens`; -1: none. */
  token?: Int32Array;
  /** `(n, 2)`. The samples in the plane. */
  map: Float32Array;
  /** `(2 * n - 1,)`. Palette slot of each node; -1: too small to be a concept. */
  color: Int16Array;
  /** `(p,)`. The nodes of `truth`. */
  truth_node?: Int32Array;
  /** `(p, d)`. Cosines of the nodes' vectors with `meta.truth.names`. */
  truth?: Float64Array;
  /** `(F,)`. Dataset index of each sample that has a preview. */
  face: Int32Array;
  /** `(B,)`. A PNG or JPEG file of square tiles, row by row. */
  atlas?: Uint8Array;
  /** `(V,)`. Activation of each segment, text after text. */
  value?: Float32Array;
}

/** The dtypes of the arrays of `tree`. */
export const TREE: Record<keyof TreeArrays, Dtype> = {
  merge: "I32",
  height: "F64",
  row: "I32",
  activation: "F32",
  label: "I32",
  token: "I32",
  map: "F32",
  color: "I16",
  truth_node: "I32",
  truth: "F64",
  face: "I32",
  atlas: "U8",
  value: "F32",
};

/** The arrays of the message `evidence`, the trait `_evidence` of SplitExplorer. */
export interface EvidenceArrays {
  /** `(m,)`. The tree nodes that were looked up. */
  node: Int32Array;
  /** `(R, m, f)`. Dataset indices that each retrieves, best first, by each reading. */
  retrieved: Int32Array;
  /** `(R, m, f)`. Their class labels; -1: none. */
  retrieved_label: Int32Array;
  /**
   * `(R, m)`. Where the retrieved samples stand among all activations of the neuron: the median, 0
   * to 100.
   */
  percentile: Float32Array;
  /** `(m,)`. Cosine of each concept vector with the neuron's axis. */
  cosine: Float32Array;
  /**
   * `(m,)`. The share of random halves of the samples in which the node is a cluster again; NaN:
   * not known.
   */
  recurs: Float32Array;
  /** `(g,)`. Samples in a random group. */
  chance_size?: Int32Array;
  /** `(l,)`. The class labels. */
  chance_label?: Int32Array;
  /** `(R, g, l)`. The mean share of the label in what such groups retrieve. */
  chance?: Float32Array;
  /** `(R, g, l)`. The share that 95% of such groups do not exceed. */
  chance_high?: Float32Array;
  /** `(F,)`. Dataset index of each sample that has a preview. */
  face: Int32Array;
  /** `(B,)`. A PNG or JPEG file of square tiles, row by row. */
  atlas?: Uint8Array;
  /** `(V,)`. Activation of each segment, text after text. */
  value?: Float32Array;
}

/** The dtypes of the arrays of `evidence`. */
export const EVIDENCE: Record<keyof EvidenceArrays, Dtype> = {
  node: "I32",
  retrieved: "I32",
  retrieved_label: "I32",
  percentile: "F32",
  cosine: "F32",
  recurs: "F32",
  chance_size: "I32",
  chance_label: "I32",
  chance: "F32",
  chance_high: "F32",
  face: "I32",
  atlas: "U8",
  value: "F32",
};

/** The arrays of the message `refinement`, the trait `_refinement` of SplitExplorer. */
export interface RefinementArrays {
  /** `(n,)`. The concept of each sample; -1: none. */
  concept: Int32Array;
  /** `(n,)`. 0 as in the tree, 1 reassigned, 2 outlier. */
  mark: Int8Array;
  /** `(m,)`. The tree node that each concept matches; -1: none. */
  node: Int32Array;
  /** `(m, d)`. Cosines of the concept vectors with the true features. */
  truth?: Float64Array;
  /** `(R, m, f)`. Dataset indices that each retrieves, best first, by each reading. */
  retrieved: Int32Array;
  /** `(R, m, f)`. Their class labels; -1: none. */
  retrieved_label: Int32Array;
  /**
   * `(R, m)`. Where the retrieved samples stand among all activations of the neuron: the median, 0
   * to 100.
   */
  percentile: Float32Array;
  /** `(m,)`. Cosine of each concept vector with the neuron's axis. */
  cosine: Float32Array;
}

/** The dtypes of the arrays of `refinement`. */
export const REFINEMENT: Record<keyof RefinementArrays, Dtype> = {
  concept: "I32",
  mark: "I8",
  node: "I32",
  truth: "F64",
  retrieved: "I32",
  retrieved_label: "I32",
  percentile: "F32",
  cosine: "F32",
};

/** What a view of RangeExplorer may ask of the kernel. */
export type RangeExplorerRequest =
  | NeuronRequest
  | PromptRequest
  | JobCancel
  | CaptureCancel
  | ViewsCount;

/** The arrays of the message `ranges`, the trait `_picture` of RangeExplorer. */
export interface RangesArrays {
  /** `(N,)`. Class after class, ascending in each. */
  activation: Float32Array;
  /** `(C + 1,)`. Where each class begins in `activation`. */
  start: Int32Array;
  /** `(C,)`. The mean of each class. */
  mean: Float64Array;
  /** `(C,)`. The standard deviation of each class. */
  std: Float64Array;
  /** `(C, L)`. Quantiles of each class at `meta.scores`; the ends are the extremes. */
  quantile: Float64Array;
  /** `(B + 1,)`. Edges of the bins; values beyond are in the end bins. */
  edges: Float64Array;
  /** `(C, B)`. Root of the smoothed share of each class in each bin; 255: the class's largest. */
  density: Uint8Array;
  /**
   * `(C, B)`. The narrowest discriminative range that holds the bin, in hundredths of tau; 401:
   * none.
   */
  first: Uint16Array;
  /**
   * `(C, 81)`. How dense a discriminative range is at least relative to the mean of the other
   * classes, for each 0.05 of tau: 40 log10(ratio) + 120.
   */
  bar: Uint8Array;
  /** `(C,)`. How salient the neuron is for each class; 1: most. */
  rank: Int32Array;
}

/** The dtypes of the arrays of `ranges`. */
export const RANGES: Record<keyof RangesArrays, Dtype> = {
  activation: "F32",
  start: "I32",
  mean: "F64",
  std: "F64",
  quantile: "F64",
  edges: "F64",
  density: "U8",
  first: "U16",
  bar: "U8",
  rank: "I32",
};

/** The arrays of the message `examples`, the trait `_examples` of RangeExplorer. */
export interface ExamplesArrays {
  /** `(E,)`. The neuron's activation on each sample. */
  face_value: Float32Array;
  /** `(E,)`. The class of each sample. */
  face_label: Int32Array;
  /** `(F,)`. Dataset index of each sample that has a preview. */
  face: Int32Array;
  /** `(B,)`. A PNG or JPEG file of square tiles, row by row. */
  atlas?: Uint8Array;
  /** `(V,)`. Activation of each segment, text after text. */
  value?: Float32Array;
}

/** The dtypes of the arrays of `examples`. */
export const EXAMPLES: Record<keyof ExamplesArrays, Dtype> = {
  face_value: "F32",
  face_label: "I32",
  face: "I32",
  atlas: "U8",
  value: "F32",
};

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
   * heat maps.
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
