/** The Python lines that rebuild a split as it is on the screen. */
import { call, settings } from "../../core/python";
import type { State } from "./state";

/** Methods whose metric can be chosen. */
export const METRIC = new Set(["ward", "average", "complete", "single"]);

export function codeOf(state: State): string {
  const { given, neuron, top, method, metric, threshold, by, refined, names, selection } = state;
  const direction = neuron.value === null;
  const opened = call(
    "nw.SplitExplorer",
    [given.value ?? "acts", ...(direction ? ["neuron=direction"] : [])],
    {
      neuron: neuron.value ?? undefined,
      top: top.value,
      method: method.value,
      metric: METRIC.has(method.value) ? metric.value : undefined,
      threshold: threshold.value,
      by: by.value,
      refined: refined.value || undefined,
    },
  );
  const set = settings("explorer", {
    names: Object.keys(names.value).length ? names.value : undefined,
    selection: selection.value.length ? selection.value : undefined,
  });
  return [`explorer = ${opened}`, ...set, "explorer"].join("\n");
}
