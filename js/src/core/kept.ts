/** Whether a concept on the screen is in the library. */
import type { PinnedName } from "../protocol/schema";

/** Whether `kept` has a concept of this name, with as many samples, of this neuron. */
export const isKept = (kept: readonly PinnedName[], shown: PinnedName): boolean =>
  kept.some(
    ({ name, layer, neuron, samples }) =>
      name === shown.name &&
      layer === shown.layer &&
      neuron === shown.neuron &&
      samples === shown.samples,
  );
