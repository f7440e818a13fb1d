/** What concepts promote and demote: the message, and how it stands beside chance. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Concept } from "../src/core/concepts";
import { standingOf, stripOf, strongest, visible } from "../src/core/promoted";
import { type Promoted, readEvidence } from "../src/protocol/split";

const golden = (name: string) => {
  const bytes = readFileSync(new URL(`../../tests/protocol/${name}.safetensors`, import.meta.url));
  return readEvidence(new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
};
const strip = (value: number, agreement: number | null, apart: number | null = null): Promoted => ({
  promoted: [{ name: "a", value: 0.5 }],
  demoted: [{ name: "b", value }],
  agreement,
  apart,
});

describe("what concepts promote", () => {
  it("is read as Python packed it", () => {
    for (const [name, kind] of [
      ["text", "token"],
      ["image", "class"],
    ]) {
      const effects = golden(`${name}-effects`)?.effects;
      expect(effects).toMatchObject({ kind, lens: "logit", high: 0.75, note: "" });
      expect(effects?.of.size).toBe(2);
      expect(effects?.of.get(-1)).toEqual({
        promoted: [
          { name: "\n", value: 2.5 },
          { name: " the", value: 1 },
        ],
        demoted: [
          { name: "köln 🙂", value: -0.5 },
          { name: "<b>", value: -0.25 },
        ],
        agreement: null,
        apart: null,
      });
      const [, own] = [...(effects?.of.values() ?? [])];
      expect(own).toMatchObject({ agreement: 0.875, apart: 1.5 });
      expect(own.demoted[0]).toEqual({ name: " the", value: -0.75 });
    }
  });

  it("is absent without a model", () => {
    expect(golden("text-evidence")?.effects).toBeNull();
  });

  it("is that of a node, or of a k-means concept in its place", () => {
    const concept = { node: 7, number: 3, refined: false } as Concept;
    expect(stripOf(concept)).toBe(7);
    // The neuron itself is -1, so the first is -2.
    expect(stripOf({ ...concept, refined: true })).toBe(-4);
  });

  it("stands beside random directions, and agrees with itself", () => {
    expect(strongest(strip(-2, null))).toBe(2);
    const at = (agreement: number | null, high: number | null, apart: number | null = null) =>
      standingOf(strip(-2, agreement, apart), high);
    expect(at(0.9, 2)).toMatchObject({ word: "as a random direction", chance: true });
    expect(at(0.9, 1.9)).toMatchObject({ word: "halves agree 0.90", chance: false });
    expect(at(0.4, 1.9)).toMatchObject({ word: "halves disagree 0.40", chance: true });
    expect(at(null, null)).toMatchObject({ word: "", chance: false });
    expect(at(0.9, 1.9, 1)).toMatchObject({ word: "as all top samples", chance: true });
    expect(at(0.9, 1.9, 1.1)).toMatchObject({ word: "halves agree 0.90", chance: false });
    expect(at(0.9, 1.9, 1).question).toMatch(/^[^?]+\? .+\.$/);
    for (const high of [2, 1.9]) expect(at(0.9, high).question).toMatch(/^[^?]+\? .+\.$/);
  });

  it("shows tokens that cannot be seen", () => {
    expect(["\n", "\t", "", " the", "\u0002"].map(visible)).toEqual(["↵", "⇥", "∅", " the", "�"]);
  });
});
