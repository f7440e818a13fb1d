/** Where quantiles stand on a neuron's activation axis. */
import { describe, expect, it } from "vitest";
import { activationAt, axisOf, bandOf, edgeAt, edgeOf, percentile } from "../src/core/quantiles";

// 60% of the samples at rest, as of a rectified neuron.
const axis = axisOf(Int32Array.of(60, 0, 30, 10), [0, 8]);

describe("an activation axis", () => {
  it("knows the share of samples below each edge", () => {
    expect(Array.from(axis.below)).toEqual([0, 0.6, 0.6, 0.9, 1]);
    expect([0, 2, 4].map((edge) => activationAt(axis, edge))).toEqual([0, 4, 8]);
    expect([-1, 0, 3.1, 8, 99].map((value) => edgeAt(axis, value))).toEqual([0, 0, 2, 4, 4]);
  });
  it("places quantiles at the nearest edge, the first of equal ones", () => {
    expect([0, 0.2, 0.5, 0.6, 0.9, 1].map((q) => edgeOf(axis, q))).toEqual([0, 0, 1, 1, 3, 4]);
  });
  it("has no band without samples", () => {
    expect(bandOf(axis, 1, 3)).toEqual([0.6, 0.9]);
    expect(bandOf(axis, 1, 2)).toBeNull();
  });
  it("says shares of a few samples finely", () => {
    expect([0, 0.004, 0.5, 0.995, 1].map(percentile)).toEqual([
      "0%",
      "0.4%",
      "50%",
      "99.5%",
      "100%",
    ]);
  });
});
