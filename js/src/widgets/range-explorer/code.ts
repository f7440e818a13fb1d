/** The Python lines that rebuild the ranges as they are on the screen. */
import { call, settings } from "../../core/python";
import type { RangesMessage } from "../../protocol/ranges";
import type { State } from "./state";

export function codeOf(state: State, data: RangesMessage): string {
  const { given, neuron, label, tau, rule, top, edges, thisNeuronOnly, prompt, selection } = state;
  const opened = call("nw.RangeExplorer", [given.value ?? "acts"], {
    neuron: neuron.value,
    label: data.labels[label.value],
    tau: tau.value,
    rule: rule.value,
    top: top.value,
    prompt: prompt.value || undefined,
  });
  const set = settings("explorer", {
    edges: edges.value.length ? edges.value : undefined,
    this_neuron_only: thisNeuronOnly.value || undefined,
    selection: selection.value.length ? selection.value : undefined,
  });
  return [`explorer = ${opened}`, ...set, "explorer"].join("\n");
}
