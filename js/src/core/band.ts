/** The band that one drew on a neuron, as every masked neuron gets it. */
import type { RangesMessage } from "../protocol/ranges";
import type { Rule } from "../protocol/schema";
import { countInside, type Pieces } from "./ranges";
import { fixed, percent } from "./scale";

/** The z-score of a value in class `c`: infinite where the class has no deviation. */
export function zOf({ mean, std }: RangesMessage, c: number, value: number): number {
  const distance = value - mean[c];
  return distance === 0 ? 0 : distance / std[c];
}

/** The share of class `c` at or below a value, of the samples that were sent. */
export function levelOf(data: RangesMessage, c: number, value: number): number {
  const sent = data.start[c + 1] - data.start[c];
  return countInside(data, [-Infinity, value])[c] / Math.max(1, sent);
}

/** "z from −0.8 to 1.3": how a band stands in its class, whose every masked neuron gets it so. */
export function bandWords(data: RangesMessage, c: number, rule: Rule, pieces: Pieces): string {
  const quantiles = rule === "quantile";
  const say = (edge: number): string => {
    if (quantiles) return percent(levelOf(data, c, edge));
    return fixed(zOf(data, c, edge), 1);
  };
  const open = (edge: number) => !Number.isFinite(quantiles ? edge : zOf(data, c, edge));
  const words: string[] = [];
  for (let i = 0; i < pieces.length; i += 2) {
    const [low, high] = [pieces[i], pieces[i + 1]];
    if (open(low) && open(high)) return "all values";
    else if (open(low)) words.push(`up to ${say(high)}`);
    else if (open(high)) words.push(`from ${say(low)}`);
    else words.push(`from ${say(low)} to ${say(high)}`);
  }
  return `${quantiles ? "quantiles" : "z"} ${words.join(" and ")}`;
}

/** How many neurons a share of them is, half a neuron rounded as Python does: to even. */
export function howMany(share: number, neurons: number): number {
  const exact = share * neurons;
  const down = Math.floor(exact);
  const up = exact - down > 0.5 || (exact - down === 0.5 && down % 2 === 1);
  return Math.max(1, up ? down + 1 : down);
}

/** How many neurons a mask edits. A neuron that one draws on is masked too. */
export function maskedCount(
  { rank, neurons }: RangesMessage,
  c: number,
  mask: { top: number; only: boolean; drawn: boolean },
): number {
  if (mask.only) return 1;
  const salient = howMany(mask.top, neurons);
  return salient + (mask.drawn && rank[c] > salient ? 1 : 0);
}
