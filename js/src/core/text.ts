/** Which part of a text fits a card, with the peak token in view. */
import type { Text } from "../protocol/faces";

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

/** Segments around the peak, at most about `characters` long; `most` is the strongest activation. */
export function snippet(
  { segments, values, peak }: Text,
  characters: number,
  most: number,
): Piece[] {
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
    const text = segments[i].length > room ? `${cut}…` : segments[i];
    room -= segments[i].length;
    const share = values.length && most > 0 ? values[i] / most : 0;
    pieces.push({ text, shade: Math.min(1, Math.max(0, share || 0)), peak: i === peak });
  }
  if (first > 0) pieces.unshift({ text: "…", shade: 0, peak: false });
  return pieces;
}
