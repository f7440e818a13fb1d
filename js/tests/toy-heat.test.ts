import { describe, expect, it } from "vitest";
import { apart, parted, scaleOf } from "../src/core/curves";
import { cellAt, extent, heightOf, palette, pooled } from "../src/core/heat";
import { random } from "./fake";

describe("heatmap", () => {
  it("shows every cell where there is room", () => {
    const matrix = { A: Int8Array.from([1, 2, 3, 4]), rows: 2, columns: 2 };
    expect(pooled(matrix, 100, 100)).toBe(matrix);
  });
  it("shows the strongest where several fall on one pixel", () => {
    const matrix = { A: Int8Array.from([1, -9, 3, 4, 5, 0, 0, 2]), rows: 4, columns: 2 };
    expect(pooled(matrix, 2, 2)).toEqual({ A: Int8Array.from([3, -9, 5, 2]), rows: 2, columns: 2 });
    expect(pooled(matrix, 1, 1).A[0]).toBe(-9);
  });
  it("loses no strongest cell, whatever the sizes", () => {
    const next = random(3);
    for (let turn = 0; turn < 50; turn++) {
      const [rows, columns] = [1 + Math.floor(next() * 70), 1 + Math.floor(next() * 70)];
      const A = Int8Array.from({ length: rows * columns }, () => Math.floor(next() * 127));
      const small = pooled(
        { A, rows, columns },
        1 + Math.floor(next() * 40),
        1 + Math.floor(next() * 40),
      );
      expect(Math.max(...small.A)).toBe(Math.max(...A));
      // What one points at is what the pixel shows.
      for (let i = 0; i < small.A.length; i++) {
        const [r, c] = [Math.floor(i / small.columns), i % small.columns];
        const place = { x: (c + 0.5) / small.columns, y: (r + 0.5) / small.rows };
        const [row, column] = cellAt({ A, rows, columns }, place, small) ?? [-1, -1];
        expect(A[row * columns + column]).toBe(small.A[i]);
      }
    }
  });
  it("has no cell outside", () => {
    const matrix = { A: Int8Array.from([1]), rows: 1, columns: 1 };
    expect(cellAt(matrix, { x: 1, y: 0.5 }, matrix)).toBeNull();
    expect(cellAt(matrix, { x: -0.1, y: 0.5 }, matrix)).toBeNull();
    expect(cellAt(matrix, { x: 0, y: 0 }, matrix)).toEqual([0, 0]);
  });
  it("has cells of one size where the eye would see that they are not", () => {
    expect(extent(128, 384)).toBe(384);
    expect(extent(256, 384)).toBe(256);
    expect(extent(1000, 384)).toBe(384);
    expect(extent(1, 384)).toBe(384);
  });
  it("is as tall as all runs fill", () => {
    expect(heightOf([128], 1)).toBe(384);
    expect(heightOf([256], 1)).toBe(256);
    expect(heightOf([128, 512], 2)).toBe(256);
    expect(heightOf([7], 1)).toBe(384);
    expect(heightOf([7], 1, 640)).toBe(384);
    expect(heightOf([1024, 128], 2, 640)).toBe(640);
    expect(heightOf([1024], 1, 100)).toBe(384);
  });
  it("is clear at 0 and full at the peak of both runs", () => {
    const colors = new Uint8Array(palette([1, 2, 3], [4, 5, 6], 0.5).buffer);
    const at = (value: number) => Array.from(colors.subarray((value & 255) * 4).subarray(0, 4));
    expect(at(0)).toEqual([1, 2, 3, 0]);
    expect(at(127).slice(0, 3)).toEqual([1, 2, 3]);
    expect(at(127)[3]).toBe(Math.round(255 * 0.5 ** 0.65));
    expect(at(-127).slice(0, 3)).toEqual([4, 5, 6]);
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
