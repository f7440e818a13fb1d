/** What the rows in view need from the kernel, and the texts that it has read for them. */
import { signal } from "@preact/signals";
import type { PeakText } from "../../protocol/browser";
import type { Text } from "../../protocol/previews";
import type { RowsRequest } from "../../protocol/schema";

/** Texts that are kept. */
const MOST = 4000;

const keyOf = (neuron: number, row: number): string => `${neuron} ${row}`;

/** `send` throws where there is no kernel: then nothing more is asked. */
export function inView(send: (request: RowsRequest) => void) {
  const peaks = signal<ReadonlyMap<string, Text>>(new Map());
  let last = "";
  let alone = false;
  return {
    add(read: readonly PeakText[]) {
      const all = [...peaks.peek()];
      for (const { neuron, row, text } of read) all.push([keyOf(neuron, row), text]);
      peaks.value = new Map(all.slice(-MOST));
    },

    /** A newer picture has other samples in the same rows. */
    clear() {
      last = "";
      peaks.value = new Map();
    },

    /** The text of a sample, cut around the peak of this neuron; null where it was not read. */
    peakOf: (neuron: number, row: number): Text | null =>
      peaks.value.get(keyOf(neuron, row)) ?? null,

    /** These neurons are on the screen: what they lack is to come first. */
    look(neurons: readonly number[]) {
      const key = neurons.join(" ");
      if (alone || !key || key === last) return;
      last = key;
      try {
        send({ type: "rows.request", neurons: neurons.slice(0, 512) });
      } catch {
        alone = true;
      }
    },
  };
}
