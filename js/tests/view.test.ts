import { describe, expect, it } from "vitest";
import { entropy, majority, strongest } from "../src/core/concepts";
import { branches, numbersAt, trace, yOf } from "../src/core/dendrogram";
import { mixed } from "../src/core/direction";
import { nearest, placed, towards } from "../src/core/map";
import { apart, contextOf, quoted, shadesOf, snippet } from "../src/core/text";
import { treeOf } from "../src/protocol/tree";

const tree = treeOf(Int32Array.from([0, 1, 2, 3, 4, 5]), Float64Array.from([1, 2, 9]));

class Pen {
  segments: number[][] = [];
  at: number[] = [];
  moveTo(x: number, y: number) {
    this.at = [x, y];
  }
  lineTo(x: number, y: number) {
    this.segments.push([...this.at, x, y]);
    this.at = [x, y];
  }
}

describe("dendrogram", () => {
  it("lays every merge out when there is room", () => {
    const lay = branches(tree, 400, 100);
    expect(Array.from(lay.node).sort()).toEqual([4, 5, 6]);
  });

  it("leaves out branches narrower than a pixel, never the root", () => {
    expect(Array.from(branches(tree, 1, 100).node)).toEqual([6]);
  });

  it("colours a stem below the line only", () => {
    const lay = branches(tree, 400, 100);
    const pens = [new Pen(), new Pen(), new Pen()];
    const line = yOf(4, 9, 100);
    trace(tree, lay, 4, Int16Array.from([0, 0, 1, 1]), line, pens);
    expect(pens[1].segments.every(([, y0, , y1]) => y0 >= line - 1e-3 && y1 >= line - 1e-3)).toBe(
      true,
    );
    expect(pens[0].segments.every(([, y0, , y1]) => y0 <= line + 1e-3 && y1 <= line + 1e-3)).toBe(
      true,
    );
    expect(pens[2].segments.length).toBe(pens[1].segments.length);
  });

  it("writes no number into another, nor beyond the ends", () => {
    // 11 is too near to 10, 12 is not; the last one is moved in from the end.
    expect(numbersAt([20, 30, 37, 98], [14, 14, 14, 14], 100)).toEqual([
      20,
      Number.NaN,
      Number.NaN,
      93,
    ]);
    expect(numbersAt([2, 20, 38], [14, 14, 14], 100)).toEqual([7, Number.NaN, 38]);
  });

  it("draws 20,000 samples in a few thousand strokes", () => {
    const n = 20_000;
    const merge = new Int32Array(2 * (n - 1));
    let free = Array.from({ length: n }, (_, i) => i);
    for (let m = 0; m < n - 1; ) {
      const next: number[] = [];
      for (let i = 0; i + 1 < free.length; i += 2) {
        merge[2 * m] = free[i];
        merge[2 * m + 1] = free[i + 1];
        next.push(n + m++);
      }
      if (free.length % 2) next.push(free[free.length - 1]);
      free = next;
    }
    const big = treeOf(
      merge,
      Float64Array.from({ length: n - 1 }, (_, i) => i + 1),
    );
    expect(branches(big, 600, 300).node.length).toBeLessThan(2500);
  });
});

describe("map", () => {
  it("keeps the shape and stays inside", () => {
    const points = placed(Float32Array.from([0, 0, 10, 0, 0, 5]), 300, 200, 10);
    expect(points[2] - points[0]).toBeCloseTo(280);
    expect(points[1] - points[5]).toBeCloseTo(140);
  });
  it("puts equal points in the middle", () => {
    expect(Array.from(placed(Float32Array.from([3, 3, 3, 3]), 100, 50, 5))).toEqual([
      50, 25, 50, 25,
    ]);
  });
  it("finds the nearest within reach", () => {
    const points = Float32Array.from([0, 0, 10, 10]);
    expect(nearest(points, 9, 9, 5)).toBe(1);
    expect(nearest(points, 50, 50, 5)).toBe(-1);
  });
});

