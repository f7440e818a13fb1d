/** How one map of activations differs from another, position by position. */

export interface MapDifference {
  /** The second map less the first. */
  changes: Float32Array;
  /** The largest change, up or down: both ends of the scale. */
  most: number;
  /** The position of the largest change; -1: the maps are equal. */
  at: number;
}

/** null where the maps have not the same positions. */
export function mapDifference(
  first: ArrayLike<number>,
  second: ArrayLike<number>,
): MapDifference | null {
  if (!first.length || first.length !== second.length) return null;
  const changes = Float32Array.from(second, (value, i) => value - first[i]);
  let at = -1;
  for (let i = 0; i < changes.length; i++)
    if (Math.abs(changes[i]) > (at < 0 ? 0 : Math.abs(changes[at]))) at = i;
  return { changes, most: at < 0 ? 0 : Math.abs(changes[at]), at };
}
