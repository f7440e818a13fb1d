import { describe, expect, it } from "vitest";
import { readPreviews } from "../src/protocol/browser";
import { heldPreviews } from "../src/widgets/neuron-browser/held-previews";
import { previews } from "./fake";

describe("previews", () => {
  const answer = (...rows: number[]) =>
    readPreviews(previews(...rows)) as NonNullable<ReturnType<typeof readPreviews>>;

  it("are asked for once, and again when they made room for others", () => {
    const sent: number[][] = [];
    const held = heldPreviews(({ samples }) => sent.push(samples));
    held.ask([3, 4, 3, -1]);
    held.ask([4, 5]);
    expect(sent).toEqual([[3, 4], [5]]);
    held.add(answer(3, 4));
    expect(held.of(4)?.at).toBe(1);
    expect(held.of(9)).toBeNull();
    for (let i = 0; i < 24; i++) held.add(answer(100 + i));
    expect(held.of(3)).toBeNull();
    expect(held.of(123)?.at).toBe(0);
    held.ask([3, 123]);
    expect(sent[2]).toEqual([3]);
  });

  it("are asked for again once the rows are other samples", () => {
    const sent: number[][] = [];
    const held = heldPreviews(({ samples }) => sent.push(samples));
    held.ask([3]);
    held.add(answer(3));
    held.clear();
    expect(held.of(3)).toBeNull();
    held.ask([3]);
    expect(sent).toEqual([[3], [3]]);
  });

  it("are not asked for without a kernel, nor more than a message may hold", () => {
    let asked = 0;
    const alone = heldPreviews(() => {
      asked++;
      throw new Error("gone");
    });
    alone.ask([1]);
    alone.ask([2]);
    expect(asked).toBe(1);
    const sent: number[][] = [];
    heldPreviews(({ samples }) => sent.push(samples)).ask(Array.from({ length: 900 }, (_, i) => i));
    expect(sent[0].length).toBe(512);
  });
});
