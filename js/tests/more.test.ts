/** Samples over the activation range: what was chosen for a card, and what is asked of the kernel. */
import { signal } from "@preact/signals";
import { expect, it } from "vitest";
import type { EvidenceMessage, TreeMessage } from "../src/protocol/split";
import { moreOf, NEURON } from "../src/widgets/split-explorer/more";

const tree = () => ({}) as TreeMessage;
const holding = (...nodes: number[]) =>
  ({ spread: new Map(nodes.map((node) => [node, {}])) }) as unknown as EvidenceMessage;

it("stays on the neuron's card when the tree changes, and is asked for again", () => {
  const [data, evidence] = [signal<TreeMessage | null>(tree()), signal(holding())];
  const asked: unknown[] = [];
  const lifetime = new AbortController();
  const more = moreOf(data, evidence, (message) => asked.push(message), lifetime.signal);
  const ofNeuron = { type: "samples.spread", node: null };
  more.setSpread(NEURON, true);
  more.setSpread(3, true);
  expect(asked).toEqual([ofNeuron, { type: "samples.spread", node: 3 }]);
  evidence.value = holding(NEURON, 3);
  data.value = tree();
  // A message with both asks for nothing.
  expect(asked).toHaveLength(2);
  expect([more.spreads(NEURON), more.spreads(3)]).toEqual([true, false]);
  evidence.value = holding();
  data.value = tree();
  expect(asked.slice(2)).toEqual([ofNeuron]);
  more.setSpread(NEURON, false);
  data.value = tree();
  expect(more.spreads(NEURON)).toBe(false);
  lifetime.abort();
  more.setSpread(NEURON, true);
  data.value = tree();
  expect(asked).toHaveLength(4);
});
