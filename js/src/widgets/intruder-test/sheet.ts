/** The answers so far: how many are right, and the answer sheet, as `answer_sheet.py` has it. */
import type { Question, QuestionsMessage } from "../../protocol/intruder";

/** Right answers of a number of answers. */
export interface Share {
  right: number;
  count: number;
}

export function shareOf(questions: readonly Question[], answers: readonly number[]): Share {
  const right = questions.filter(({ odd }, i) => answers[i] === odd + 1).length;
  return { right, count: Math.min(questions.length, answers.length) };
}

/** The share of the questions that `which` picks, of those that were answered. */
export function shareWhere(
  questions: readonly Question[],
  answers: readonly number[],
  which: (question: Question) => boolean,
): Share {
  const picked = questions
    .slice(0, answers.length)
    .map((question, i) => ({ question, answer: answers[i] }))
    .filter(({ question }) => which(question));
  return shareOf(
    picked.map(({ question }) => question),
    picked.map(({ answer }) => answer),
  );
}

/** The answer sheet as JSON. */
export function sheetOf(
  { questions, meta }: QuestionsMessage,
  student: string,
  answers: readonly number[],
): string {
  const { format, version, layer, target, threshold, others, seed, names } = meta;
  const asked = questions.slice(0, answers.length).map(({ concept, control, rows, odd }, i) => ({
    concept,
    control,
    rows,
    odd: odd + 1,
    answer: answers[i],
  }));
  const about = { format, version, layer, target, threshold, others, seed, names };
  return `${JSON.stringify({ ...about, student, questions: asked }, null, 1)}\n`;
}
