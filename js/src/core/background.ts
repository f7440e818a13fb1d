/** The colour of an image's edge, which stands for its background, and one that shows on it. */

interface Pixels {
  data: ArrayLike<number>;
  width: number;
  height: number;
}

export function backgroundOf({ data, width, height }: Pixels): { color: string; opposite: string } {
  const edge: number[] = [];
  for (let x = 0; x < width; x++) edge.push(x, (height - 1) * width + x);
  for (let y = 1; y < height - 1; y++) edge.push(y * width, y * width + width - 1);
  const median = [0, 1, 2].map((channel) => {
    const sorted = edge.map((pixel) => data[4 * pixel + channel]).sort((a, b) => a - b);
    return sorted[sorted.length >> 1] ?? 0;
  });
  const dark = median[0] + median[1] + median[2] < 3 * 128;
  return { color: `rgb(${median.join(", ")})`, opposite: dark ? "#ffffff" : "#000000" };
}
