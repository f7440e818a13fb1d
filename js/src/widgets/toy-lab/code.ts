/** The Python lines that train the runs on the screen again. */
import { call, settings } from "../../core/python";
import type { State } from "./state";

export function codeOf(state: State): string {
  const configs = state.configs.value.map(({ preset: _, ...config }) =>
    call("nw.toy.Config", [], config),
  );
  const { runIndex, neuron, feature } = state;
  const set = settings("lab", {
    run_index: runIndex.value || undefined,
    neuron: neuron.value ?? undefined,
    feature: feature.value ?? undefined,
  });
  return [
    "lab = nw.ToyLab(",
    "    [",
    ...configs.map((config) => `        ${config},`),
    "    ]",
    ")",
    ...set,
    "lab",
  ].join("\n");
}
