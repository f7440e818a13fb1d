import { describe, expect, it } from "vitest";
import { onAxis, ticks } from "../src/core/axis";
import { edgesOf, moved, piecesOf, stepOf, unitOf } from "../src/core/edges";
import { pick, spread } from "../src/core/examples";
import {
  ALL,
  cellAt,
  gridOf,
  headsOf,
  matrixOf,
  NEAREST,
  overlapOf,
  pixels,
  seenOf,
  shownWith,
  steppedTo,
} from "../src/core/overlap";
import { ridgeHeight, rowHeight, scales, traceDensity, traceNormal } from "../src/core/ridges";
import { ordinal, percent } from "../src/core/scale";
import { NO_FACES } from "../src/protocol/previews";
import { readExamples, readRanges } from "../src/protocol/ranges";
import { luminance } from "../src/view/color";
import { pack, pictureOf, random } from "./fake";

const domain = { low: 0, high: 10 };

describe("edges", () => {
  it("go to the wire and back", () => {
    expect(piecesOf([null, 1, 2, null])).toEqual([-Infinity, 1, 2, Infinity]);
    expect(edgesOf([-Infinity, 1, 2, Infinity])).toEqual([null, 1, 2, null]);
  });
  it("stop at their partner", () => {
    expect(moved([2, 5], 0, 8, domain)).toEqual([5, 5]);
    expect(moved([2, 5], 1, 1, domain)).toEqual([2, 2]);
    expect(moved([5, 5], 0, 3, domain)).toEqual([3, 5]);
  });
  it("stop short of the neighbouring piece", () => {
    const [, high, low] = moved([1, 2, 6, 7], 1, 9, domain);
    expect(low - high).toBeCloseTo(stepOf(domain), 12);
    expect(moved([1, 2, 6, 7], 2, 0, domain)[2]).toBeCloseTo(2 + stepOf(domain), 12);
  });
  it("open at the ends of the axis, and close again", () => {
    expect(moved([2, 5], 0, 0, domain)).toEqual([-Infinity, 5]);
    expect(moved([2, 5], 1, 10, domain)).toEqual([2, Infinity]);
    expect(moved([-Infinity, Infinity], 1, 4, domain)).toEqual([-Infinity, 4]);
    expect(moved([-Infinity, 5], 1, -3, domain)).toEqual([-Infinity, 0]);
    // Only the outermost edges: the others have a neighbour there.
    expect(moved([1, 2, 6, 7], 2, -1, domain)[2]).toBeGreaterThan(2);
  });
  it("are round numbers, finer than a pixel", () => {
    expect(moved([2, 5], 0, 3.27182818, domain)).toEqual([3.272, 5]);
    expect(stepOf({ low: -0.001, high: 0.002 })).toBe(1e-6);
    expect(stepOf({ low: 3, high: 3 })).toBe(1);
  });
  it("keep the range ascending and disjoint, whatever one drags", () => {
    const next = random(7);
    let pieces = piecesOf([null, 1, 2, 4, 6, 9]);
    for (let step = 0; step < 3000; step++) {
      pieces = moved(pieces, Math.floor(next() * 6), -2 + 14 * next(), domain);
      for (let i = 1; i < 6; i++)
        if (i % 2) expect(pieces[i]).toBeGreaterThanOrEqual(pieces[i - 1]);
        else expect(pieces[i]).toBeGreaterThan(pieces[i - 1]);
      expect(edgesOf(pieces).slice(1, -1).every(Number.isFinite)).toBe(true);
    }
  });
  it("stand on the axis, or at its end", () => {
    expect([2.5, -7, Infinity].map((edge) => unitOf(edge, domain))).toEqual([0.25, 0, 1]);
    expect(unitOf(3, { low: 3, high: 3 })).toBe(0.5);
  });
});

describe("axis", () => {
  it("has a few round ticks", () => {
    expect(ticks(-5.3, 3.4, 6)).toEqual([-4, -2, 0, 2]);
    expect(ticks(0, 0.0031, 6)).toEqual([0, 0.001, 0.002, 0.003]);
    expect(ticks(2, 2, 6)).toEqual([2]);
  });
  it("says as much of a value as can be seen", () => {
    expect(onAxis(-0.91388, 9)).toBe("−0.91");
    expect(onAxis(1234.56, 4000)).toBe("1235");
    expect(onAxis(1, 0)).toBe("1.000");
  });
});

