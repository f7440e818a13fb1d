/** Whether a concept's label is that of all top samples: beside random groups. */
import { describe, expect, it } from "vitest";
import { asAll } from "../src/core/common-label";
import { majority } from "../src/core/concepts";

/** Random numbers from 0 to 1, always the same. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** How many of random groups of the top samples have a label that would set them apart. */
function shareApart(shares: number[], size: number, draws = 1500): number {
  const next = random(size);
  const label = Int32Array.from({ length: 100 }, (_, i) => {
    let rest = (i + 0.5) / 100;
    let code = 0;
    for (const share of shares) {
      if (rest < share) return code;
      rest -= share;
      code++;
    }
    return -1;
  });
  let apart = 0;
  for (let draw = 0; draw < draws; draw++) {
    const order = Array.from({ length: 100 }, (_, i) => [next(), i]).sort(([a], [b]) => a - b);
    const group = Int32Array.from(order.slice(0, size), ([, i]) => i);
    const [best] = majority(
      Array.from(group, (i) => label[i]),
      shares.length,
    );
    if (best >= 0 && !asAll(label, null, group, best)) apart++;
  }
  return apart / draws;
}

describe("a label that all top samples have", () => {
  it.each([
    [[0.95, 0.05]],
    [[0.5, 0.5]],
    [[0.6, 0.4]],
    [[0.7, 0.15, 0.15]],
    [[0.4, 0.3]],
    [Array.from({ length: 10 }, () => 0.1)],
  ])("sets apart one in twenty random groups at most: %j", (shares) => {
    for (const size of [5, 15, 40]) expect(shareApart(shares, size)).toBeLessThan(0.065);
  });

  const label = Int32Array.from({ length: 60 }, (_, i) => (i < 30 ? 0 : 1));
  const first = Int32Array.from({ length: 20 }, (_, i) => i);

  it("does not mark a concept of another label than the rest", () => {
    expect(asAll(label, null, first, 0)).toBe(false);
    expect(asAll(new Int32Array(60), null, first, 0)).toBe(true);
  });

  it("does not mark the only concept, nor one beside samples without labels", () => {
    const all = Int32Array.from({ length: 60 }, (_, i) => i);
    expect(asAll(new Int32Array(60), null, all, 0)).toBe(false);
    const labelled = Int32Array.from({ length: 60 }, (_, i) => (i < 20 ? 0 : -1));
    expect(asAll(labelled, null, first, 0)).toBe(false);
  });

  it("counts one sample of each text", () => {
    // Twenty samples of one text among 41 texts: one text says nothing.
    const source = Int32Array.from({ length: 60 }, (_, i) => (i < 20 ? 0 : i - 19));
    expect(asAll(label, source, first, 0)).toBe(true);
  });

  it("is found for a thousand concepts of many samples as they are few", () => {
    const many = Int32Array.from({ length: 20_000 }, (_, i) => i % 7);
    let reads = 0;
    const counted = new Proxy(many, {
      get: (target, key) => {
        if (typeof key === "string" && /^\d+$/.test(key)) reads++;
        const value = Reflect.get(target, key);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    for (let i = 0; i < 1000; i++) {
      asAll(
        counted,
        null,
        Int32Array.from({ length: 20 }, (_, k) => 20 * i + k),
        0,
      );
    }
    // Two for each sample of a concept: not all samples for each concept.
    expect(reads).toBeLessThan(50_000);
  });
});
