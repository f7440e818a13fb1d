/** Whether the label of a concept sets it apart, or all of the neuron's top samples have it. */

/** Random groups of the top samples have a label so often by chance. */
const OFTEN = 0.05;
/** The share of the top samples from which on a label is the neuron's. */
const HELD = 0.1;

/** How many of some texts, images or samples have a label, and how many of these a certain one. */
interface Counts {
  labelled: number;
  hits: number;
}

/** What all concepts of a neuron share: computed once, as a drag describes many in a frame. */
interface Whole {
  /** Logarithms of factorials. */
  log: Float64Array;
  /** Labels that a tenth or more of the top samples carry. */
  held: number;
}

const known = new WeakMap<Int32Array, Whole>();

/**
 * Whether random groups of the top samples have the most frequent label of some samples as often.
 *
 * By the hypergeometric distribution, at 5% for all labels together that a tenth or more of the top
 * samples carry: any of these may be the most frequent one. False where no other sample is labelled.
 *
 * @param label of all top samples; -1: none.
 * @param source the text or image of each, of which one sample counts; null: each is its own.
 * @param samples those of the concept.
 * @param wanted their most frequent label.
 */
export function asAll(
  label: Int32Array,
  source: Int32Array | null | undefined,
  samples: Int32Array,
  wanted: number,
): boolean {
  const seen = new Uint8Array(label.length);
  const count = (sample: number, counts: Counts) => {
    const one = source ? source[sample] : sample;
    if (label[sample] < 0 || seen[one]) return;
    seen[one] = 1;
    counts.labelled++;
    if (label[sample] === wanted) counts.hits++;
  };
  const own = { labelled: 0, hits: 0 };
  for (const sample of samples) count(sample, own);
  const others = { labelled: 0, hits: 0 };
  for (let sample = 0; sample < label.length; sample++) count(sample, others);
  if (!own.labelled || !others.labelled) return false;
  const { log, held } = wholeOf(label);
  return held * orMore(own, others, log) > OFTEN;
}

function wholeOf(label: Int32Array): Whole {
  const done = known.get(label);
  if (done) return done;
  const counts = new Map<number, number>();
  let labelled = 0;
  for (const one of label) {
    if (one < 0) continue;
    labelled++;
    counts.set(one, (counts.get(one) ?? 0) + 1);
  }
  const log = new Float64Array(label.length + 1);
  for (let i = 2; i <= label.length; i++) log[i] = log[i - 1] + Math.log(i);
  const held = Array.from(counts.values()).filter((count) => count >= HELD * labelled).length;
  const whole = { log, held: Math.max(1, held) };
  known.set(label, whole);
  return whole;
}

/** The chance that a random group of as many has so many hits or more. */
function orMore(own: Counts, others: Counts, log: Float64Array): number {
  const all = own.labelled + others.labelled;
  const hits = own.hits + others.hits;
  const choose = (n: number, k: number) => log[n] - log[k] - log[n - k];
  const total = choose(all, own.labelled);
  let sum = 0;
  for (let k = own.hits; k <= Math.min(hits, own.labelled); k++) {
    if (own.labelled - k > all - hits) continue;
    sum += Math.exp(choose(hits, k) + choose(all - hits, own.labelled - k) - total);
  }
  return sum;
}
