/** Which rows of a long table are drawn: those in view, and a few around them. */

export interface Span {
  first: number;
  /** The row after the last one. */
  end: number;
}

/** Rows drawn above and below what is in view. */
const MARGIN = 6;

/** `top` pixels are scrolled out; `tall` pixels are in view. */
export function rowsInView(count: number, height: number, top: number, tall: number): Span {
  const first = Math.min(count, Math.max(0, Math.floor(top / height) - MARGIN));
  const end = Math.min(count, Math.ceil((top + tall) / height) + MARGIN);
  return { first, end: Math.max(first, end) };
}

/** How far to scroll so that row `at` is in view, below a head that stays there; null: it is. */
export function scrolledTo(
  at: number,
  height: number,
  top: number,
  tall: number,
  head = 0,
): number | null {
  if (at * height < top) return at * height;
  const low = (at + 1) * height - (tall - head);
  return low > top ? low : null;
}
