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

/** The colour of labels that have none of their own: darker than that of samples in no concept. */
export const OTHERS = "#7d8590";

/** The colour of each of `count` labels: those of `colored` (codes) have one of their own. */
export function labelColors(count: number, colored: readonly number[]): string[] {
  const colors: string[] = new Array(count).fill(OTHERS);
  colored.forEach((code, i) => {
    colors[code] = COLORS[i];
  });
  return colors;
}

/** "#4477AA" -> 0x00AA7744: a colour as ImageData has it, without its alpha. */
export function pixelOf(hex: string): number {
  const all = Number.parseInt(hex.slice(1), 16);
  return ((all & 255) << 16) | (all & 0xff00) | (all >> 16);
}
