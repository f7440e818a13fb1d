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
  source: Int32Array | null;
  /** Logarithms of factorials. */
  log: Float64Array;
  /** Labels that a tenth or more of the top samples carry. */
  held: number;
  /** The label of each text: that of its first labelled sample; -1: none. */
  labels: Int32Array;
  /** Texts with each label. */
  texts: Map<number, number>;
  labelled: number;
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
  const whole = wholeOf(label, source ?? null);
  const seen = new Set<number>();
  const own = { labelled: 0, hits: 0 };
  const others = { labelled: whole.labelled, hits: whole.texts.get(wanted) ?? 0 };
  for (const sample of samples) {
    const one = source ? source[sample] : sample;
    if (label[sample] < 0 || seen.has(one)) continue;
    seen.add(one);
    own.labelled++;
    others.labelled--;
    if (label[sample] === wanted) own.hits++;
    if (whole.labels[one] === wanted) others.hits--;
  }
  if (!own.labelled || !others.labelled) return false;
  return whole.held * orMore(own, others, whole.log) > OFTEN;
}

function wholeOf(label: Int32Array, source: Int32Array | null): Whole {
  const done = known.get(label);
  if (done?.source === source) return done;
  const counts = new Map<number, number>();
  const labels = new Int32Array(label.length).fill(-1);
  label.forEach((code, sample) => {
    if (code < 0) return;
    counts.set(code, (counts.get(code) ?? 0) + 1);
    const one = source ? source[sample] : sample;
    if (labels[one] < 0) labels[one] = code;
  });
  const samples = label.reduce((sum, code) => sum + (code < 0 ? 0 : 1), 0);
  const texts = new Map<number, number>();
  for (const code of labels) if (code >= 0) texts.set(code, (texts.get(code) ?? 0) + 1);
  const labelled = labels.reduce((sum, code) => sum + (code < 0 ? 0 : 1), 0);
  const log = new Float64Array(label.length + 1);
  for (let i = 2; i <= label.length; i++) log[i] = log[i - 1] + Math.log(i);
  const often = Array.from(counts.values()).filter((count) => count >= HELD * samples).length;
  const whole = { source, log, held: Math.max(1, often), labels, texts, labelled };
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
