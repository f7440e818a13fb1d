/**
 * What the kernel and the views send each other: `probe`.
 *
 * Generated from `neuronwidgets/widgets/protocol` by
 * `python -m neuronwidgets.widgets.protocol.generate`. Do not edit.
 */

import type { JobCancel, Status, ViewsCount } from "./base";
import type { Dtype } from "./dtypes";
import type { NeuronRequest } from "./ranges";
import type { Nothing } from "./reading";

export type ProbeKind = "text" | "image";

/** A sample from which a text or image can be started. */
export interface TopSample {
  /** Its row of the activations. */
  row: number;
  /** The beginning of its text, or its label. */
  title: string;
  /** The neuron's activation on it. */
  activation: number;
}

/** Each word of a text deleted alone. */
export interface DeletedWords {
  /** The text. */
  text: string;
  /** Its words. */
  words: string[];
  /** The pooled activation of the text less that without each word. */
  drops: number[];
  /** The concept that is compared; -1: none. */
  concept: number;
  /** The same drops of its share. */
  concept_drops: number[];
  /** The drops to expect of a word drawn at random. */
  random: [neuron: number, concept: number];
}

/** The chunks that tokens are compared with. */
export interface ChunksMeta {
  /** Their names; empty where a chunk has none. */
  names: string[];
  /** The mean cosine of the data's samples with the other half's. */
  held_out: number;
  /** The same where each neuron is permuted over the samples. */
  chance: number;
}

/** The template that tokens are compared with, at each tolerance. */
export interface TemplateMeta {
  /** The samples that it was made from. */
  samples: number;
  /** Samples of the data. */
  total: number;
  /** Neurons of the layer. */
  width: number;
  /** In standard deviations of a neuron, ascending. */
  tolerances: number[];
  /** Neurons that each tolerance keeps. */
  neurons: number[];
  /** Those that as many random samples keep. */
  neurons_random: number[];
  /** Samples of the data that are in its state, beyond its own. */
  hits: number[];
  /** Hits to expect about a random sample. */
  random: number[];
  /** Hits to expect if the neurons were independent. */
  chance: number[];
}

/** What the state of each token is compared with. */
export interface StatesMeta {
  /** Absent without chunks. */
  chunks?: ChunksMeta;
  /** Absent without a template. */
  template?: TemplateMeta;
}

/** The synced traits of LiveProbe. */
export interface LiveProbeTraits {
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
  /** The neuron; `None` for a direction. */
  neuron: number | null;
  /** The text in the first box. */
  text: string;
  /** The text in the second box. */
  other: string;
  /** The image in the first box, a PNG file; empty without one. */
  image: DataView;
  /** The image in the second box. */
  other_image: DataView;
  /** Whether the second box is read too. */
  comparing: boolean;
  /** The row of the activations that the first box began with. */
  sample: number | null;
  /** The concept that is lit; -1: none. */
  concept: number;
  /** That of the template; 0 without. */
  tolerance: number;
  /** What the state of each token is compared with. */
  _states: StatesMeta;
  /** The message `readings`. */
  _readings: DataView;
  /** The top samples, strongest first. */
  _tops: TopSample[];
  /** The last deletions; empty without any. */
  _deletions: DeletedWords | Nothing;
}

/** Delete each word of the first text in turn. */
export interface DeletionsRequest {
  type: "deletions.request";
}

/** Read the boxes again: an answer did not come. */
export interface ReadingRequest {
  type: "reading.request";
}

/** A concept of the neuron. */
export interface ProbedConcept {
  name: string;
  /** A CSS colour. */
  color: string;
}

/** What the layer makes of one box. */
export interface ProbedSlot {
  /** The text that was read; empty for an image. */
  text: string;
  /** The text in pieces; joined, they are what was read. */
  segments: string[];
  /** How many elements of `value` it has. */
  values: number;
  /** Positions along each side of an image's map; 0: none. */
  grid: number;
  /** The segment or position that activates the neuron most; -1: none. */
  peak: number;
  /** The pooled activation; `None` where nothing was read. */
  pooled: number | null;
  /** The share of the data set below it, 0 to 1. */
  percentile: number | null;
  /** The pooled share of each concept. */
  shares: number[];
  /** What there is to say of it; often empty. */
  note: string;
}

/** The metadata of `readings`. */
export interface ReadingsMeta {
  /** What the boxes hold. */
  kind: ProbeKind;
  /** The name of the layer. */
  layer: string;
  /** The neuron or direction, in words. */
  name: string;
  /** The width of the layer. */
  neurons: number;
  /** How the whole is made of its tokens. */
  pooling: string;
  /** The largest activation of a token in the top samples. */
  most: number;
  /** Small grey figures on black; a light page shows them inverted. */
  ink: boolean;
  /** The concepts. */
  concepts: ProbedConcept[];
  /** For each box, the pooled share of a random direction of each concept. */
  control: number[][];
  /** The first box; and the second where two are compared. */
  slots: ProbedSlot[];
}

/** What a view of LiveProbe may ask of the kernel. */
export type LiveProbeRequest =
  | NeuronRequest
  | DeletionsRequest
  | ReadingRequest
  | JobCancel
  | ViewsCount;

/** The arrays of the message `readings`, the trait `_readings` of LiveProbe. */
export interface ReadingsArrays {
  /** `(v,)`. The neuron's activation, box after box. */
  value: Float32Array;
  /** `(v, k)`. The share of each concept. */
  share: Float32Array;
  /** `(v,)`. The chunk of each segment; -1: at the centre. */
  chunk?: Int32Array;
  /** `(v,)`. Its cosine with that. */
  chunk_cosine?: Float32Array;
  /** `(v, s)`. Whether it is in the template's state. */
  hit?: Uint8Array;
}

/** The dtypes of the arrays of `readings`. */
export const READINGS: Record<keyof ReadingsArrays, Dtype> = {
  value: "F32",
  share: "F32",
  chunk: "I32",
  chunk_cosine: "F32",
  hit: "U8",
};
