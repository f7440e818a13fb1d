/** The map of the samples: from components to pixels, and the point under the pointer. */

/** `n x 2` components -> pixels within the box, both axes on one scale. */
export function placed(
  map: Float32Array,
  wide: number,
  tall: number,
  margin: number,
): Float32Array {
  let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < map.length; i += 2) {
    x0 = Math.min(x0, map[i]);
    x1 = Math.max(x1, map[i]);
    y0 = Math.min(y0, map[i + 1]);
    y1 = Math.max(y1, map[i + 1]);
  }
  const scale = Math.min(
    (wide - 2 * margin) / (x1 - x0 || 1),
    (tall - 2 * margin) / (y1 - y0 || 1),
  );
  const [cx, cy] = [(x0 + x1) / 2, (y0 + y1) / 2];
  const out = new Float32Array(map.length);
  for (let i = 0; i < map.length; i += 2) {
    out[i] = wide / 2 + (map[i] - cx) * scale;
    out[i + 1] = tall / 2 - (map[i + 1] - cy) * scale;
  }
  return out;
}

/** The point nearest to a position, within `reach` pixels, or -1. */
export function nearest(points: Float32Array, x: number, y: number, reach: number): number {
  let best = -1;
  let least = reach * reach;
  for (let i = 0; i < points.length; i += 2) {
    const [dx, dy] = [points[i] - x, points[i + 1] - y];
    const far = dx * dx + dy * dy;
    if (far <= least) {
      least = far;
      best = i / 2;
    }
  }
  return best;
}

/** The next point from point `from` in the direction (dx, dy) on the screen; `from` if none is. */
export function towards(points: Float32Array, from: number, dx: number, dy: number): number {
  let [best, least] = [from, Infinity];
  for (let i = 0; i < points.length / 2; i++) {
    const [x, y] = [points[2 * i] - points[2 * from], points[2 * i + 1] - points[2 * from + 1]];
    const along = x * dx + y * dy;
    // Points aside are further than they are: the way leads on, not across.
    const cost = along + 2 * Math.abs(x * dy - y * dx);
    if (along > 0.5 && cost < least) [best, least] = [i, cost];
  }
  return best;
}
