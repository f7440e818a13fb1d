/** A class by its name. */

/**
 * The next class after `from`, around the end, whose name is `text`; of none, whose name begins
 * with it; of none, in which it stands; null where it stands in none. Case does not matter.
 */
export function nextMatch(names: readonly string[], text: string, from: number): number | null {
  const wanted = text.toLowerCase();
  const matches = [
    (name: string) => name === wanted,
    (name: string) => name.startsWith(wanted),
    (name: string) => name.includes(wanted),
  ];
  const lower = names.map((name) => name.toLowerCase());
  for (const match of matches)
    for (let i = 1; i <= names.length; i++) {
      const index = (from + i) % names.length;
      if (match(lower[index])) return index;
    }
  return null;
}
