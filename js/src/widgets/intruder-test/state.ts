/** The questions, the answers so far, and what follows from both. */
import { computed, signal } from "@preact/signals";
import { type Model, traitsOf } from "../../model/model";
import { requestsOf } from "../../model/requests";
import { readQuestions } from "../../protocol/intruder";
import type { IntruderTestRequest, IntruderTestTraits } from "../../protocol/schema";
import { shareWhere } from "./sheet";

export type State = ReturnType<typeof createState>;

export function createState(model: Model, lifetime: AbortSignal) {
  const trait = traitsOf<IntruderTestTraits>(model, lifetime);
  const given = trait("_given");
  const student = trait("student");
  const answers = trait("answers");
  const bytes = trait("_questions");
  const status = trait("status");
  const requests = requestsOf<IntruderTestRequest>(model, status, lifetime);

  const data = computed(() => readQuestions(bytes.value));
  const questions = computed(() => data.value?.questions ?? []);

  /** How many answers there were when the next question was asked for. */
  const seen = signal(answers.value.length);
  /** Whether the last answer is on the screen, with the card that was the odd one. */
  const revealed = computed(() => answers.value.length > seen.value);
  const at = computed(() => answers.value.length - (revealed.value ? 1 : 0));
  const ended = computed(() => questions.value.length > 0 && at.value >= questions.value.length);
  const share = (which: (concept: number, control: boolean) => boolean) =>
    shareWhere(questions.value, answers.value, (q) => which(q.concept, q.control));

  return {
    given,
    student,
    answers,
    data,
    questions,
    revealed,
    /** The number of the question on the screen, from 0. */
    at,
    ended,
    total: computed(() => share((_, control) => !control)),
    control: computed(() => share((_, control) => control)),
    ofConcept: (k: number) => share((concept, control) => concept === k && !control),

    answer(card: number) {
      if (revealed.value || ended.value) return;
      seen.value = answers.value.length;
      answers.set([...answers.value, card + 1]);
    },
    next() {
      seen.value = answers.value.length;
    },
    ...requests,
  };
}
