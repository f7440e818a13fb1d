/** Numbers on the dots of unstable concepts can be read in both themes (WCAG: 4.5 at least). */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { readTree } from "../src/protocol/split";
import { luminance } from "../src/view/color";

const read = (path: string) => readFileSync(new URL(path, import.meta.url));
const css = read("../src/widgets/split-explorer/cards.css").toString();
const share =
  Number(/\.nw-pale[^}]*var\(--nw-color\) (\d+)%, var\(--nw-paper\)/.exec(css)?.[1]) / 100;
const bytes = read("../../tests/protocol/image-tree.safetensors");
const palette = readTree(new DataView(bytes.buffer, bytes.byteOffset, bytes.length))?.palette ?? [];

const rgb = (hex: string) => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));

it.each([
  ["light", "#000000", "#ffffff"],
  ["dark", "#ffffff", "#111111"],
  ["light, outside of JupyterLab", "#16181d", "#ffffff"],
  ["dark, outside of JupyterLab", "#eceef1", "#111418"],
])("%s", (_, ink, paper) => {
  expect(palette.length).toBeGreaterThan(5);
  expect(share).toBeGreaterThan(0.2);
  for (const color of palette) {
    const dot = rgb(color).map((value, i) => share * value + (1 - share) * rgb(paper)[i]);
    const [a, b] = [luminance(rgb(ink)), luminance(dot)];
    expect((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)).toBeGreaterThan(4.5);
  }
});
