/** Python's own intervals and counts: the view must say the same. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { overlapOf } from "../src/core/overlap";
import { countInside, rangeOf } from "../src/core/ranges";
import { type RangesMessage, readExamples, readRanges } from "../src/protocol/ranges";
import type { Rule } from "../src/protocol/schema";

const golden = new URL("../../tests/protocol/", import.meta.url);

interface Row {
  label: number;
  rule: Rule;
  tau: number;
  pieces: [number | null, number | null][];
  inside: number[];
}

function message(name: string): DataView {
  const bytes = readFileSync(new URL(`${name}.safetensors`, golden));
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const picture = (kind: string) => readRanges(message(`${kind}-range`)) as RangesMessage;

it("the message says what it shows", () => {
  const data = picture("text");
  expect(data.labels).toEqual(["<b>", "dog", "köln 🙂"]);
  expect(data.start[3]).toBe(data.activation.length);
  const texts = readExamples(message("text-examples"));
  expect(texts?.faces.kind).toBe("text");
  expect(texts?.faces.texts).toHaveLength(texts?.faceRow.length ?? -1);
  expect(readExamples(message("image-examples"))?.faces.atlas?.side).toBe(5);
});

it("overlaps, as nearly as they are drawn", () => {
  const data = picture("image");
  const rows: number[][] = JSON.parse(readFileSync(new URL("overlap.json", golden), "utf-8"));
  rows.forEach((row, a) => {
    row.forEach((share, b) => {
      expect(Math.abs(overlapOf(data, a, b) - share)).toBeLessThan(0.005);
    });
  });
  expect(rows).toHaveLength(3);
});

it("ranges and what is inside them", () => {
  const data = picture("image");
  const rows: Row[] = JSON.parse(readFileSync(new URL("intervals.json", golden), "utf-8"));
  for (const { label, rule, tau, pieces, inside } of rows) {
    const made = rangeOf(data, label, rule, tau);
    const said = pieces.flatMap(([low, high]) => [low ?? -Infinity, high ?? Infinity]);
    expect(made.length).toBe(said.length);
    made.forEach((end, i) => {
      if (Number.isFinite(said[i])) expect(end).toBeCloseTo(said[i], 9);
      else expect(end).toBe(said[i]);
    });
    expect(Array.from(countInside(data, made))).toEqual(inside);
  }
  expect(rows.length).toBeGreaterThan(50);
});
