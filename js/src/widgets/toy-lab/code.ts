/** The Python lines that train the runs on the screen again. */
import { call, settings } from "../../core/python";
import type { State } from "./state";

export function codeOf(state: State): string {
  const configs = state.configs.value.map(({ preset: _, ...config }) =>
    call("nw.toy.Config", [], config),
  );
  const { runIndex, neuron, feature, checkpoint } = state;
  const [step, steps] = [state.step.value, state.steps.value];
  const trained = step >= steps ? ["lab.finish()"] : [`lab.step(${step})`, "lab.wait()"];
  const set = settings("lab", {
    checkpoint: checkpoint.value ?? undefined,
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
    ...(step ? trained : []),
    ...set,
    "lab",
  ].join("\n");
}
