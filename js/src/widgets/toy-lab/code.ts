/** The Python lines that train the runs on the screen again. */
import { call, settings } from "../../core/python";
import type { State } from "./state";

export function codeOf(state: State): string {
  const configs = state.configs.value.map(({ preset: _, ...config }) =>
    call("nw.toy.Config", [], config),
  );
  const { run, neuron, feature } = state.chosen.value;
  const set = settings("lab", {
    run_index: run || undefined,
    neuron: neuron ?? undefined,
    feature: feature ?? undefined,
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
