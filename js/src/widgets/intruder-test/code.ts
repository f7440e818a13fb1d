/** The Python lines that rebuild the test as it is on the screen. */
import { call, settings } from "../../core/python";
import type { State } from "./state";

export function codeOf({ given, student, answers }: State): string {
  const opened = call("nw.IntruderTest", [given.value], { student: student.value || undefined });
  const set = settings("test", { answers: answers.value.length ? answers.value : undefined });
  return [`test = ${opened}`, ...set, "test"].join("\n");
}