/** Two hundred values at equal distances. */
const even = (from: number, to: number) =>
  Array.from({ length: 200 }, (_, i) => from + ((to - from) * i) / 199);

describe("ridges", () => {
  it("get tall rows when few, thin ones when many", () => {
    expect([2, 14, 20, 60, 1000].map(rowHeight)).toEqual([90, 26, 26, 16, 16]);
    expect(ridgeHeight(26)).toBeGreaterThan(26);
  });
  it("fit their height: the broadest is still seen beside the narrowest", () => {
    const wide = Array.from({ length: 200 }, (_, i) => i / 20);
    const data = pictureOf([[5, 5, 5, 5], wide], 40);
    const peaks = Array.from(scales(data), (scale, c) => {
      const ys: number[] = [];
      const pen = { moveTo: () => {}, lineTo: (_: number, y: number) => ys.push(y) };
      traceDensity(pen, data, c, scale, { left: 0, right: 100, ground: 50, tall: 40 });
      return 50 - Math.min(...ys);
    });
    expect(peaks[0]).toBeCloseTo(40);
    expect(peaks[1]).toBeGreaterThan(5);
    expect(peaks[1]).toBeLessThan(20);
  });
  it("have room for a normal curve that peaks above the class's own", () => {
    const data = pictureOf([even(2, 4), even(0, 6)], 40);
    const place = { left: 0, right: 100, ground: 50, tall: 40 };
    expect(scales(data).length).toBe(2);
    for (const [c, scale] of Array.from(scales(data)).entries()) {
      const ys: number[] = [];
      const pen = { moveTo: () => {}, lineTo: (_: number, y: number) => ys.push(y) };
      traceNormal(pen, data, c, scale, place);
      const highest = Math.min(...ys);
      expect(highest).toBeGreaterThan(9.9);
      // One point is the top: a flat one would be of more.
      expect(ys.filter((y) => y - highest < 1e-9).length).toBeLessThanOrEqual(2);
    }
  });
  it("draw no normal curve of a class without width", () => {
    const data = pictureOf([
      [5, 5],
      [1, 2, 9],
    ]);
    const drawn = [0, 1].map((c) => {
      let points = 0;
      const count = () => void points++;
      const place = { left: 0, right: 100, ground: 50, tall: 40 };
      traceNormal({ moveTo: count, lineTo: count }, data, c, 1, place);
      return points;
    });
    expect(drawn[0]).toBe(0);
    expect(drawn[1]).toBeGreaterThan(30);
  });
});

describe("examples", () => {
  const data = {
    faces: NO_FACES,
    faceRow: Int32Array.from({ length: 60 }, (_, i) => i),
    faceValue: Float32Array.from({ length: 60 }, (_, i) => (i * 37) % 60),
    faceLabel: Int32Array.from({ length: 60 }, (_, i) => i % 2),
  };
  it("are the class's own, or all", () => {
    expect(spread(data, -1).length).toBe(60);
    expect(new Set(spread(data, -1)).size).toBe(60);
    expect(Array.from(spread(data, 1)).every((i) => data.faceLabel[i] === 1)).toBe(true);
  });
  it("are spread over the range, by activation", () => {
    const { inside, outside } = pick(data, spread(data, -1), [10, 50], 8);
    const values = inside.map((i) => data.faceValue[i]);
    expect(values).toEqual([...values].sort((a, b) => a - b));
    expect(values.length).toBe(8);
    expect(values.every((v) => v >= 10 && v <= 50)).toBe(true);
    expect(Math.max(...values.map((v, i) => v - (values[i - 1] ?? 10)))).toBeLessThan(12);
    expect(outside.every((i) => data.faceValue[i] < 10 || data.faceValue[i] > 50)).toBe(true);
  });
  it("mostly stay while an edge moves", () => {
    const order = spread(data, -1);
    for (let low = 0; low < 40; low++) {
      const before = pick(data, order, [low, 50], 8).inside;
      const after = pick(data, order, [low + 1, 50], 8).inside;
      expect(after.filter((i) => !before.includes(i)).length).toBeLessThanOrEqual(1);
    }
  });
  it("may be none", () => {
    expect(pick(data, spread(data, 0), [], 8).inside).toEqual([]);
    expect(pick(data, new Int32Array(), [0, 1], 8)).toEqual({ inside: [], outside: [] });
  });
});

