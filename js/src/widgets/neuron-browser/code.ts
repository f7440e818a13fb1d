/** The Python lines that rebuild the browser as it is on the screen. */
import { call, settings } from "../../core/python";
import type { State } from "./state";

export function codeOf(state: State): string {
  const { given, neuron, neurons, selection, pinned, notes, threshold } = state;
  const { sorting, filters, searched } = state;
  const opened = call("nw.NeuronBrowser", [given.value], {
    neuron: neuron.value ?? undefined,
    threshold: threshold.value < 0 ? undefined : threshold.value,
  });
  const set = settings("browser", {
    sorting: { ...sorting.value },
    filters: Object.keys(filters.value).length ? filters.value : undefined,
    neurons: neurons.value.length ? neurons.value : undefined,
    selection: selection.value.length ? selection.value : undefined,
    pinned: pinned.value.length ? pinned.value : undefined,
    notes: Object.keys(notes.value).length ? notes.value : undefined,
  });
  const found = searched.value;
  const search = found
    ? [
        `browser.${call("search", [], {
          kind: found.kind,
          text: found.text || undefined,
          these: found.these.length ? found.these : undefined,
          those: found.those.length ? found.those : undefined,
        })}`,
      ]
    : [];
  return [`browser = ${opened}`, ...search, ...set, "browser"].join("\n");
}
