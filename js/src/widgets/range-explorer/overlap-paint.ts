/** The overlap table on its canvas. */
import { directionOf } from "../../core/direction";
import { gridOf, type Overlaps, pixels } from "../../core/overlap";
import type { Theme } from "../../model/theme";
import { readableOn, rgb } from "../../view/color";

/** The cells as a picture of one pixel each, made once per message and colour. */
export function heatMaker() {
  let cache: { shown: Overlaps; color: string; canvas: HTMLCanvasElement } | null = null;
  return (shown: Overlaps, color: number[]): HTMLCanvasElement => {
    if (cache?.shown === shown && cache.color === color.join()) return cache.canvas;
    const canvas = document.createElement("canvas");
    const side = shown.rows.length;
    [canvas.width, canvas.height] = [side, side];
    const image = new ImageData(pixels(shown.overlap, side, color), side, side);
    canvas.getContext("2d")?.putImageData(image, 0, 0);
    cache = { shown, color: color.join(), canvas };
    return canvas;
  };
}

interface Look {
  accent: string;
  theme: Theme;
  /** How far the cells are scrolled. */
  scroll: { x: number; y: number };
  /** The width of the box. */
  wide: number;
}

export function drawOverlap(
  pen: CanvasRenderingContext2D,
  labels: readonly string[],
  overlap: Float32Array,
  heat: HTMLCanvasElement,
  chosen: number,
  { accent, theme, scroll, wide: whole }: Look,
) {
  const n = labels.length;
  const { names, head, stand, wide, tall } = gridOf(labels, whole);
  const [width, height] = [n * wide, n * tall];
  /** Draw what scrolls, and ends at a rectangle. */
  const within = (left: number, top: number, [x, y]: [number, number], paint: () => void) => {
    pen.save();
    pen.beginPath();
    pen.rect(left, top, whole - left, head + height + 2);
    pen.clip();
    pen.translate(-x, -y);
    paint();
    pen.restore();
  };
  const font = (bold: boolean, size = 12) =>
    `${bold ? 600 : 400} ${size}px ${getComputedStyle(pen.canvas).fontFamily}`;
  const says = (i: number, size: number) => {
    pen.font = font(i === chosen, size);
    pen.fillStyle = i === chosen ? theme.ink : theme.quiet;
    pen.textBaseline = "middle";
  };

  const paintCells = () => {
    // Cells of less than a pixel are averaged, larger ones stay sharp.
    pen.imageSmoothingEnabled = wide < 1 || tall < 1;
    pen.drawImage(heat, names, head, width, height);

    if (wide > 6 && tall > 6) {
      pen.fillStyle = theme.paper;
      for (let i = 0; i <= n; i++) {
        pen.fillRect(names, head + i * tall - 0.5, width, 1);
        pen.fillRect(names + i * wide - 0.5, head, 1, height);
      }
    }
    pen.fillStyle = theme.hair;
    for (let i = 0; i < n; i++)
      pen.fillRect(names + i * wide + 0.5, head + i * tall + 0.5, wide - 1, tall - 1);

    pen.textAlign = "center";
    if (wide >= 30 && tall >= 15) {
      const inks = Array.from({ length: 21 }, (_, i) => readable(pen, accent, theme, i / 20));
      for (let i = 0; i < n * n; i++) {
        const [row, column] = [Math.floor(i / n), i % n];
        if (row === column) continue;
        pen.font = font(row === chosen || column === chosen, 11);
        pen.fillStyle = inks[Math.round(overlap[i] * 20)] ?? theme.ink;
        const text = overlap[i].toFixed(2).replace(/^0/, "");
        pen.fillText(text, names + (column + 0.5) * wide, head + (row + 0.5) * tall + 0.5);
      }
    }
    pen.strokeStyle = theme.ink;
    pen.lineWidth = 1.5;
    pen.strokeRect(names, head + chosen * tall, width - 0.75, tall);
    pen.strokeRect(names + chosen * wide, head, wide - 0.75, height);
  };
  const paintRows = () => {
    pen.textAlign = "left";
    for (let i = 0; i < n; i++) {
      if (tall < 12 && i !== chosen) continue;
      says(i, 12);
      pen.fillText(fitted(pen, labels[i], names - 10), 0, head + (i + 0.5) * tall);
    }
  };
  const paintHeads = () => {
    for (let i = 0; i < n; i++) {
      if (wide < 12 && i !== chosen) continue;
      says(i, 11);
      const x = names + (i + 0.5) * wide;
      if (stand === "level") {
        pen.textAlign = "center";
        pen.fillText(labels[i], x, head / 2 - 1);
        continue;
      }
      pen.save();
      pen.translate(x, head - 6);
      pen.rotate(stand === "slanted" ? -Math.PI / 4 : -Math.PI / 2);
      pen.textAlign = "left";
      const room = stand === "slanted" ? Math.min(head - 12, whole - x) * Math.SQRT2 : head - 8;
      pen.fillText(fitted(pen, labels[i], room), 0, 0);
      pen.restore();
    }
  };
  // The names stay: cells scroll below the heads, and behind the names of rows.
  within(names - 1, head - 1, [scroll.x, scroll.y], paintCells);
  within(0, head - 1, [0, scroll.y], paintRows);
  within(names, 0, [scroll.x, 0], paintHeads);
}

/** A name cut to its room. */
function fitted(pen: CanvasRenderingContext2D, text: string, room: number): string {
  const end = "…";
  if (pen.measureText(text).width <= room) return text;
  pen.direction = directionOf(text);
  let cut = text;
  while (cut.length > 1 && pen.measureText(cut + end).width > room) cut = cut.slice(0, -1);
  return cut + end;
}

/** Black or white, whichever stands out on a cell of this strength: by 4.5 at least. */
function readable(pen: CanvasRenderingContext2D, accent: string, theme: Theme, strength: number) {
  const [color, paper] = [accent, theme.paper].map((css) => rgb(pen, css));
  return readableOn(color.map((value, i) => strength * value + (1 - strength) * paper[i]));
}
