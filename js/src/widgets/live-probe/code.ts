/** The Python lines that rebuild the probe as it is on the screen. */
import { call, settings } from "../../core/python";
import type { State } from "./state";

/** Images are left out: they are files, not code. */
export function codeOf(state: State): string {
  const { given, neuron, typed, comparing, concept, tolerance } = state;
  const opened = call("nw.LiveProbe", [given.value], {
    neuron: neuron.value ?? undefined,
    text: typed[0].value || undefined,
  });
  const set = settings("probe", {
    other: typed[1].value || undefined,
    comparing: comparing.value || undefined,
    concept: concept.value >= 0 ? concept.value : undefined,
    tolerance: tolerance.value || undefined,
  });
  return [`probe = ${opened}`, ...set, "probe"].join("\n");
}
