/** The states of tokens beside chunks and a template. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { begins, chunkColors, chunkCounts, nearestTolerance } from "../src/core/states";
import { readReadings } from "../src/protocol/probe";

const golden = (name: string) => {
  const bytes = readFileSync(new URL(`../../tests/protocol/${name}.safetensors`, import.meta.url));
  return readReadings(new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
};

it("reads chunks and hits as Python packed them, and none without them", () => {
  const [first, second] = golden("text-states")?.slots ?? [];
  // Each emoji's two tokens are one piece: that of the stronger token.
  expect(Array.from(first.chunk ?? [])).toEqual([2, 2, -1]);
  expect(Array.from(first.cosine ?? [])).toEqual([0.5, 0.75, 0]);
  expect(Array.from(first.hit ?? [])).toEqual([0, 1, 0, 0, 1, 1]);
  expect(Array.from(second.chunk ?? [])).toEqual([0, 3, 3]);
  expect(Array.from(second.hit ?? [])).toEqual([1, 0, 1, 1, 0, 0]);
  const [plain] = golden("text-readings")?.slots ?? [];
  expect([plain.chunk, plain.cosine, plain.hit]).toEqual([null, null, null]);
});

it("knows the runs of a text and its chunks, most first", () => {
  const chunks = [3, 3, -1, 3, 1, 1, 1, 0];
  expect(chunks.map((_, i) => begins(chunks, i))).toEqual([
    true,
    false,
    false,
    true,
    true,
    false,
    false,
    true,
  ]);
  expect(chunkCounts(chunks)).toEqual([
    [1, 3],
    [3, 3],
    [0, 1],
  ]);
  expect(chunkCounts([])).toEqual([]);
});

it("colours chunks as they come, so that typing on changes no colour", () => {
  const before = chunkColors([[24, 0, -1, 24], [7]]);
  expect([...before.keys()]).toEqual([24, 0, 7]);
  expect(new Set(before.values()).size).toBe(3);
  const after = chunkColors([[24, 0, -1, 24, 3], []]);
  expect([after.get(24), after.get(0)]).toEqual([before.get(24), before.get(0)]);
  const many = chunkColors([Array.from({ length: 14 }, (_, i) => i)]);
  expect(new Set(many.values()).size).toBe(13);
  expect(many.get(12)).toBe(many.get(13));
});

it("takes the tolerance that is nearest as a ratio", () => {
  expect(nearestTolerance([0.01, 0.1, 1], 0.5)).toBe(2);
  expect(nearestTolerance([0.01, 0.1, 1], 0.03)).toBe(0);
  expect(nearestTolerance([0.01, 0.1, 1], 7)).toBe(2);
});
