/** The golden messages of tests/protocol, as Python wrote them. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { cutAt, type Names } from "../src/core/concepts";
import { precisionOf, sharedOf } from "../src/core/retrieved";
import { betweenEnds } from "../src/core/spaced";
import { type PromotedMessage, promotedOf, readPromoted } from "../src/protocol/browser";
import { unpack } from "../src/protocol/safetensors";
import { type By, TREE } from "../src/protocol/schema";
import {
  READINGS,
  type Retrieved,
  readEvidence,
  readTree,
  type TreeMessage,
} from "../src/protocol/split";

const golden = (name: string): DataView => {
  const bytes = readFileSync(new URL(`../../tests/protocol/${name}`, import.meta.url));
  // A view into a larger buffer, at an odd offset, as messages may arrive.
  const padded = new Uint8Array(bytes.length + 13);
  padded.set(bytes, 5);
  return new DataView(padded.buffer, 5, bytes.length);
};
const tree = (kind: string) => readTree(golden(`${kind}-tree.safetensors`)) as TreeMessage;

describe("tree", () => {
  it("reads what Python packed", () => {
    const data = tree("image");
    expect(data.tree.n).toBe(60);
    expect(data.layer).toBe("layer.1");
    expect(data.labels).toEqual(["<b>", "dog", "köln 🙂"]);
    expect(data.samples).toBe(60);
    expect(Array.from(data.activation)).toEqual(Array.from(data.activation).sort((a, b) => b - a));
    expect(data.range[1]).toBeCloseTo(data.activation[0], 5);

    expect(new Set(data.row).size).toBe(60);
    for (let node = 0; node < data.tree.parent.length - 1; node++) {
      expect(data.tree.height[data.tree.parent[node]]).toBeGreaterThanOrEqual(
        data.tree.height[node],
      );
    }
  });

  it("shows pictures", () => {
    const { faces } = tree("image");
    expect(faces.kind).toBe("image");
    expect(faces.place.size).toBe(60);
    expect(faces.atlas?.url).toMatch(/^data:image\/png;base64,/);
  });

  it("shows texts with their tokens", () => {
    const faces = readEvidence(golden("text-evidence.safetensors"))?.faces;
    expect(faces?.kind).toBe("text");
    const read = faces?.texts.filter((text) => text.values.length) ?? [];
    expect(read.length).toBeGreaterThan(0);
    for (const text of read) {
      expect(text.segments.length).toBe(text.values.length);
      expect(text.segments[0]).toBe("the");
      expect(text.segments[text.peak]).toMatch(/^ (dog|köln 🙂|<b>)$/);
      expect(Array.from(text.values).slice(0, 2)).toEqual([0.25, 2]);
    }
  });
});

describe("evidence", () => {
  it("reads what each cluster retrieves, by both readings", () => {
    const evidence = readEvidence(golden("image-evidence.safetensors"));
    expect(evidence?.retrieved.size).toBeGreaterThan(2);
    for (const one of evidence?.retrieved.values() ?? []) {
      for (const by of READINGS) {
        expect(one.rows[by].length).toBe(20);
        expect(one.labels[by].length).toBe(20);
        expect(one.percentile[by]).toBeGreaterThanOrEqual(0);
        expect(one.percentile[by]).toBeLessThanOrEqual(100);
      }
      expect(Math.abs(one.cosine)).toBeLessThanOrEqual(1);
    }
  });

  it("reads what chance retrieves, and how often clusters come back", () => {
    const evidence = readEvidence(golden("image-evidence.safetensors"));
    if (!evidence?.chance) throw new Error("no chance");
    const { sizes, labels, mean, high } = evidence.chance;
    expect(mean.length).toBe(READINGS.length * sizes.length * labels.length);
    mean.forEach((share, i) => {
      // Groups of all samples leave none of a label outside.
      expect(Number.isNaN(high[i])).toBe(Number.isNaN(share));
      expect(Number.isNaN(share) || (share >= 0 && high[i] <= 1)).toBe(true);
    });
    expect(mean.some((share) => share > 0)).toBe(true);
    const recurs = Array.from(evidence?.retrieved.values() ?? [], (one) => one.recurs);
    expect(recurs.every((share) => share === null || (share >= 0 && share <= 1))).toBe(true);
    expect(recurs).toContainEqual(expect.any(Number));
  });
});

describe("samples over the activation range", () => {
  it("are those that a view has asked for, the most activating first", () => {
    for (const kind of ["image", "text"]) {
      const evidence = readEvidence(golden(`${kind}-evidence.safetensors`));
      if (!evidence) throw new Error("no evidence");
      expect(evidence.spread.size).toBe(2);
      expect(evidence.spread.get(-1)?.selected).toBe(60);
      for (const { rows, labels, activations, selected } of evidence.spread.values()) {
        expect(rows.length).toBe(Math.min(selected, kind === "text" ? 8 : 16));
        expect(labels.length).toBe(rows.length);
        expect(Array.from(activations)).toEqual(Array.from(activations).sort((a, b) => b - a));
        expect(new Set(rows).size).toBe(rows.length);
      }
    }
  });

  it("retrieved samples have their activations, texts say whether they are whole", () => {
    const evidence = readEvidence(golden("text-evidence.safetensors"));
    for (const one of evidence?.retrieved.values() ?? [])
      expect(one.activations?.cosine.length).toBe(20);
    expect(evidence?.faces.texts.every((text) => text.cut === false)).toBe(true);
  });

  it("are still evenly spaced where fewer fit", () => {
    const all = Array.from({ length: 16 }, (_, i) => i);
    expect(betweenEnds(all, 4)).toEqual([0, 5, 10, 15]);
    expect(betweenEnds(all, 1)).toEqual([0]);
    expect(betweenEnds(all, 20)).toEqual(all);
  });
});

describe("words", () => {
  it("reads what sets texts apart, and that of images nothing can be said", () => {
    const words = readEvidence(golden("text-evidence.safetensors"))?.words;
    expect(tree("text").words).toBe(true);
    expect(Array.from(words?.values() ?? [])).toContainEqual(["dog"]);
    expect(Array.from(words?.values() ?? [])).toContainEqual([]);
    const none = readEvidence(golden("image-evidence.safetensors"))?.words;
    expect(tree("image").words).toBe(false);
    expect(new Set(none?.values())).toEqual(new Set([null]));
  });
});

describe("cuts", () => {
  const { names, cuts } = JSON.parse(
    readFileSync(new URL("../../tests/protocol/cuts.json", import.meta.url), "utf-8"),
  ) as {
    names: Names;
    cuts: {
      threshold: number;
      nodes: number[];
      labels: number[];
      names: string[];
      slots: number[];
      named: string[];
      namedSlots: number[];
      precision: Record<By, (number | null)[]>;
      shared: Record<By, number[]>;
    }[];
  };
  const data = tree("image");
  const evidence = readEvidence(golden("image-evidence.safetensors"));

  it.each(cuts.map((cut) => [cut.threshold, cut] as const))("agree at %d", (threshold, python) => {
    const plain = cutAt(data, threshold, {});
    expect(plain.concepts.map((c) => c.node)).toEqual(python.nodes);
    expect(Array.from(plain.of)).toEqual(python.labels);
    expect(plain.concepts.map((c) => c.name)).toEqual(python.names);
    expect(plain.concepts.map((c) => c.color)).toEqual(python.slots.map((s) => data.palette[s]));
    const named = cutAt(data, threshold, names);
    expect(named.concepts.map((c) => c.name)).toEqual(python.named);
    expect(named.concepts.map((c) => c.color)).toEqual(
      python.namedSlots.map((s) => data.palette[s]),
    );
    expect(plain.unassigned).toBe(python.labels.filter((label) => label < 0).length);
    const retrieved = plain.concepts.map(
      (concept) => evidence?.retrieved.get(concept.node) as Retrieved,
    );
    for (const by of READINGS) {
      expect(sharedOf(retrieved, by).map((share) => Number(share?.toFixed(6)))).toEqual(
        python.shared[by],
      );
      plain.concepts.forEach((concept, i) => {
        const precision = precisionOf(concept, retrieved[i], by, evidence?.chance ?? null);
        if (python.precision[by][i] === null) expect(precision).toBeNull();
        else expect(precision?.value).toBeCloseTo(python.precision[by][i], 6);
      });
    }
  });
});

describe("safetensors", () => {
  it("is null before there is a message", () => {
    expect(unpack(null, TREE)).toBeNull();
    expect(unpack(new DataView(new ArrayBuffer(0)), TREE)).toBeNull();
  });
  it("refuses another type or a missing array", () => {
    const packed = unpack(golden("image-tree.safetensors"), { row: "F32", nothing: "F32" });
    expect(() => packed?.tensor("row")).toThrow("row is I32, not F32");
    expect(() => packed?.tensor("nothing")).toThrow("no array nothing");
  });
});

it("what neurons promote is read for each neuron, up and down", () => {
  const message = readPromoted(golden("text-promoted.safetensors")) as PromotedMessage;
  const { kind, lens, samples, note, poles, high } = message;
  expect([kind, lens, samples, note, poles, high]).toEqual(["token", "logit", 0, "", true, 3]);
  expect(promotedOf(message, 1)).toEqual({
    promoted: [
      { name: "dog", value: 4 },
      { name: "köln 🙂", value: 2 },
    ],
    demoted: [
      { name: "<b>", value: -1 },
      { name: "\n", value: -0.5 },
    ],
    agreement: null,
    apart: null,
  });
  expect(promotedOf(message, 5)).toBeNull();
  expect([...message.strongest]).toEqual([2, 4, 6, 8, 10, Number.NaN]);
});
