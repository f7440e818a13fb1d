/** The axis of training: logarithmic in the step, with room for step 0; and the stills on it. */

/** Where a step stands, 0 to 1. */
export function unitOfStep(step: number, steps: number): number {
  return steps > 0 ? Math.min(1, Math.log1p(Math.max(0, step)) / Math.log1p(steps)) : 0;
}

/** 0 and the powers of ten up to the end. */
export function stepTicks(steps: number): number[] {
  const out = [0];
  for (let tick = 1; tick <= steps; tick *= 10) out.push(tick);
  return out;
}

/** The last step of which a run keeps a still: 0, the powers of two, and its end. */
export function lastKept(step: number, steps: number): number {
  return step >= steps || step < 1 ? step : 2 ** Math.floor(Math.log2(step));
}

/** The last of `stills` at or before a step, if there is one. */
export function stillAt<T extends { step: number }>(stills: readonly T[], step: number) {
  return stills.findLast((still) => still.step <= step);
}

/** Which of some ascending steps stands nearest to a place on the axis. */
export function nearestStep(places: readonly number[], unit: number, steps: number): number {
  let [best, least] = [0, Infinity];
  places.forEach((step, i) => {
    const far = Math.abs(unitOfStep(step, steps) - unit);
    if (far <= least) [best, least] = [i, far];
  });
  return best;
}
