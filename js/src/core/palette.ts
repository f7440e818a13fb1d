/** The palette of concepts; `neuronwidgets/concepts/palette.py` has the same (a test compares). */
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

export const colorOf = (slot: number): string => COLORS[slot % COLORS.length];
