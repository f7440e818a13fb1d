/** Which part of a text fits a card, with the peak token in view. */
import type { Text } from "../protocol/previews";

export interface Piece {
  text: string;
  /** 0 to 1. */
  shade: number;
  peak: boolean;
}

/** A segment's space and its word; a segment that is nothing but space is its own word. */
export function apart(text: string): [space: string, word: string] {
  const word = text.trimStart();
  return word ? [text.slice(0, text.length - word.length), word] : ["", text];
}

/** So many of a text's segments are shaded: those that activate the neuron most. */
const SHADED = 0.25;

/** How strongly each segment is shaded, 0 to 1: by what it has above the text's own level. */
export function shadesOf({ segments, values, peak }: Text, most: number): number[] {
  const sorted = Float32Array.from(values).sort();
  const level = Math.max(0, sorted[Math.floor((1 - SHADED) * (sorted.length - 1))] ?? 0);
  return segments.map((_, i) => {
    const value = values[i] || 0;
    const above = most > level ? (value - level) / (most - level) : 0;
    const share = i === peak && most > 0 ? Math.max(above, value / most) : above;
    return Math.min(1, Math.max(0, share));
  });
}

/** A name in quotation marks; one of tokens has marks of its own. */
export const quoted = (name: string) => (name.includes("“") ? name : `“${name}”`);

export interface Context {
  before: Piece[];
  /** null where no segment is the peak: then all of the text is `after`. */
  peak: Piece | null;
  after: Piece[];
  /** Whether something before it is left out. */
  cut: boolean;
}

/** A text in three parts, with at most about so many characters before and after its peak. */
export function contextOf(text: Text, most: number, fore: number, aft: number): Context {
  const { segments, peak } = text;
  const shades = shadesOf(text, most);
  const piece = (i: number): Piece => ({ text: segments[i], shade: shades[i], peak: i === peak });
  const before: Piece[] = [];
  for (let i = peak - 1, room = fore; i >= 0 && room > 0; i--) {
    before.unshift(piece(i));
    room -= segments[i].length;
  }
  const after: Piece[] = [];
  for (let i = Math.max(0, peak + 1), room = aft; i < segments.length && room > 0; i++) {
    after.push(piece(i));
    room -= segments[i].length;
  }
  return { before, peak: peak < 0 ? null : piece(peak), after, cut: before.length < peak };
}

/** Segments around the peak, at most about `characters` long; `most` is the strongest activation. */
export function snippet(text: Text, characters: number, most: number): Piece[] {
  const { segments, peak } = text;
  const shades = shadesOf(text, most);
  let first = 0;
  if (peak > 0) {
    let before = 0;
    first = peak;
    while (first > 0 && before + segments[first - 1].length < characters * 0.4) {
      before += segments[--first].length;
    }
  }
  const pieces: Piece[] = [];
  let room = characters;
  for (let i = first; i < segments.length && room > 0; i++) {
    // Half of a character outside of the basic plane is none.
    const cut = segments[i].slice(0, room).replace(/[\ud800-\udbff]$/, "");
    const shown = segments[i].length > room ? `${cut}…` : segments[i];
    room -= segments[i].length;
    pieces.push({ text: shown, shade: shades[i], peak: i === peak });
  }
  if (first > 0) pieces.unshift({ text: "…", shade: 0, peak: false });
  return pieces;
}
