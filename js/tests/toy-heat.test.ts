import { describe, expect, it } from "vitest";
import { apart, parted, scaleOf } from "../src/core/curves";
import {
  cellAt,
  cellsOf,
  eachOf,
  heightOf,
  LEAST,
  palette,
  placeOf,
  pooled,
} from "../src/core/heat";
import { random } from "./fake";

describe("heatmap", () => {
  const one = (count: number) => cellsOf(count, Infinity);
  it("has a cell for each row where there is room", () => {
    expect(Array.from(cellsOf(4, 12))).toEqual([0, 1, 2, 3, 4]);
    expect(Array.from(cellsOf(4, 11))).toEqual([0, 2, 4]);
    expect(Array.from(cellsOf(5, 9))).toEqual([0, 2, 4, 5]);
    expect(Array.from(cellsOf(3, 1))).toEqual([0, 3]);
  });
  it("has cells of at least 3 pixels, none of which crosses the line", () => {
    const next = random(5);
    for (let turn = 0; turn < 200; turn++) {
      const count = 1 + Math.floor(next() * 2000);
      const border = Math.floor(next() * (count + 1));
      const pixels = 9 + Math.floor(next() * 900);
      const cells = cellsOf(count, pixels, border);
      expect((cells.length - 1) * LEAST).toBeLessThanOrEqual(pixels);
      expect(Array.from(cells)).toContain(border);
      expect([cells[0], cells[cells.length - 1]]).toEqual([0, count]);
      // As few rows in a cell as there is room for.
      const each = eachOf(cells);
      const needed = Math.ceil(border / (each - 1)) + Math.ceil((count - border) / (each - 1));
      if (each > 1) expect(needed * LEAST).toBeGreaterThan(pixels);
      for (let i = 0; i + 1 < cells.length; i++) {
        expect(placeOf(cells, cells[i])).toBe(i);
        expect(placeOf(cells, cells[i + 1] - 1)).toBe(i);
      }
    }
  });
  it("shows every cell where there is room", () => {
    const A = Int8Array.from([1, 2, 3, 4]);
    const all = pooled({ A, rows: 2, columns: 2 }, one(2), one(2));
    expect(all).toMatchObject({ A, rows: 2, columns: 2, from: Int32Array.from([0, 0, 1, 1]) });
  });
  it("shows the strongest where several fall together, and whose it is", () => {
    const matrix = { A: Int8Array.from([1, -9, 3, 4, 5, 0, 0, 2]), rows: 4, columns: 2 };
    const halves = pooled(matrix, Int32Array.from([0, 2, 4]), one(2));
    expect(Array.from(halves.A)).toEqual([3, -9, 5, 2]);
    expect(Array.from(halves.from)).toEqual([1, 0, 2, 3]);
    expect(pooled(matrix, Int32Array.from([0, 4]), Int32Array.from([0, 2])).A[0]).toBe(-9);
  });
  it("loses no strongest cell, whatever the sizes", () => {
    const next = random(3);
    for (let turn = 0; turn < 50; turn++) {
      const [rows, columns] = [1 + Math.floor(next() * 70), 1 + Math.floor(next() * 70)];
      const A = Int8Array.from({ length: rows * columns }, () => Math.floor(next() * 127));
      const cells = {
        rows: cellsOf(rows, 3 + Math.floor(next() * 120), Math.floor(next() * rows)),
        columns: cellsOf(columns, 3 + Math.floor(next() * 120)),
      };
      const small = pooled({ A, rows, columns }, cells.rows, cells.columns);
      expect(Math.max(...small.A)).toBe(Math.max(...A));
      // What one points at is what the cell shows.
      for (let i = 0; i < small.A.length; i++) {
        const [r, c] = [Math.floor(i / small.columns), i % small.columns];
        const place = { x: (c + 0.5) / small.columns, y: (r + 0.5) / small.rows };
        const [row, column] = cellAt({ A, rows, columns }, place, cells) ?? [-1, -1];
        expect(A[row * columns + column]).toBe(small.A[i]);
        if (small.A[i]) expect(row).toBe(small.from[i]);
      }
    }
  });
  it("has no cell outside", () => {
    const matrix = { A: Int8Array.from([1]), rows: 1, columns: 1 };
    const cells = { rows: one(1), columns: one(1) };
    expect(cellAt(matrix, { x: 1, y: 0.5 }, cells)).toBeNull();
    expect(cellAt(matrix, { x: -0.1, y: 0.5 }, cells)).toBeNull();
    expect(cellAt(matrix, { x: 0, y: 0 }, cells)).toEqual([0, 0]);
  });
  it("is as tall as the window allows and the rows can use", () => {
    expect(heightOf([256], 560)).toBe(560);
    expect(heightOf([16, 24], 560)).toBe(384);
    expect(heightOf([1024], 1200)).toBe(1200);
    expect(heightOf([1024], 100)).toBe(280);
    expect(heightOf([3], 560)).toBe(280);
  });
  it("is clear at 0 and full at the peak of both runs", () => {
    const colors = new Uint8Array(palette([1, 2, 3], [4, 5, 6], 0.5).buffer);
    const at = (value: number) => Array.from(colors.subarray((value & 255) * 4).subarray(0, 4));
    expect(at(0)).toEqual([1, 2, 3, 0]);
    expect(at(127).slice(0, 3)).toEqual([1, 2, 3]);
    expect(at(127)[3]).toBe(Math.round(255 * 0.5 ** 0.65));
    expect(at(-127).slice(0, 3)).toEqual([4, 5, 6]);
    const pale = new Uint8Array(palette([1, 2, 3], [4, 5, 6], 1, 0.5).buffer);
    expect(pale[127 * 4 + 3]).toBe(128);
  });
});

describe("curves", () => {
  const line = (...values: number[]) => values.map((value, step) => ({ step, value }));
  it("stand on round axes", () => {
    expect(scaleOf([line(0.3, 1.1)], { least: [0, 1.2], most: 2 })).toMatchObject({
      low: 0,
      ticks: [0, 1],
    });
    expect(scaleOf([line(0.02, -1)], { least: [-0.1, 0], most: 10 }).low).toBeCloseTo(-1);
  });
  it("keep an axis when there is nothing, or nothing finite", () => {
    for (const lines of [[], [line()], [line(Number.NaN, Infinity, -Infinity)]]) {
      const { low, high } = scaleOf(lines, { least: [0, 1], most: 2 });
      expect([low, high]).toEqual([0, 1]);
    }
  });
  it("cut off what is beyond", () => {
    expect(scaleOf([line(1e30)], { least: [0, 1], most: 2 }).high).toBe(2);
  });
  it("part at the shown step", () => {
    const [before, after] = parted(line(5, 6, 7), 1);
    expect(before.map(({ step }) => step)).toEqual([0, 1]);
    expect(after.map(({ step }) => step)).toEqual([1, 2]);
    expect(parted(line(5, 6), 9)).toEqual([line(5, 6), []]);
    expect(parted([{ step: 3, value: 1 }], 0)).toEqual([[], [{ step: 3, value: 1 }]]);
    expect(parted([], 3)).toEqual([[], []]);
  });
  it("have letters that do not stand on each other", () => {
    expect(apart([10, 12], 12)).toEqual([5, 17]);
    expect(apart([12, 10], 12)).toEqual([17, 5]);
    expect(apart([0, 50], 12)).toEqual([0, 50]);
    expect(apart([3], 12)).toEqual([3]);
  });
});
