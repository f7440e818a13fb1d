/** How much of two classes' distributions coincides, for all pairs. */
import { type Signal, useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { directionOf, isolated } from "../../core/direction";
import { ALL, cellAt, type Grid, gridOf, headOf, type Overlaps, pixels } from "../../core/overlap";
import type { Theme } from "../../model/theme";
import type { RangesMessage } from "../../protocol/ranges";
import { Canvas, type Size } from "../../view/canvas";
import { luminance, rgb } from "../../view/color";
import { Tooltip } from "../../view/tooltip";
import type { State } from "./state";
import "./overlap.css";

/** A table that is higher scrolls below its heads. */
const WINDOW = 400;

interface Props {
  state: State;
  data: RangesMessage;
  theme: Signal<Theme>;
}

interface Under {
  row: number;
  column: number;
  x: number;
  y: number;
}

export function Overlap({ state, data, theme }: Props) {
  const many = data.labels.length > ALL;
  const shown = state.overlaps.value;
  const classes = shown.rows.length;
  if (classes < 2) return null;
  const open = state.overlapOpen.value;
  return (
    <details
      class="nw-overlap"
      style={{ "--nw-accent": state.accent.value }}
      open={open}
      onToggle={(event) => {
        state.overlapOpen.value = event.currentTarget.open;
      }}
    >
      <summary class="nw-heading">
        <h3 title={`How much of the distributions of two ${data.what}s coincides?`}>
          {many
            ? `Overlap with ${isolated(data.labels[state.label.value])}`
            : `Overlap of ${data.what}s`}
        </h3>
        {many && (
          <span class="nw-quiet nw-small">
            {classes - 1} of {data.labels.length.toLocaleString("en")} {data.what}s, largest overlap
            first
          </span>
        )}
        <span class="nw-legend nw-quiet" aria-hidden="true">
          0 <i /> 1
        </span>
      </summary>
      {open && <Matrix state={state} data={data} theme={theme} shown={shown} />}
    </details>
  );
}

function Matrix({ state, data, theme, shown }: Props & { shown: Overlaps }) {
  const under = useSignal<Under | null>(null);
  const scroll = useSignal(0);
  const heat = useMemo(heatMaker, []);
  const classes = shown.rows.length;
  const head = headOf(shown.rows.map((c) => data.labels[c]));
  const full = Math.ceil(gridOf(classes, 1000).tall * classes + head + 2);
  const seen = Math.min(full, WINDOW);

  const draw = (pen: CanvasRenderingContext2D, { wide }: Size) => {
    const message = state.data.value;
    if (!message) return;
    const overlaps = state.overlaps.value;
    const heads = headOf(overlaps.rows.map((c) => message.labels[c]));
    const grid = gridOf(overlaps.rows.length, wide, heads);
    const picture = heat(overlaps, rgb(pen, state.accent.value));
    const at = overlaps.rows.indexOf(state.label.value);
    const look = { accent: state.accent.value, theme: theme.value, scroll: scroll.value };
    drawOverlap(pen, message, overlaps, grid, picture, at, look);
  };
  const cellUnder = (event: MouseEvent) => {
    const area = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const [x, y] = [event.clientX - area.left, event.clientY - area.top];
    if (y < head) return null;
    const cell = cellAt(gridOf(classes, area.width, head), classes, x, y + scroll.value);
    return cell && { row: cell[0], column: cell[1], x, y: y + scroll.value };
  };
  const tip = under.value;
  return (
    <div
      class="nw-matrix"
      style={{ maxHeight: `${WINDOW}px` }}
      onScroll={(event) => {
        scroll.value = Math.min(event.currentTarget.scrollTop, full - seen);
      }}
    >
      <div style={{ height: `${full}px` }}>
        <div class="nw-window" style={{ height: `${seen}px` }}>
          <Canvas
            label={`Overlap of the distributions of ${classes} ${data.what}s on this neuron`}
            draw={draw}
            onPointerMove={(event) => {
              under.value = cellUnder(event);
            }}
            onPointerLeave={() => {
              under.value = null;
            }}
            onClick={(event) => {
              const cell = cellUnder(event);
              if (cell) state.select(shown.rows[cell.row]);
            }}
          />
        </div>
        {tip && <CellTip data={data} shown={shown} {...tip} />}
      </div>
    </div>
  );
}

function CellTip({
  data,
  shown: { rows, overlap },
  row,
  column,
  x,
  y,
}: Under & { data: RangesMessage; shown: Overlaps }) {
  const [a, b] = [row, column].map((at) => isolated(data.labels[rows[at]] ?? ""));
  const share = overlap[row * rows.length + column];
  const said =
    column < 0 || column === row
      ? `${a}: ${data.count[rows[row]].toLocaleString("en")} samples`
      : `${a} and ${b} overlap ${share.toFixed(2)}`;
  return <Tooltip at={{ x, y }}>{said}</Tooltip>;
}

/** The cells as a picture of one pixel each, made once per message and colour. */
function heatMaker() {
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

function drawOverlap(
  pen: CanvasRenderingContext2D,
  data: RangesMessage,
  { rows, overlap }: Overlaps,
  { names, head, wide, tall }: Grid,
  heat: HTMLCanvasElement,
  chosen: number,
  { accent, theme, scroll }: { accent: string; theme: Theme; scroll: number },
) {
  const labels = rows.map((c) => data.labels[c]);
  const n = labels.length;
  const [width, height] = [n * wide, n * tall];
  // Rows scroll below the heads.
  pen.save();
  pen.beginPath();
  pen.rect(0, head - 1, names + width + 2, height + 3);
  pen.clip();
  pen.translate(0, -scroll);
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

  const font = (bold: boolean, size = 12) =>
    `${bold ? 600 : 400} ${size}px ${getComputedStyle(pen.canvas).fontFamily}`;
  pen.textBaseline = "middle";
  pen.textAlign = "left";
  for (let i = 0; i < n; i++) {
    if (tall >= 12 || i === chosen) {
      pen.font = font(i === chosen);
      pen.fillStyle = i === chosen ? theme.ink : theme.quiet;
      pen.fillText(fitted(pen, labels[i], names - 10), 0, head + (i + 0.5) * tall);
    }
  }
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
  pen.restore();
  for (let i = 0; i < n; i++) {
    if (wide < 12 && i !== chosen) continue;
    pen.font = font(i === chosen, 11);
    pen.fillStyle = i === chosen ? theme.ink : theme.quiet;
    pen.textBaseline = "middle";
    const x = names + (i + 0.5) * wide;
    if (head <= 18) {
      pen.textAlign = "center";
      pen.fillText(labels[i], x, head / 2 - 1);
      continue;
    }
    pen.save();
    pen.translate(x, head - 6);
    pen.rotate(-Math.PI / 4);
    pen.textAlign = "left";
    pen.fillText(fitted(pen, labels[i], (head - 12) * Math.SQRT2), 0, 0);
    pen.restore();
  }
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

/** Ink or paper, whichever stands out on a cell of this strength. */
function readable(pen: CanvasRenderingContext2D, accent: string, theme: Theme, strength: number) {
  const [ink, paper, color] = [theme.ink, theme.paper, accent].map((css) =>
    luminance(rgb(pen, css)),
  );
  const cell = color * strength + paper * (1 - strength);
  const contrast = (a: number) => (Math.max(a, cell) + 0.05) / (Math.min(a, cell) + 0.05);
  return contrast(ink) >= contrast(paper) ? theme.ink : theme.paper;
}
