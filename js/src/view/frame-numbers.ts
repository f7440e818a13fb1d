/** Numbers that tell frames of one name on a page apart: landmarks are to be unique. */

/** The page's, not this module's: each widget is a module of its own. */
const KEY = Symbol.for("neuronwidgets.frames");

function takenBy(label: string): Set<number> {
  const page = globalThis as { [KEY]?: Map<string, Set<number>> };
  page[KEY] ??= new Map();
  const taken = page[KEY].get(label) ?? new Set();
  page[KEY].set(label, taken);
  return taken;
}

/** The least number from 1 that no other frame of this name has. */
export function take(label: string): number {
  const taken = takenBy(label);
  let number = 1;
  while (taken.has(number)) number++;
  taken.add(number);
  return number;
}

/** Give a number back. */
export function give(label: string, number: number): void {
  takenBy(label).delete(number);
}
