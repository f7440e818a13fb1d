/** The message of IntruderTest: the questions, and how their samples look. */
import { type Previews, previewsOf } from "./previews";
import { unpack } from "./safetensors";
import { type PreviewsMeta, QUESTIONS, type QuestionsArrays, type QuestionsMeta } from "./schema";

/** Five cards, of which one does not belong. */
export interface Question {
  /** Rows of the activations. */
  rows: number[];
  /** The card that does not belong, from 0. */
  odd: number;
  concept: number;
  /** Whether it is a control: five samples at random. */
  control: boolean;
}

/** The message `questions`, decoded. */
export interface QuestionsMessage {
  questions: Question[];
  faces: Previews;
  meta: Omit<QuestionsMeta, keyof PreviewsMeta>;
}

export function readQuestions(view: DataView | null | undefined): QuestionsMessage | null {
  const packed = unpack<QuestionsArrays, QuestionsMeta>(view, QUESTIONS);
  if (!packed) return null;
  const rows = packed.tensor("row");
  const [odd, concept, control] = (["odd", "concept", "control"] as const).map((name) =>
    packed.tensor(name),
  );
  const cards = rows.length / Math.max(1, odd.length);
  const questions = Array.from(odd, (place, i) => ({
    rows: Array.from(rows.subarray(i * cards, (i + 1) * cards)),
    odd: place,
    concept: concept[i],
    control: control[i] > 0,
  }));
  return { questions, faces: previewsOf(packed), meta: packed.meta };
}
