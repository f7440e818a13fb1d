/** One pie for each neuron, written into an image: the cost is the pixels, not the neurons. */
import type { Forest } from "./forest";

/** A round glyph, pixel by pixel. */
export interface Stamp {
  side: number;
  /** The pixels of the disc: column, row, direction (0 to `turns`, clockwise from the top), alpha. */
  x: Int16Array;
  y: Int16Array;
  turn: Uint8Array;
  cover: Uint8Array;
  /** Directions that are told apart. */
  turns: number;
}

/** A disc of `diameter` pixels in the middle of a square of `side`, with a soft rim. */
export function stampOf(side: number, diameter: number): Stamp {
  const turns = side <= 8 ? 32 : side <= 24 ? 64 : 256;
  const [x, y, turn, cover]: number[][] = [[], [], [], []];
  const middle = side / 2;
  for (let row = 0; row < side; row++)
    for (let column = 0; column < side; column++) {
      const [dx, dy] = [column + 0.5 - middle, row + 0.5 - middle];
      const share = Math.min(1, Math.max(0, diameter / 2 + 0.5 - Math.hypot(dx, dy)));
      if (share < 0.02) continue;
      const angle = Math.atan2(dx, -dy) / (2 * Math.PI);
      x.push(column);
      y.push(row);
      turn.push(Math.floor((angle < 0 ? angle + 1 : angle) * turns) % turns);
      cover.push(Math.round(share * 255));
    }
  return {
    side,
    x: Int16Array.from(x),
    y: Int16Array.from(y),
    turn: Uint8Array.from(turn),
    cover: Uint8Array.from(cover),
    turns,
  };
}

export interface Glyphs {
  /** The left upper pixel of each neuron's glyph, in the table's order; negative: not in view. */
  x: Int32Array;
  y: Int32Array;
  /** The tree of each neuron; -1: not split. */
  tree: Int32Array;
  forest: Forest | null;
  /** The common height in steps; -1: each tree's own cut. */
  step: number;
  /** Whether a concept's colour is its label's, or its place in the tree's. */
  byLabel: boolean;
  /** Colours without alpha: of concepts, of samples in no concept, of neurons that are not split. */
  colors: Uint32Array;
  rest: number;
  unsplit: number;
  /** 1: lit, 0: dimmed; null: all are lit. */
  lit: Uint8Array | null;
  /** The alpha of a dimmed neuron, 0 to 1. */
  dim: number;
}

/** A stamp for an image of some width: offsets, and the rim's alpha where it belongs in a pixel. */
function fitted(stamp: Stamp, width: number, share: number) {
  const offset = Int32Array.from(stamp.x, (x, i) => stamp.y[i] * width + x);
  const alpha = Uint32Array.from(stamp.cover, (cover) => (Math.round(cover * share) << 24) >>> 0);
  return { offset, alpha };
}

/** Paint all glyphs into `pixels`, an image `width` pixels wide, which must be clear. */
export function paintGlyphs(
  pixels: Uint32Array,
  width: number,
  stamp: Stamp,
  small: Stamp,
  glyphs: Glyphs,
): void {
  const { x, y, tree, forest, lit } = glyphs;
  const full = [fitted(stamp, width, glyphs.dim), fitted(stamp, width, 1)];
  const dots = [fitted(small, width, glyphs.dim), fitted(small, width, 1)];
  const wheel = new Uint32Array(stamp.turns);
  const { turn } = stamp;
  for (let i = 0; i < x.length; i++) {
    if (x[i] < 0 || y[i] < 0) continue;
    const origin = y[i] * width + x[i];
    const light = lit ? lit[i] : 1;
    if (!forest || tree[i] < 0) {
      const { offset, alpha } = dots[light];
      for (let p = 0; p < offset.length; p++)
        pixels[origin + offset[p]] = glyphs.unsplit | alpha[p];
      continue;
    }
    turnWheel(wheel, forest, tree[i], glyphs);
    const { offset, alpha } = full[light];
    for (let p = 0; p < offset.length; p++) pixels[origin + offset[p]] = wheel[turn[p]] | alpha[p];
  }
}

/** The colour in each direction of the pie of tree `m`. */
function turnWheel(wheel: Uint32Array, forest: Forest, m: number, glyphs: Glyphs): void {
  const { first, birth, death, size, tops } = forest;
  const { colors, byLabel } = glyphs;
  const kind = byLabel ? forest.label : forest.slot;
  const height = glyphs.step < 0 ? forest.own[m] : glyphs.step;
  const each = wheel.length / tops[m];
  let at = 0;
  let samples = 0;
  for (let i = first[m]; i < first[m + 1]; i++) {
    if (birth[i] > height || height >= death[i]) continue;
    samples += size[i];
    const to = Math.round(samples * each);
    const color = kind[i] < 0 ? glyphs.rest : colors[kind[i] % colors.length];
    while (at < to) wheel[at++] = color;
  }
  while (at < wheel.length) wheel[at++] = glyphs.rest;
}
