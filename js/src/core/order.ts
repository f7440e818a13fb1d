/** A model's responses in the order of another moment, so that one neuron's life can be followed. */
import type { Still } from "../protocol/toy";

/** The neuron of each row, and the feature of each column. */
export type Order = Pick<Still, "neuronOf" | "featureOf">;

/** `still` in an order of the same neurons and features; unchanged if they are others. */
export function inOrder(still: Still, order: Order): Still {
  const { neurons, features } = still;
  if (order.neuronOf.length !== neurons || order.featureOf.length !== features) return still;
  const rowOf = new Int32Array(neurons);
  const columnOf = new Int32Array(features);
  for (let r = 0; r < neurons; r++) rowOf[still.neuronOf[r]] = r;
  for (let c = 0; c < features; c++) columnOf[still.featureOf[c]] = c;
  const columns = order.featureOf.map((feature) => columnOf[feature]);
  const A = new Int8Array(neurons * features);
  for (let r = 0, at = 0; r < neurons; r++) {
    const from = rowOf[order.neuronOf[r]] * features;
    for (let c = 0; c < features; c++, at++) A[at] = still.A[from + columns[c]];
  }
  return { ...still, A, neuronOf: order.neuronOf, featureOf: order.featureOf };
}