describe("overlap", () => {
  it("finds the cell under the pointer", () => {
    const grid = gridOf(Array(10).fill("a label"), 650);
    expect(cellAt(grid, 10, grid.names + 1.5 * grid.wide, grid.head + 2.5 * grid.tall)).toEqual([
      2, 1,
    ]);
    expect(cellAt(grid, 10, 3, grid.head + 1)).toEqual([0, -1]);
    expect(cellAt(grid, 10, grid.names + 4.5 * grid.wide, 2)).toEqual([-1, 4]);
    expect(cellAt(grid, 10, 3, 2)).toBeNull();
    // Rows scroll below the heads, which stay.
    const scroll = { x: 2 * grid.wide, y: 3 * grid.tall };
    expect(cellAt(grid, 10, 3, grid.head + 1, scroll)).toEqual([3, -1]);
    expect(cellAt(grid, 10, grid.names + 1, 2, scroll)).toEqual([-1, 2]);
    expect(cellAt(grid, 10, grid.names + 1, grid.head + 1, scroll)).toEqual([3, 2]);
    expect(cellAt(grid, 10, 300, grid.head + 11 * grid.tall)).toBeNull();
  });
  it("is of all classes, or of the chosen one's nearest", () => {
    const next = random(3);
    const few = pictureOf(Array.from({ length: ALL }, () => [next(), next()]));
    expect(shownWith(few, 7)).toEqual(Array.from({ length: ALL }, (_, c) => c));
    const many = pictureOf(
      Array.from({ length: 400 }, (_, c) => [c, c + 9, c + 20]),
      128,
    );
    const shown = shownWith(many, 200);
    expect(shown).toHaveLength(NEAREST);
    expect(shown[0]).toBe(200);
    const shares = shown.map((c) => overlapOf(many, 200, c));
    expect(shares.slice(1)).toEqual(shares.slice(1).sort((a, b) => b - a));
    const rest = Array.from({ length: 400 }, (_, c) => c).filter((c) => !shown.includes(c));
    const most = Math.max(...rest.map((c) => overlapOf(many, 200, c)));
    expect(most).toBeLessThanOrEqual(shares[NEAREST - 1]);
    const matrix = matrixOf(many, shown);
    expect(Array.from(matrix.subarray(0, NEAREST))).toEqual(
      [1, ...shares.slice(1)].map(Math.fround),
    );
    for (let i = 0; i < NEAREST; i++)
      for (let j = 0; j < NEAREST; j++)
        expect(matrix[i * NEAREST + j]).toBe(matrix[j * NEAREST + i]);
  });
  it("has heads that hold the names: level, slanted of long ones, vertical of many", () => {
    expect(headsOf(["cat", "dog"])).toEqual({ head: 18, stand: "level" });
    const film = ["EducationalInstitution", ...Array(13).fill("Film")];
    expect(headsOf(film).stand).toBe("slanted");
    expect(headsOf(film).head).toBeGreaterThan(90);
    const long = Array<string>(40).fill("a name of more letters than one expects");
    expect(headsOf(long).stand).toBe("vertical");
    // In full: each letter has its room, at 900 pixels too, and lines stand apart.
    expect(headsOf(long).head).toBeGreaterThan(6.2 * long[0].length);
    expect(gridOf(long, 868).names).toBeGreaterThan(6.2 * long[0].length);
    expect(gridOf(long, 868).wide).toBeGreaterThan(12);
    // In a narrow box the columns scroll.
    expect(gridOf(long, 440).wide).toBeGreaterThan(12);
    expect(headsOf(Array(40).fill("x".repeat(400))).head).toBeLessThan(300);
    // Rows of many labels are still read: the table scrolls.
    expect(gridOf(long, 800).tall).toBe(14);
    const grid = gridOf(long, 800);
    const [x, y] = [grid.names + 2.5 * grid.wide, grid.head + 3.5 * grid.tall];
    expect(cellAt(grid, 40, x, y)).toEqual([3, 2]);
    expect(grid.names + 40 * grid.wide).toBeLessThan(800);
    expect(gridOf(Array(40).fill("12"), 868).names).toBeLessThan(40);
  });
  it("finds the name under the pointer along its slant", () => {
    const grid = gridOf(["EducationalInstitution", ...Array(13).fill("Film")], 900);
    const foot = grid.names + 2.5 * grid.wide;
    for (const up of [1, 40, 80])
      expect(cellAt(grid, 14, foot + up, grid.head - 6 - up)).toEqual([-1, 2]);
  });
  it("scrolls where that shows more than a row", () => {
    // Fourteen labels of an ordinary length want five pixels more than the window.
    expect(seenOf(405, 123)).toBe(405);
    expect(seenOf(120, 18)).toBe(120);
    expect(seenOf(1500, 123)).toBe(400);
    expect(seenOf(1500, 287)).toBe(527);
  });
  it("is read by keys", () => {
    expect(steppedTo("ArrowDown", 5, null)).toEqual([0, 0]);
    expect(steppedTo("ArrowDown", 5, [0, 2])).toEqual([1, 2]);
    expect(steppedTo("ArrowRight", 5, [4, 4])).toEqual([4, 4]);
    expect(steppedTo("ArrowLeft", 5, [4, 0])).toEqual([4, 0]);
    expect(steppedTo("a", 5, [4, 4])).toBeNull();
  });
  it("leaves the diagonal clear", () => {
    const image = pixels(Float32Array.from([1, 0.5, 0.5, 1]), 2, [1, 2, 3]);
    expect(Array.from(image)).toEqual([1, 2, 3, 0, 1, 2, 3, 128, 1, 2, 3, 128, 1, 2, 3, 0]);
  });
});

