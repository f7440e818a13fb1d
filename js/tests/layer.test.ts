import { describe, expect, it } from "vitest";
import { cellsOf, gridOf, inLasso, neuronAt, nextCell, placeOf } from "../src/core/cells";
import { conceptsOf, forestOf } from "../src/core/forest";
import { type Glyphs, paintGlyphs, stampOf } from "../src/core/glyphs";
import { keptOf, ranked, spreadOf, withinLimits } from "../src/core/ranking";
import { rowsOf, rowText } from "../src/core/row-list";
import { rowsInView, scrolledTo } from "../src/core/rows-in-view";
import { random } from "./fake";
import { treesOf } from "./fake-layer";

describe("rows", () => {
  it("are ranked as a sort ranks them, those without a value last", () => {
    const next = random(4);
    const values = Float32Array.from({ length: 3000 }, () =>
      next() < 0.1 ? Number.NaN : Math.round((next() - 0.5) * 200) / 7,
    );
    for (const descending of [false, true]) {
      const sign = descending ? -1 : 1;
      const wanted = Array.from(values.keys()).sort((a, b) => {
        const [x, y] = [values[a], values[b]];
        if (Number.isNaN(x) || Number.isNaN(y))
          return Number(Number.isNaN(x)) - Number(Number.isNaN(y)) || a - b;
        return sign * (x - y) || a - b;
      });
      expect(Array.from(ranked(values, descending))).toEqual(wanted);
    }
    expect(Array.from(ranked([0, -0, -1, Infinity, -Infinity], false))).toEqual([4, 2, 0, 1, 3]);
  });

  it("are kept within limits; none without a value", () => {
    const values = [1, 2, Number.NaN, 4];
    expect(withinLimits(4, [])).toBeNull();
    const kept = (low: number | null, high: number | null) =>
      Array.from(withinLimits(4, [{ values, limits: [low, high] }]) as Uint8Array);
    expect(kept(2, null)).toEqual([0, 1, 0, 1]);
    expect(kept(null, 2)).toEqual([1, 1, 0, 0]);
    const order = Int32Array.of(3, 1, 0, 2);
    expect(Array.from(keptOf(order, [null, Uint8Array.of(1, 0, 1, 1)]))).toEqual([3, 0, 2]);
    expect(keptOf(order, [null])).toBe(order);
  });

  it("are spread over bins, each once", () => {
    const spread = spreadOf([0, 1, 10, Number.NaN, 5], 4);
    expect(spread).toEqual({ low: 0, high: 10, bins: Int32Array.of(2, 0, 1, 1) });
    expect(spreadOf([Number.NaN], 4)).toBeNull();
    expect(spreadOf([3, 3], 2)?.bins).toEqual(Int32Array.of(2, 0));
  });

  it("in view are drawn, with a few around them", () => {
    expect(rowsInView(100_000, 30, 3000, 300)).toEqual({ first: 94, end: 116 });
    expect(rowsInView(5, 30, 0, 300)).toEqual({ first: 0, end: 5 });
    expect(rowsInView(5, 30, 9000, 300)).toEqual({ first: 5, end: 5 });
    expect(scrolledTo(3, 30, 120, 300)).toBe(90);
    expect(scrolledTo(30, 30, 0, 300, 40)).toBe(670);
    expect(scrolledTo(4, 30, 0, 300)).toBeNull();
  });
});

describe("lists of samples", () => {
  it("are read as they are written", () => {
    expect(rowsOf("3, 8; 12-14  against 20 – 21")).toEqual({
      these: [3, 8, 12, 13, 14],
      those: [20, 21],
    });
    expect(rowsOf("7")).toEqual({ these: [7], those: [] });
    for (const text of ["", "cat", "1, x", "3 against 4 against 5", "against 3", "0-99999999"])
      expect(rowsOf(text), text).toBeNull();
  });
  it("come back", () => {
    expect(rowText([8, 3, 12, 13, 14, 20, 21])).toBe("3, 8, 12-14, 20, 21");
    expect(rowsOf(rowText([5, 6, 7, 9]))?.these).toEqual([5, 6, 7, 9]);
  });
});

const map = {
  columns: 4,
  rows: 3,
  shared: 0.4,
  chance: 0.1,
  columnOf: Int16Array.of(0, 1, 3, 2, 3),
  rowOf: Int16Array.of(0, 0, 0, 1, 2),
};
const middle = { column: 0, row: 0 };

