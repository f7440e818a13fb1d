/**
 * What the kernel and the views send each other: `intruder`.
 *
 * Generated from `neuronwidgets/widgets/protocol` by
 * `python -m neuronwidgets.widgets.protocol.generate`. Do not edit.
 */

import type { JobCancel, Status, ViewsCount } from "./base";
import type { Dtype } from "./dtypes";
import type { SampleKind, Tile } from "./previews";

/** The synced traits of IntruderTest. */
export interface IntruderTestTraits {
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
  /** The name of who answers; often empty. */
  student: string;
  /** The card chosen in each question so far, from 1. */
  answers: number[];
  /** The message `questions`. */
  _questions: DataView;
}

/** The metadata of `questions`. `format` to `names` are those of an answer sheet. */
export interface QuestionsMeta {
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
  /** Whether each text is a part of a longer one. */
  cut?: boolean[];
  /** What an answer sheet says it is. */
  format: string;
  /** The version of its format. */
  version: number;
  /** The name of the layer. */
  layer: string;
  /** The neuron or direction, in words. */
  target: string;
  /** The height of the cut. */
  threshold: number;
  /** Where the odd ones come from. */
  others: string;
  /** The seed of the draws. */
  seed: number;
  /** The names of the concepts, shown after the last question. */
  names: string[];
  /** The share that a guess gets right, 0 to 1. */
  chance: number;
}

/** What a view of IntruderTest may ask of the kernel. */
export type IntruderTestRequest = JobCancel | ViewsCount;

/** The arrays of the message `questions`, the trait `_questions` of IntruderTest. */
export interface QuestionsArrays {
  /** `(Q, 5)`. Rows of the activations: the five cards. */
  row: Int32Array;
  /** `(Q,)`. The card that is not of the concept, from 0. */
  odd: Uint8Array;
  /** `(Q,)`. The concept that each question is about. */
  concept: Int32Array;
  /** `(Q,)`. 1: a control, five samples at random. */
  control: Uint8Array;
  /** `(F,)`. Dataset index of each sample that has a preview. */
  face: Int32Array;
  /** `(B,)`. A PNG or JPEG file of square tiles, row by row. */
  atlas?: Uint8Array;
  /** `(V,)`. Activation of each segment, text after text. */
  value?: Float32Array;
}

/** The dtypes of the arrays of `questions`. */
export const QUESTIONS: Record<keyof QuestionsArrays, Dtype> = {
  row: "I32",
  odd: "U8",
  concept: "I32",
  control: "U8",
  face: "I32",
  atlas: "U8",
  value: "F32",
};
