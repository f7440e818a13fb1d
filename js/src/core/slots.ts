/** Which element of the page shows which row: an element whose row has left shows a new one. */

/** The element of each thing that is shown. */
export type Slots = ReadonlyMap<number, number>;

/** Those that stay keep their element; new ones take those that are free, then others. */
export function reslotted(before: Slots, shown: Iterable<number>): Slots {
  const after = new Map<number, number>();
  const fresh: number[] = [];
  const taken = new Set<number>();
  for (const one of shown) {
    const slot = before.get(one);
    if (slot === undefined) fresh.push(one);
    else {
      after.set(one, slot);
      taken.add(slot);
    }
  }
  let slot = 0;
  for (const one of fresh) {
    while (taken.has(slot)) slot++;
    after.set(one, slot++);
  }
  return after;
}