describe("the map", () => {
  const cells = cellsOf(map);
  it("finds the neuron that it shows at a place, at every zoom", () => {
    for (const zoom of [1, 2, 8])
      for (const centre of [middle, { column: 3, row: 2 }]) {
        const grid = gridOf(map, 100, 80, zoom, centre);
        let shown = 0;
        for (let i = 0; i < 5; i++) {
          const place = placeOf(map, grid, i);
          if (!place) continue;
          shown++;
          expect(neuronAt(cells, map, grid, place.x, place.y)).toBe(i);
        }
        expect(shown).toBeGreaterThan(0);
      }
    const grid = gridOf(map, 100, 80, 1, middle);
    expect(neuronAt(cells, map, grid, 2.5 * grid.cell, 1)).toBe(-1);
    expect(neuronAt(cells, map, grid, -1, 0)).toBe(-1);
  });
  it("leads from cell to cell, over empty ones", () => {
    expect(nextCell(cells, map, 1, 1, 0)).toBe(2);
    expect(nextCell(cells, map, 2, 0, 1)).toBe(4);
    expect(nextCell(cells, map, 4, 1, 0)).toBe(4);
  });
  it("has a lasso that takes what it goes around", () => {
    const grid = gridOf(map, 40, 30, 1, middle);
    const c = grid.cell;
    const around = (x0: number, y0: number, x1: number, y1: number): [number, number][] => [
      [x0 * c, y0 * c],
      [x1 * c, y0 * c],
      [x1 * c, y1 * c],
      [x0 * c, y1 * c],
    ];
    expect(inLasso(around(0, 0, 2, 1), map, grid)).toEqual([0, 1]);
    expect(inLasso(around(0, 0, 4, 3), map, grid)).toEqual([0, 1, 2, 3, 4]);
    // A horseshoe around neuron 1.
    const horseshoe: [number, number][] = [
      [0, 0],
      [1, 0],
      [1, 2],
      [2, 2],
      [2, 0],
      [4, 0],
      [4, 3],
      [0, 3],
    ].map(([x, y]) => [x * c, y * c]);
    expect(inLasso(horseshoe, map, grid)).toEqual([0, 2, 3, 4]);
    expect(inLasso([], map, grid)).toEqual([]);
  });
});

describe("glyphs", () => {
  const trees = treesOf(9, 3, 40, { minSize: 4 });
  const forest = forestOf(trees);
  const side = 60;
  const colors = Uint32Array.from({ length: 12 }, (_, i) => i + 1);
  const painted = (more: Partial<Glyphs>) => {
    const pixels = new Uint32Array(side * 3 * side);
    paintGlyphs(pixels, side * 3, stampOf(side, side - 2), stampOf(side, 10), {
      x: Int32Array.of(0, side, 2 * side),
      y: Int32Array.of(0, 0, 0),
      tree: Int32Array.of(0, 1, -1),
      forest,
      step: 30_000,
      byLabel: false,
      colors,
      rest: 99,
      unsplit: 77,
      lit: null,
      dim: 0.2,
      ...more,
    });
    return pixels;
  };
  /** Opaque pixels of each colour in glyph `g`. */
  const sums = (pixels: Uint32Array, g: number) => {
    const out = new Map<number, number>();
    for (let row = 0; row < side; row++)
      for (let column = g * side; column < (g + 1) * side; column++) {
        const pixel = pixels[row * side * 3 + column];
        if (pixel >>> 24 === 255) out.set(pixel & 0xffffff, (out.get(pixel & 0xffffff) ?? 0) + 1);
      }
    return out;
  };

  it("give each concept its share of the pixels", () => {
    for (const step of [-1, 5000, 30_000, 60_000]) {
      const pixels = painted({ step });
      for (const g of [0, 1]) {
        const sum = sums(pixels, g);
        const all = Array.from(sum.values()).reduce((a, b) => a + b, 0);
        expect(all).toBeGreaterThan(Math.PI * 28 ** 2 - 150);
        let rest = 1;
        for (const i of conceptsOf(forest, g, step)) {
          const share = forest.size[i] / forest.tops[g];
          rest -= share;
          expect((sum.get(forest.slot[i] + 1) ?? 0) / all).toBeCloseTo(share, 1);
        }
        expect((sum.get(99) ?? 0) / all).toBeCloseTo(rest, 1);
      }
    }
  });

  it("are dots for neurons without a split, and pale where not lit", () => {
    expect(Array.from(sums(painted({}), 2).keys())).toEqual([77]);
    const pixels = painted({ lit: Uint8Array.of(1, 0, 0) });
    expect(sums(pixels, 0).size).toBeGreaterThan(0);
    expect(sums(pixels, 1).size).toBe(0);
    expect(
      Math.max(...pixels.map((pixel) => (pixel >>> 24 === 255 ? 0 : pixel >>> 24))),
    ).toBeGreaterThan(50);
  });

  it("out of view are not painted", () => {
    expect(Math.max(...painted({ x: Int32Array.of(-1, -1, -1) }))).toBe(0);
  });

  it("of a few pixels are still discs", () => {
    for (const small of [1, 2, 5]) {
      const stamp = stampOf(small, small);
      expect(stamp.x.length).toBeGreaterThan(0);
      expect(Math.max(...stamp.x, ...stamp.y)).toBeLessThan(small);
    }
  });
});
