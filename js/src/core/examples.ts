/** Which samples stand for what is inside a range, and what is outside. */
import type { ExamplesMessage } from "../protocol/ranges";
import { isInside, type Pieces } from "./ranges";

/** 0.xyz in binary -> 0.zyx: numbers in this order fill the line evenly, wherever one stops. */
function reversed(i: number): number {
  let [out, bit] = [0, 0.5];
  for (let rest = i; rest; rest >>= 1) {
    if (rest & 1) out += bit;
    bit /= 2;
  }
  return out;
}

/**
 * The previews of class `label` (-1: of all classes) in the order in which they are shown: those that
 * come first are spread over the activations, so a moved edge changes few of the shown.
 */
export function spread({ faceValue, faceLabel }: ExamplesMessage, label: number): Int32Array {
  const all = Array.from(faceValue.keys()).filter((i) => label < 0 || faceLabel[i] === label);
  all.sort((a, b) => faceValue[a] - faceValue[b] || a - b);
  const turn = all.map((_, i) => i).sort((a, b) => reversed(a) - reversed(b));
  return Int32Array.from(turn, (place) => all[place]);
}

export interface Examples {
  inside: number[];
  outside: number[];
}

/** The first `most` of `order` inside the range and outside, by activation. */
export function pick(
  { faceValue }: ExamplesMessage,
  order: Int32Array,
  pieces: Pieces,
  most: number,
): Examples {
  const out: Examples = { inside: [], outside: [] };
  for (const i of order) {
    const side = isInside(pieces, faceValue[i]) ? out.inside : out.outside;
    if (side.length < most) side.push(i);
    if (out.inside.length === most && out.outside.length === most) break;
  }
  const ascending = (a: number, b: number) => faceValue[a] - faceValue[b] || a - b;
  out.inside.sort(ascending);
  out.outside.sort(ascending);
  return out;
}
