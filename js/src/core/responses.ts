/** The responses of one neuron, and to one feature, from the response matrix of a toy model. */
import type { Still } from "../protocol/toy";
import { percent } from "./scale";

/** The paper's rule: the largest response of a monosemantic neuron exceeds this share of all. */
const MONOSEMANTIC = 0.999;
const MOST = 0.9;

export type Kind = "monosemantic" | "polysemantic" | "dead";

/** A neuron with responses too small for the picture is not dead: its share says so. */
export function kindOf({ share }: Still, neuron: number): Kind {
  if (share[neuron] > MONOSEMANTIC) return "monosemantic";
  return share[neuron] === 0 ? "dead" : "polysemantic";
}

/** One bar: a neuron or feature, and the activation. */
export interface Response {
  index: number;
  value: number;
}

export interface Ranked {
  first: Response[];
  /** The number of responses other than 0 beyond the first ones, and their share of all. */
  more: number;
  rest: number;
}

function ranked(all: Response[], most: number): Ranked {
  const strong = all
    .filter(({ value }) => value !== 0)
    .sort((a, b) => Math.abs(b.value) - Math.abs(a.value) || a.index - b.index);
  const size = (responses: Response[]) => responses.reduce((sum, r) => sum + Math.abs(r.value), 0);
  const others = strong.slice(most);
  return {
    first: strong.slice(0, most),
    more: others.length,
    rest: others.length ? size(others) / size(strong) : 0,
  };
}

const activation = ({ A, peak }: Still, at: number) => (A[at] / 127) * peak;

/** The features that drive the neuron of a row, strongest first. */
export function driversOf(still: Still, row: number, most: number): Ranked {
  const { features, featureOf } = still;
  return ranked(
    Array.from({ length: features }, (_, column) => ({
      index: featureOf[column],
      value: activation(still, row * features + column),
    })),
    most,
  );
}

/** The neurons that respond to the feature of a column, strongest first. */
export function respondersOf(still: Still, column: number, most: number): Ranked {
  const { neurons, features, neuronOf } = still;
  return ranked(
    Array.from({ length: neurons }, (_, row) => ({
      index: neuronOf[row],
      value: activation(still, row * features + column),
    })),
    most,
  );
}

/** The activation of one neuron for one feature. */
export const responseAt = (still: Still, row: number, column: number): number =>
  activation(still, row * still.features + column);

/** The number of strongest responses that make up the share `MOST` of all. */
function needed(values: number[]): number {
  const sizes = values.map(Math.abs).sort((a, b) => b - a);
  const enough = MOST * sizes.reduce((sum, v) => sum + v, 0);
  let [sum, count] = [0, 0];
  while (count < sizes.length && sum < enough - 1e-9) sum += sizes[count++];
  return count;
}

function shareText(share: number): string {
  if (share > 0.9999) return share >= 1 ? "all" : "over 99.99%";
  return share > 0.99 ? `${(share * 100).toFixed(2)}%` : percent(share);
}

/** What a neuron is, in words. */
export function sentence(still: Still, row: number): string {
  const { features, neuronOf, share } = still;
  const neuron = neuronOf[row];
  const largest = share[neuron];
  if (Number.isNaN(largest)) return "Its responses are not numbers: training diverged.";
  const values = Array.from(still.A.subarray(row * features, (row + 1) * features));
  const silent = values.every((value) => value === 0);
  if (largest > MONOSEMANTIC) {
    if (features === 1) return "There is one feature only: monosemantic.";
    const others = largest > 1.0001 ? " and others push it below 0" : "";
    return `One feature has ${shareText(Math.min(1, largest))} of it${others}: monosemantic.`;
  }
  if (silent)
    return largest === 0
      ? "Dead: no feature moves it."
      : "Too weak to be seen beside the strongest: polysemantic.";
  const count = needed(values);
  const sizes = values.map(Math.abs);
  const most = Math.max(...sizes) / sizes.reduce((sum, size) => sum + size, 0);
  return count === 1
    ? `One feature has ${shareText(largest > MOST ? largest : most)} of it; monosemantic is over 99.9%.`
    : `${count} features have 90% of it: polysemantic.`;
}
