/** A linear axis with a few round ticks. */
import { fixed } from "./scale";

/** About `count` round numbers within low..high. */
export function ticks(low: number, high: number, count: number): number[] {
  if (!(high > low)) return [low];
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((m) => m * power >= rough) ?? 10);
  const out: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++)
    out.push(Number((i * step).toPrecision(12)));
  return out;
}

/** Round heights for the ticks of a tree: the ground, and a few between the comb and the root. */
export function heightTicks(comb: number, top: number): number[] {
  if (!(top > 0)) return [0];
  const above = (count: number) => ticks(comb, top, count).filter((height) => height > 0);
  const few = above(4);
  return [0, ...(few.length > 1 ? few : above(6))];
}

/** A value on an axis that spans `span`, in as many decimals as one can see there. */
export function onAxis(value: number, span: number): string {
  const decimals = span > 0 ? Math.min(8, Math.max(0, Math.ceil(-Math.log10(span / 250)))) : 3;
  return fixed(value, decimals);
}
