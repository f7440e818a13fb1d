/** IntruderTest: exact intervals, its message, and the answer sheet, all as Python has them. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { atLeast, exactInterval } from "../src/core/binomial";
import { readQuestions } from "../src/protocol/intruder";
import { shareOf, shareWhere, sheetOf } from "../src/widgets/intruder-test/sheet";

const url = (name: string) => new URL(`../../tests/protocol/${name}`, import.meta.url);
const golden = (name: string): DataView => {
  const bytes = readFileSync(url(name));
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
};
const said = JSON.parse(readFileSync(url("intruder.json"), "utf-8"));

describe("exact intervals", () => {
  it.each(said.intervals as number[][])("of %i of %i", (right, count, low, high) => {
    const found = exactInterval(right, count);
    expect(found[0]).toBeCloseTo(low, 9);
    expect(found[1]).toBeCloseTo(high, 9);
  });

  it("come from binomial tails", () => {
    expect(atLeast(0, 5, 0.2)).toBe(1);
    expect(atLeast(5, 5, 0.2)).toBeCloseTo(0.2 ** 5, 12);
    expect(atLeast(1, 5, 0.2)).toBeCloseTo(1 - 0.8 ** 5, 12);
    expect(atLeast(6, 5, 0.2)).toBe(0);
    expect(atLeast(400, 1000, 0.4)).toBeGreaterThan(0.5);
  });
});

describe.each(["image", "text"])("questions of %ss", (kind) => {
  const data = readQuestions(golden(`${kind}-questions.safetensors`));

  it("have five cards with previews, of which one is odd", () => {
    expect(data?.questions).toHaveLength(said.answers.length + 1);
    for (const { rows, odd } of data?.questions ?? []) {
      expect(rows).toHaveLength(5);
      expect(odd).toBeLessThan(5);
      for (const row of rows) expect(data?.faces.place.has(row)).toBe(true);
    }
  });

  it("make the answer sheet that Python makes", () => {
    if (!data) throw new Error("no message");
    const sheet = JSON.parse(sheetOf(data, "Ana 🙂", said.answers));
    expect(sheet).toEqual(said.sheets[kind]);
    expect(Object.keys(sheet)).toEqual(Object.keys(said.sheets[kind]));
  });

  it("count right answers, and those of the control", () => {
    const questions = data?.questions ?? [];
    const all = questions.map(({ odd }) => odd + 1);
    expect(shareOf(questions, all)).toEqual({ right: all.length, count: all.length });
    expect(shareOf(questions, [])).toEqual({ right: 0, count: 0 });
    expect(shareOf(questions, [(all[0] % 5) + 1, all[1]])).toEqual({ right: 1, count: 2 });
    const control = shareWhere(questions, all, (question) => question.control);
    const own = shareWhere(questions, all, (question) => !question.control);
    expect([control.count, own.count]).toEqual([2, said.answers.length - 1]);
    expect(shareWhere(questions, all.slice(0, 1), () => true).count).toBe(1);
  });
});

it("a message may not have come yet", () => {
  expect(readQuestions(null)).toBeNull();
});
