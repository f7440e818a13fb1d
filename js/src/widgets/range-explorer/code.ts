/** The Python lines that rebuild the ranges as they are on the screen. */
import { call, settings } from "../../core/python";
import type { RangesMessage } from "../../protocol/ranges";
import type { State } from "./state";

/** What the explorer was given is called as in the docs: model, data, texts, tokenizer. */
export function codeOf(state: State, data: RangesMessage): string {
  const { neuron, label, tau, rule, top, edges, thisNeuronOnly, prompt, selection } = state;
  const { measure, perplexity, complete } = state.capabilities.value;
  const given = [
    ...(measure || complete ? ["model=model"] : []),
    ...(measure ? ["data=data"] : []),
    ...(perplexity ? ["texts=texts"] : []),
    ...(complete || perplexity ? ["tokenizer=tokenizer"] : []),
  ];
  const opened = call("nw.RangeExplorer", ["acts"], {
    neuron: neuron.value,
    label: data.labels[label.value],
    tau: tau.value,
    rule: rule.value,
    top: top.value,
    prompt: prompt.value || undefined,
  }).replace(/\)$/, given.length ? `, ${given.join(", ")})` : ")");
  const set = settings("explorer", {
    edges: edges.value.length ? edges.value : undefined,
    this_neuron_only: thisNeuronOnly.value || undefined,
    selection: selection.value.length ? selection.value : undefined,
  });
  return [`explorer = ${opened}`, ...set, "explorer"].join("\n");
}
