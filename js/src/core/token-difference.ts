/** Two texts token by token: which tokens they share, and what each one's activation is in both. */

export interface Difference {
  token: string;
  /** Its activation in the first text; null where only the second has it. */
  first: number | null;
  /** Its activation in the second text; null where only the first has it. */
  second: number | null;
}

interface Tokens {
  segments: readonly string[];
  values: ArrayLike<number>;
}

/** Texts of more than so many different tokens are compared by their beginning and end alone. */
const MOST = 1200;

/**
 * The tokens of both texts in order: a longest common subsequence is shared.
 * Case and white space around a token make no difference.
 */
export function differences(a: Tokens, b: Tokens): Difference[] {
  const key = (token: string) => token.trim().toLowerCase() || token;
  const [left, right] = [a.segments.map(key), b.segments.map(key)];
  const least = Math.min(left.length, right.length);
  let head = 0;
  while (head < least && left[head] === right[head]) head++;
  let tail = 0;
  while (tail < least - head && left.at(-1 - tail) === right.at(-1 - tail)) tail++;
  const pairs: [number, number][] = [];
  for (let i = 0; i < head; i++) pairs.push([i, i]);
  const [m, n] = [left.length - head - tail, right.length - head - tail];
  if (m <= MOST && n <= MOST) {
    for (const [i, j] of common(left.slice(head, head + m), right.slice(head, head + n)))
      pairs.push([head + i, head + j]);
  }
  for (let i = tail; i > 0; i--) pairs.push([left.length - i, right.length - i]);

  const merged: Difference[] = [];
  let [i, j] = [0, 0];
  for (const [nextI, nextJ] of [...pairs, [left.length, right.length]]) {
    for (; i < nextI; i++)
      merged.push({ token: a.segments[i], first: a.values[i] ?? 0, second: null });
    for (; j < nextJ; j++)
      merged.push({ token: b.segments[j], first: null, second: b.values[j] ?? 0 });
    if (nextI < left.length && nextJ < right.length)
      merged.push({
        token: b.segments[nextJ],
        first: a.values[nextI] ?? 0,
        second: b.values[nextJ] ?? 0,
      });
    [i, j] = [nextI + 1, nextJ + 1];
  }
  // The second text may begin behind words of the first.
  const begin = merged.findIndex(({ second }) => second !== null);
  if (begin > 0 && !/^\s/.test(merged[begin].token))
    merged[begin].token = ` ${merged[begin].token}`;
  return merged;
}

/** The index pairs of a longest common subsequence. */
function common(a: readonly string[], b: readonly string[]): [number, number][] {
  const width = b.length + 1;
  const longest = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      longest[i * width + j] =
        a[i] === b[j]
          ? longest[(i + 1) * width + j + 1] + 1
          : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
  const pairs: [number, number][] = [];
  for (let [i, j] = [0, 0]; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) pairs.push([i++, j++]);
    else if (longest[(i + 1) * width + j] >= longest[i * width + j + 1]) i++;
    else j++;
  }
  return pairs;
}
