/** Responses in the order of another moment. */
import { describe, expect, it } from "vitest";
import { inOrder } from "../src/core/order";
import type { Still } from "../src/protocol/toy";

const of = (neuronOf: number[], featureOf: number[], A: number[]) =>
  ({
    neurons: neuronOf.length,
    features: featureOf.length,
    neuronOf: Int32Array.from(neuronOf),
    featureOf: Int32Array.from(featureOf),
    A: Int8Array.from(A),
  }) as Still;

describe("inOrder", () => {
  const still = of([2, 0, 1], [1, 0], [21, 20, 1, 0, 11, 10]);

  it("finds each response at its neuron and feature", () => {
    const order = of([0, 1, 2], [0, 1], []);
    expect([...inOrder(still, order).A]).toEqual([0, 1, 10, 11, 20, 21]);
    expect(inOrder(still, order).neuronOf).toBe(order.neuronOf);
  });

  it("changes nothing in its own order", () => {
    expect(inOrder(still, still).A).toEqual(still.A);
  });

  it("leaves another model alone", () => {
    expect(inOrder(still, of([0, 1], [0, 1], []))).toBe(still);
  });
});
