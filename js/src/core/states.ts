/** The states of a text's tokens beside chunks and a template. */
import { COLORS, OTHERS } from "./palette";

/** The colours of the first twelve chunks that occur in the texts, so that what is typed at the
 * end changes no colour before it; later ones are grey. */
export function chunkColors(texts: ArrayLike<number>[]): Map<number, string> {
  const order = new Set(texts.flatMap((chunks) => Array.from(chunks)).filter((one) => one >= 0));
  return new Map([...order].map((chunk, i) => [chunk, COLORS[i] ?? OTHERS]));
}

/** Where runs of one chunk begin. */
export const begins = (chunks: ArrayLike<number>, i: number): boolean =>
  chunks[i] >= 0 && (i === 0 || chunks[i] !== chunks[i - 1]);

/** The chunks of a text with their tokens, most first; of as many, the lower number first. */
export function chunkCounts(chunks: ArrayLike<number>): [chunk: number, tokens: number][] {
  const counts = new Map<number, number>();
  for (const chunk of Array.from(chunks)) {
    if (chunk >= 0) counts.set(chunk, (counts.get(chunk) ?? 0) + 1);
  }
  return [...counts].sort(([a, most], [b, more]) => more - most || a - b);
}

/** The place of the tolerance that is nearest as a ratio. */
export function nearestTolerance(tolerances: number[], wanted: number): number {
  const off = tolerances.map((one) => Math.abs(Math.log(one / wanted)));
  return off.indexOf(Math.min(...off));
}
