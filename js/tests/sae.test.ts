/** The features beside the concepts: the message, where they are active, what they cover. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { activeOn, alsoCovered, asRandom, coveredBy } from "../src/core/sae";
import { readSAE } from "../src/protocol/sae";

const golden = (name: string) => {
  const bytes = readFileSync(new URL(`../../tests/protocol/${name}.safetensors`, import.meta.url));
  return readSAE(new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
};
const mask = (...samples: number[]) => {
  const bits = new Uint8Array(2);
  for (const sample of samples) bits[sample >> 3] |= 1 << (sample & 7);
  return bits;
};
/** Two concepts of four and three samples, one sample in none, a third of two. */
const OF = [0, 0, 0, 0, 1, 1, 1, -1, 2, 2];

describe("features beside concepts", () => {
  it("are read as Python packed them", () => {
    const sae = golden("text-sae");
    expect(sae).toMatchObject({ features: 4, active: null, explained: null, failed: false });
    const [first, second, whole] = [...(sae?.of.values() ?? [])];
    expect(first).toMatchObject({
      feature: 3,
      auroc: 0.875,
      random: 0.5,
      randomMost: 0.625,
      cover: [3, 1],
      coverSize: 2,
      covered: 0.75,
      randomCovered: 0.25,
      branch: 2,
      branchAuroc: 0.75,
      branchRandom: 0.5,
    });
    const every = (row: number) =>
      Array.from({ length: 60 }, (_, i) => i).filter((i) => (60 * row + i) % 7 === 0);
    expect(activeOn(first.active, 60)).toEqual(every(0));
    expect(activeOn(first.coverActive, 60)).toEqual(every(1));
    expect(first.randomActive.map((bits) => activeOn(bits, 60))).toEqual([every(2), every(3)]);
    expect(second).toMatchObject({ feature: 0, cover: [0, 1, 2, 3, 4, 5, 6, 7], coverSize: 12 });
    expect(second.auroc).toBeNaN();
    expect(asRandom(second)).toBe(true);
    expect(asRandom(first)).toBe(false);
    // Above the mean of random directions, but not above what they reach.
    expect(asRandom({ ...first, auroc: 0.5625 })).toBe(true);
    expect(whole).toMatchObject({ feature: -1, cover: [] });
  });

  it("are absent without an autoencoder, and in what older versions saved", () => {
    expect([readSAE(null), readSAE(undefined)]).toEqual([null, null]);
  });

  it("cover the concepts of the cut on half of whose samples they are active", () => {
    expect(coveredBy(mask(0, 1, 4, 7, 8), OF, 3)).toEqual([0, 2]);
    expect(coveredBy(mask(0, 4, 5, 9), OF, 3)).toEqual([1, 2]);
    expect(coveredBy(mask(), [], 2)).toEqual([]);
  });

  it("stand beside random directions that are active as often", () => {
    const first = golden("text-sae")?.of.values().next().value;
    if (!first) throw new Error("the golden message has no feature");
    const one = {
      ...first,
      active: mask(0, 1, 2, 3, 4, 5, 8),
      randomActive: [mask(0, 4, 5, 8, 9), mask(4, 8), mask(0, 1)],
    };
    expect(alsoCovered(one, 0, OF, 3)).toEqual({ others: [1, 2], random: 1 });
    expect(alsoCovered({ ...one, randomActive: [] }, 2, OF, 3).random).toBeNaN();
  });
});