describe("words", () => {
  it.each([
    [0, "0%"],
    [0.001, "<1%"],
    [0.954, "95%"],
    [0.9999, ">99%"],
    [1, "100%"],
    [Number.NaN, "–"],
  ])("%d is %s", (value, text) => expect(percent(value)).toBe(text));
  it.each([
    [1, "1st"],
    [2, "2nd"],
    [3, "3rd"],
    [11, "11th"],
    [22, "22nd"],
    [113, "113th"],
    [1201, "1,201st"],
  ])("%d is the %s", (n, text) => expect(ordinal(n)).toBe(text));
  it("knows light from dark", () => {
    expect(luminance([255, 255, 255])).toBeCloseTo(1, 6);
    expect(luminance([0, 0, 0])).toBe(0);
  });
});

describe("picture", () => {
  const fake = pictureOf([[1, 2], [3]]);
  const { activation, start, mean, std, quantile, edges, density, first, bar, rank, ...meta } =
    fake;
  const roots = Uint8Array.from(density, (share) => Math.round(255 * Math.sqrt(share)));
  const arrays = {
    activation,
    start,
    mean,
    std,
    quantile,
    edges,
    density: roots,
    first,
    bar,
    rank,
  };

  it("is read, and its examples", () => {
    const face = {
      face: Int32Array.from([40, 7]),
      face_value: Float32Array.from([1, 3]),
      face_label: Int32Array.from([0, 1]),
    };
    const texts = { kind: "text", segments: [["a"], ["b", " c"]], values: [0, 0], peaks: [-1, 1] };
    const read = readRanges(pack(arrays, meta, { density: [2, density.length / 2] }));
    expect(Array.from(read?.activation ?? [])).toEqual([1, 2, 3]);
    expect(read?.labels).toEqual(["class 0", "class 1"]);
    const own = read?.density.subarray(0, density.length / 2) ?? new Float32Array();
    expect(own.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6);
    expect(Math.max(...own.map((share, b) => Math.abs(share - density[b])))).toBeLessThan(0.003);
    const examples = readExamples(pack(face, texts));
    expect(Array.from(examples?.faceRow ?? [])).toEqual([40, 7]);
    expect(examples?.faces.texts[1]).toEqual({
      segments: ["b", " c"],
      values: new Float32Array(),
      peak: 1,
    });
  });
  it("is null before there is one", () => {
    expect(readRanges(null)).toBeNull();
    expect(readExamples(null)).toBeNull();
  });
});
