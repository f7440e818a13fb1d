/** Messages made up for the tests: seeded, so that a failure comes back. */
import type { RangesMessage } from "../src/protocol/ranges";
import type { Still } from "../src/protocol/toy";

/** Numbers in 0..1, the same for one seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const normal = (next: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());

const TYPES = {
  Float32Array: "F32",
  Float64Array: "F64",
  Int32Array: "I32",
  Int16Array: "I16",
  Int8Array: "I8",
  Uint16Array: "U16",
  Uint8Array: "U8",
};
type Packable =
  | Float32Array
  | Float64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint16Array
  | Uint8Array;

/** A message in the safetensors format; arrays are flat unless their shape is given. */
export function pack(
  arrays: Record<string, Packable>,
  meta: object,
  shapes: Record<string, number[]> = {},
): DataView {
  let at = 0;
  const header: Record<string, unknown> = { __metadata__: { meta: JSON.stringify(meta) } };
  for (const [name, array] of Object.entries(arrays)) {
    const dtype = TYPES[array.constructor.name as keyof typeof TYPES];
    const to = at + array.byteLength;
    header[name] = { dtype, shape: shapes[name] ?? [array.length], data_offsets: [at, to] };
    at = to;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + at);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  let to = 8 + json.length;
  for (const array of Object.values(arrays)) {
    bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), to);
    to += array.byteLength;
  }
  return new DataView(bytes.buffer);
}

/** A toy model whose response matrix has these rows, sorted as it is; `peak` is 127. */
export function stillOf(rows: number[][], more: Partial<Still> = {}): Still {
  const [k, n] = [rows.length, rows[0].length];
  const sum = (row: number[]) => row.reduce((a, b) => a + b, 0);
  return {
    step: 0,
    peak: 127,
    monosemantic: 0,
    chance: 0,
    faint: 0,
    covered: 0,
    dead: 0,
    diverged: false,
    meanBias: 0,
    loss: null,
    neurons: k,
    features: n,
    A: Int8Array.from(rows.flat()),
    neuronOf: Int32Array.from(rows.keys()),
    featureOf: Int32Array.from(rows[0].keys()),
    bias: new Float32Array(k),
    share: Float32Array.from(rows, (row) => (sum(row) ? Math.max(...row) / sum(row) : 0)),
    ...more,
  };
}

/** The narrowest widths of `density`'s bins where a width of 0 asks for all of a bin, one of 4 for
 * nothing, and in between as it is on the line. */
export function firstOf(density: Float32Array, bins: number): Uint16Array {
  const classes = density.length / bins;
  return Uint16Array.from(density, (own, at) => {
    let all = 0;
    for (let c = 0; c < classes; c++) all += density[c * bins + (at % bins)];
    const share = own / (own + (all - own) / Math.max(1, classes - 1));
    return own > 1e-9 ? Math.ceil(400 * (1 - share) - 1e-6) : 401;
  });
}

/** A picture of these activations, one array per class; `bins` equal bins from low to high. */
export function pictureOf(classes: number[][], bins = 40, axis?: [number, number]): RangesMessage {
  const sorted = classes.map((values) => Float32Array.from(values).sort());
  const all = sorted.flatMap((values) => Array.from(values));
  const [low, high] = axis ?? [Math.min(...all), Math.max(...all)];
  const step = (high - low) / bins || 1;
  const start = [0];
  for (const values of sorted) start.push(start[start.length - 1] + values.length);
  const mean = sorted.map((v) => v.reduce((a, b) => a + b, 0) / v.length);
  const std = sorted.map((v, c) =>
    Math.sqrt(v.reduce((sum, x) => sum + (x - mean[c]) ** 2, 0) / v.length),
  );
  const density = sorted.map((values) => {
    const row = new Float32Array(bins);
    for (const x of values)
      row[Math.min(bins - 1, Math.max(0, Math.floor((x - low) / step)))] += 1 / values.length;
    return row;
  });
  const flat = Float32Array.from(density.flatMap((row) => Array.from(row)));
  const scores = [-4, -3, -2, -1, -0.5, 0, 0.5, 1, 2, 3, 4];
  const quantile = sorted.map((values) =>
    scores.map((_, i) => values[Math.round((i / (scores.length - 1)) * (values.length - 1))]),
  );
  return {
    activation: Float32Array.from(all),
    start: Int32Array.from(start),
    mean: Float64Array.from(mean),
    std: Float64Array.from(std),
    quantile: Float64Array.from(quantile.flat()),
    edges: Float64Array.from({ length: bins + 1 }, (_, b) => low + b * step),
    density: flat,
    first: firstOf(flat, bins),
    bar: Uint8Array.from({ length: 81 * classes.length }, (_, i) => {
      const share = 1 - (i % 81) / 80;
      return Math.min(255, Math.max(0, 120 + Math.floor(40 * Math.log10(share / (1 - share)))));
    }),
    rank: new Int32Array(classes.length).fill(1),
    layer: "layer",
    name: "neuron 3",
    neurons: 8,
    samples: all.length,
    labels: classes.map((_, c) => `class ${c}`),
    count: classes.map((values) => values.length),
    colors: classes.map(() => "#4477aa"),
    scores,
    why: classes.map(() => ""),
    salient: classes.map(() => 3),
    what: "label",
    pooling: "",
  };
}

/** Some classes of some size, each with its own centre and width; some with many equal values. */
export function randomPicture(seed: number): RangesMessage {
  const next = random(seed);
  const classes = Array.from({ length: 1 + Math.floor(next() * 6) }, () => {
    const [centre, width] = [4 * normal(next), 0.1 + 2 * next()];
    const round = next() < 0.3;
    return Array.from({ length: 1 + Math.floor(next() * 200) }, () => {
      const value = centre + width * normal(next);
      return round ? Math.round(value * 2) / 2 : value;
    });
  });
  return pictureOf(classes, 5 + Math.floor(next() * 60));
}

/** The beginnings of these samples' texts. */
export const previews = (...rows: number[]) =>
  pack(
    { face: Int32Array.from(rows), value: new Float32Array() },
    {
      kind: "text",
      segments: rows.map((row) => [String(row)]),
      values: rows.map(() => 0),
      peaks: rows.map(() => -1),
    },
  );
