/** What the user wants to see more of: samples over the activation range, and whole texts. */
import { computed, effect, type ReadonlySignal, signal } from "@preact/signals";
import type { SamplesSpread, TextRead } from "../../protocol/schema";
import type { EvidenceMessage, Spread, TreeMessage } from "../../protocol/split";

/** Stands for the neuron itself, where others are tree nodes. */
export const NEURON = -1;

export function moreOf(
  data: ReadonlySignal<TreeMessage | null>,
  evidence: ReadonlySignal<EvidenceMessage | null>,
  request: (message: SamplesSpread | TextRead) => void,
  lifetime: AbortSignal,
) {
  const nodes = computed(() => {
    data.value; // another tree, other nodes
    return signal<ReadonlySet<number>>(new Set());
  });
  // The neuron's card stays as it was set, whatever the tree.
  const neuron = signal(false);
  const ask = (node: number) => {
    if (evidence.peek()?.spread.has(node)) return;
    request({ type: "samples.spread", node: node === NEURON ? null : node });
  };
  let known = data.peek();
  lifetime.addEventListener(
    "abort",
    effect(() => {
      if (data.value !== known && neuron.peek()) ask(NEURON);
      known = data.value;
    }),
  );
  return {
    /** Whether a card shows samples over the activation range, and not the top only. */
    spreads: (node: number): boolean =>
      node === NEURON ? neuron.value : nodes.value.value.has(node),
    /** These samples; null until the kernel has sent them. */
    spreadOf: (node: number): Spread | null => evidence.value?.spread.get(node) ?? null,
    setSpread(node: number, on: boolean) {
      if (node === NEURON) {
        neuron.value = on;
      } else {
        const next = new Set(nodes.value.value);
        if (on) next.add(node);
        else next.delete(node);
        nodes.value.value = next;
      }
      if (on) ask(node);
    },
    /** Have a text read to its ends. */
    readText(row: number) {
      request({ type: "text.read", row });
    },
  };
}
