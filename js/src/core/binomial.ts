/** The exact interval of a share of right answers, as `name_scores/binomial.py` has it. */

/** Halvings of the interval 0 to 1: the last is below the precision of a double. */
const HALVINGS = 60;

/** The chance of `right` or more right answers of `count`, each right with probability `p`. */
export function atLeast(right: number, count: number, p: number): number {
  if (right <= 0) return 1;
  if (right > count || p <= 0) return 0;
  if (p >= 1) return 1;
  // In logarithms: the first term underflows for many answers.
  let log = count * Math.log1p(-p);
  let sum = 0;
  for (let k = 0; k <= count; k++) {
    if (k >= right) sum += Math.exp(log);
    log += Math.log((count - k) / (k + 1)) + Math.log(p) - Math.log1p(-p);
  }
  return Math.min(1, sum);
}

/** Clopper & Pearson's interval of a probability: `[low, high]`. */
export function exactInterval(right: number, count: number, level = 0.95): [number, number] {
  const tail = (1 - level) / 2;
  const low = right === 0 ? 0 : rootOf((p) => atLeast(right, count, p) - tail);
  const high = right === count ? 1 : rootOf((p) => atLeast(right + 1, count, p) - (1 - tail));
  return [low, high];
}

/** Where a growing function of 0 to 1 is 0. */
function rootOf(grows: (p: number) => number): number {
  let [from, to] = [0, 1];
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (from + to) / 2;
    if (grows(middle) < 0) from = middle;
    else to = middle;
  }
  return (from + to) / 2;
}
