/** `most` evenly spaced items, the first and the last among them; all if there are no more. */
export function betweenEnds<T>(all: T[], most: number): T[] {
  if (all.length <= most) return all;
  if (most === 1) return all.slice(0, 1);
  return Array.from(
    { length: most },
    (_, i) => all[Math.round((i * (all.length - 1)) / (most - 1))],
  );
}