describe("cards", () => {
  it("finds the strongest of few and of many", () => {
    const many = Int32Array.from({ length: 1000 }, (_, i) => (i * 617) % 1000);
    expect(strongest(many, 4)).toEqual([0, 1, 2, 3]);
    expect(strongest(Int32Array.from([9, 2, 5]), 2)).toEqual([2, 5]);
  });
  it("counts labels", () => {
    expect(majority([1, 1, 0, -1], 2)).toEqual([1, 2 / 3]);
    expect(majority([-1], 2)).toEqual([-1, Number.NaN]);
    expect(entropy([0, 1, 0, 1], 2)).toBe(1);
    expect(entropy([0, 0], 2)).toBe(0);
    expect(entropy([], 2)).toBeNaN();
  });
  it("keeps the peak token in view", () => {
    const segments = Array.from({ length: 100 }, (_, i) => ` word${i}`);
    const values = new Float32Array(100);
    values[80] = 2;
    const pieces = snippet({ segments, values, peak: 80 }, 100, 4);
    expect(pieces[0].text).toBe("…");
    expect(pieces.find((piece) => piece.peak)).toEqual({ text: " word80", shade: 0.5, peak: true });
  });
  it("parts a text at its peak, and leaves out what is far away", () => {
    const segments = Array.from({ length: 100 }, (_, i) => ` word${i}`);
    const values = new Float32Array(100);
    values[80] = 2;
    const { before, peak, after, cut } = contextOf({ segments, values, peak: 80 }, 4, 20, 20);
    expect(peak).toEqual({ text: " word80", shade: 0.5, peak: true });
    expect(before.map(({ text }) => text)).toEqual([" word77", " word78", " word79"]);
    expect(after.map(({ text }) => text)).toEqual([" word81", " word82", " word83"]);
    expect(cut).toBe(true);
    const all = contextOf({ segments, values, peak: 80 }, 4, Infinity, Infinity);
    expect(all.before.length + all.after.length).toBe(99);
    expect(all.cut).toBe(false);
    const none = contextOf({ segments: ["plain"], values: new Float32Array(), peak: -1 }, 1, 9, 9);
    expect(none).toEqual({
      before: [],
      peak: null,
      after: [{ text: "plain", shade: 0, peak: false }],
      cut: false,
    });
  });
  it("shades at most a quarter of a text, where every token activates the neuron", () => {
    const segments = Array.from({ length: 40 }, (_, i) => ` w${i}`);
    const values = Float32Array.from(segments, (_, i) => 0.5 + 0.3 * Math.sin(i * 7));
    values[11] = 3;
    const shades = shadesOf({ segments, values, peak: 11 }, 3);
    expect(shades.filter((shade) => shade > 0).length).toBeLessThanOrEqual(11);
    expect(shades[11]).toBe(1);
    expect(shadesOf({ segments: ["one"], values: Float32Array.of(2), peak: 0 }, 4)).toEqual([0.5]);
    expect(
      shadesOf({ segments: ["a", "b"], values: Float32Array.of(-1, Number.NaN), peak: 0 }, 4),
    ).toEqual([0, 0]);
  });
  it("knows texts of two directions", () => {
    expect(["the cat", "قط جلس", "GPT-4 كتب", "12 قط"].map(mixed)).toEqual([
      false,
      false,
      true,
      false,
    ]);
  });
  it("quotes a name once", () => {
    expect(quoted("Plant")).toBe("“Plant”");
    expect(quoted("“to”, “in”")).toBe("“to”, “in”");
  });
  it("takes the space off a word, and cuts no character in half", () => {
    expect(apart(" cat")).toEqual([" ", "cat"]);
    expect(apart("\n ")).toEqual(["", "\n "]);
    expect(apart("cat ")).toEqual(["", "cat "]);
    const text = { segments: ["ab😀cd"], values: new Float32Array(), peak: -1 };
    expect(snippet(text, 3, 1)[0].text).toBe("ab…");
    expect(snippet(text, 4, 1)[0].text).toBe("ab😀…");
  });
  it("shows a text that was not read token by token", () => {
    const pieces = snippet({ segments: ["plain"], values: new Float32Array(), peak: -1 }, 100, 1);
    expect(pieces).toEqual([{ text: "plain", shade: 0, peak: false }]);
  });
});

describe("the keys of the map", () => {
  // A cross: middle, right, left, above, below.
  const points = Float32Array.from([50, 50, 90, 52, 10, 50, 50, 10, 48, 90]);
  it.each([
    [1, 0, 1],
    [-1, 0, 2],
    [0, -1, 3],
    [0, 1, 4],
  ])("lead (%d, %d) from the middle to point %d", (dx, dy, to) => {
    expect(towards(points, 0, dx, dy)).toBe(to);
  });
  it("stay where nothing is further on", () => expect(towards(points, 1, 1, 0)).toBe(1));
});
