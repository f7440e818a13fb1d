/** The colours of concepts: `COLORS` of `neuronwidgets/display/palette.py`. */
export const COLORS = [
  "#4477AA",
  "#EE6677",
  "#228833",
  "#CCBB44",
  "#66CCEE",
  "#AA3377",
  "#EE7733",
  "#009988",
  "#997700",
  "#7766CC",
  "#EE99AA",
  "#99AA33",
] as const;

/** "#4477AA" -> 0x00AA7744: a colour as ImageData has it, without its alpha. */
export function pixelOf(hex: string): number {
  const all = Number.parseInt(hex.slice(1), 16);
  return ((all & 255) << 16) | (all & 0xff00) | (all >> 16);
}
