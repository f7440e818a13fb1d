/** The Python lines that rebuild a split as it is on the screen. */
import { call, settings } from "../../core/python";
import { METRIC } from "./methods";
import type { State } from "./state";

export function codeOf(state: State): string {
  const { given, neuron, top, method, metric, band, threshold, by, refined, names, selection } =
    state;
  const direction = neuron.value === null;
  const opened = call(
    "nw.SplitExplorer",
    [given.value ?? "acts", ...(direction ? ["neuron=direction"] : [])],
    {
      neuron: neuron.value ?? undefined,
      top: top.value,
      method: method.value,
      metric: METRIC.has(method.value) ? metric.value : undefined,
      band: band.value ?? undefined,
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
