/** What the user wants to see more of: samples over the activation range, and whole texts. */
import { computed, type ReadonlySignal, signal } from "@preact/signals";
import type { SamplesSpread, TextRead } from "../../protocol/schema";
import type { EvidenceMessage, Spread, TreeMessage } from "../../protocol/split";

/** Stands for the neuron itself, where others are tree nodes. */
export const NEURON = -1;

export function moreOf(
  data: ReadonlySignal<TreeMessage | null>,
  evidence: ReadonlySignal<EvidenceMessage | null>,
  request: (message: SamplesSpread | TextRead) => void,
) {
  const nodes = computed(() => {
    data.value; // another tree, other nodes
    return signal<ReadonlySet<number>>(new Set());
  });
  return {
    /** Whether a card shows samples over the activation range, and not the top only. */
    spreads: (node: number): boolean => nodes.value.value.has(node),
    /** These samples; null until the kernel has sent them. */
    spreadOf: (node: number): Spread | null => evidence.value?.spread.get(node) ?? null,
    setSpread(node: number, on: boolean) {
      const next = new Set(nodes.value.value);
      if (on) next.add(node);
      else next.delete(node);
      nodes.value.value = next;
      if (on && !evidence.value?.spread.has(node)) {
        request({ type: "samples.spread", node: node === NEURON ? null : node });
      }
    },
    /** Have a text read to its ends. */
    readText(row: number) {
      request({ type: "text.read", row });
    },
  };
}
