/** Samples as somebody types them: "3, 8, 12-15 against 20". */

const RANGE = /^(\d+)(?:-(\d+))?$/;
/** Samples in a list, at most. */
const MOST = 10_000;

export interface RowLists {
  these: number[];
  those: number[];
}

/** The rows before and after "against"; null where the text is no such list. */
export function rowsOf(text: string): RowLists | null {
  const sides = text.split(/\bagainst\b/i);
  if (sides.length > 2) return null;
  const lists = sides.map(listOf);
  const [these, those = []] = lists;
  return these?.length && those ? { these, those } : null;
}

function listOf(text: string): number[] | null {
  const rows = new Set<number>();
  for (const part of text.replace(/\s*[-–]\s*/g, "-").split(/[,;\s]+/)) {
    if (!part) continue;
    const [, low, high] = RANGE.exec(part) ?? [];
    if (low === undefined) return null;
    for (let row = Number(low); row <= Number(high ?? low); row++)
      if (rows.add(row).size > MOST) return null;
  }
  return Array.from(rows);
}

/** The same rows as text: neighbours as a range. */
export function rowText(rows: readonly number[]): string {
  const sorted = Array.from(new Set(rows)).sort((a, b) => a - b);
  const parts: string[] = [];
  for (let i = 0; i < sorted.length; ) {
    let end = i;
    while (sorted[end + 1] === sorted[end] + 1) end++;
    parts.push(end > i + 1 ? `${sorted[i]}-${sorted[end]}` : sorted.slice(i, end + 1).join(", "));
    i = end + 1;
  }
  return parts.join(", ");
}
