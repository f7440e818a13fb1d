/** A line chart over the steps of training. */
import { ticks } from "./axis";

/** One point; without a finite value the line has a gap. */
export interface Point {
  step: number;
  value: number;
}

/** Low and high end of an axis, and the values that are written there. */
export interface Scale {
  low: number;
  high: number;
  ticks: number[];
}

/** An axis that holds all points up to `most`, grown in round steps so that it seldom changes. */
export function scaleOf(lines: readonly Point[][], at: { least: [number, number]; most: number }) {
  let [low, high] = at.least;
  for (const line of lines)
    for (const { value } of line) {
      if (!Number.isFinite(value)) continue;
      low = Math.min(low, Math.max(-at.most, value));
      high = Math.max(high, Math.min(at.most, value));
    }
  const marks = ticks(low, high, 8);
  const step = marks.length > 1 ? marks[1] - marks[0] : high - low || 1;
  const down = Math.floor(low / step + 1e-9) * step;
  const up = Math.ceil(high / step - 1e-9) * step;
  return { low: down, high: up, ticks: ticks(down, up, 2) };
}

/** The points of a line up to a step, and those from there on; both have the one in between. */
export function parted(line: readonly Point[], step: number): [before: Point[], after: Point[]] {
  const end = line.findIndex((point) => point.step > step);
  if (end < 0) return [line.slice(), []];
  return [line.slice(0, end), line.slice(Math.max(0, end - 1))];
}

/** Heights of labels that stand at least `gap` apart, in the order and near the places given. */
export function apart(heights: readonly number[], gap: number): number[] {
  if (heights.length < 2) return heights.slice();
  const [a, b] = heights;
  const near = gap - Math.abs(a - b);
  if (near <= 0) return [a, b];
  const shift = (a <= b ? -near : near) / 2;
  return [a + shift, b - shift];
}
