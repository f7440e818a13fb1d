/**
 * The ridgelines in two pictures: as they look inside the range, and outside. Both are drawn once
 * per message, size and theme; a frame of a drag only decides which is seen where.
 */
import { type Domain, unitOf } from "../../core/edges";
import type { Pieces } from "../../core/ranges";
import {
  domainOf,
  type Place,
  ridgeHeight,
  scales,
  traceDensity,
  traceNormal,
} from "../../core/ridges";
import type { Theme } from "../../model/theme";
import type { RangesMessage } from "../../protocol/ranges";
import type { Size } from "../../view/canvas";

/** Left and right of the axis' ends: where an open range goes on. */
export const PAD = 10;
/** Above the first row, for the knobs. */
export const HEAD = 22;

export interface Look {
  data: RangesMessage;
  size: Size;
  /** Height of a row, and how far the rows are scrolled. */
  row: number;
  scroll: number;
  ratio: number;
  theme: Theme;
  chosen: number;
  accent: string;
}

export interface Layers {
  inside: HTMLCanvasElement;
  outside: HTMLCanvasElement;
}

/** Where the rows start: the first ridge needs room too. */
export const firstRow = (row: number): number => HEAD + ridgeHeight(row) - row;

const groundOf = (c: number, row: number): number => firstRow(row) + (c + 1) * row - 1;

function xOf(value: number, domain: Domain, wide: number): number {
  return PAD + unitOf(value, domain) * (wide - 2 * PAD);
}

/** Makes the two pictures, and again only when something that they show has changed. */
export function layersMaker() {
  let cache: { look: Look; layers: Layers } | null = null;
  return (look: Look): Layers => {
    const old = cache?.look;
    const fresh =
      old?.data === look.data &&
      old.size.wide === look.size.wide &&
      old.size.tall === look.size.tall &&
      old.row === look.row &&
      old.scroll === look.scroll &&
      old.ratio === look.ratio &&
      old.theme === look.theme &&
      old.chosen === look.chosen &&
      old.accent === look.accent;
    if (!cache || !fresh)
      cache = { look, layers: { inside: layer(look, true), outside: layer(look, false) } };
    return cache.layers;
  };
}

function layer(look: Look, inside: boolean): HTMLCanvasElement {
  const { data, size, row, scroll, ratio, theme, chosen, accent } = look;
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(size.wide * ratio);
  canvas.height = Math.round(size.tall * ratio);
  const pen = canvas.getContext("2d") as CanvasRenderingContext2D;
  pen.scale(ratio, ratio);
  const backdrop = () => {
    pen.globalAlpha = 1;
    pen.fillStyle = theme.paper;
    pen.fill();
    if (!inside) return;
    pen.globalAlpha = 0.1;
    pen.fillStyle = accent;
    pen.fill();
  };
  pen.beginPath();
  pen.rect(0, 0, size.wide, size.tall);
  backdrop();
  const scale = scales(data);
  const tall = ridgeHeight(row) - 3;
  const first = Math.max(0, Math.floor((scroll - firstRow(row)) / row));
  const last = Math.min(
    scale.length - 1,
    Math.ceil((scroll + size.tall - firstRow(row)) / row) + 1,
  );
  for (let c = first; c <= last; c++) {
    const ground = groundOf(c, row) - scroll;
    const place: Place = { left: PAD, right: size.wide - PAD, ground, tall };
    const own = c === chosen;
    pen.globalAlpha = 1;
    pen.fillStyle = theme.hair;
    pen.fillRect(0, ground, size.wide, 1);
    const curve = new Path2D();
    traceDensity(curve, data, c, scale[c], place);
    // A ridge hides what is behind it.
    pen.globalAlpha = 1;
    pen.fillStyle = theme.paper;
    pen.fill(curve);
    const faint = data.why[c] ? 0.4 : 1;
    pen.globalAlpha = faint * (inside ? (own ? 0.85 : 0.4) : own ? 0.22 : 0.13);
    pen.fillStyle = inside || own ? accent : theme.quiet;
    pen.fill(curve);
    pen.globalAlpha = faint * (own ? 1 : inside ? 0.75 : 0.5);
    pen.strokeStyle = inside || own ? accent : theme.quiet;
    pen.lineWidth = own ? 1.6 : 1;
    pen.stroke(curve);
    if (data.why[c]) continue;
    const normal = new Path2D();
    traceNormal(normal, data, c, scale[c], place);
    pen.globalAlpha = own ? 0.85 : 0.4;
    pen.strokeStyle = theme.ink;
    pen.lineWidth = 1;
    pen.setLineDash([3, 3]);
    pen.stroke(normal);
    pen.setLineDash([]);
  }
  // Rows that are scrolled up end below the knobs.
  pen.globalAlpha = 1;
  pen.fillStyle = theme.paper;
  pen.fillRect(0, 0, size.wide, HEAD - 4);
  return canvas;
}

/** A sample that is pointed at or selected, on its row. */
export interface Dot {
  value: number;
  label: number;
  strong: boolean;
}

export function drawRidges(
  pen: CanvasRenderingContext2D,
  look: Look,
  { inside, outside }: Layers,
  pieces: Pieces,
  dots: readonly Dot[],
) {
  const { data, size, row, scroll, theme, accent } = look;
  const { wide, tall } = size;
  const domain = domainOf(data);
  pen.drawImage(outside, 0, 0, wide, tall);
  if (pieces.length) {
    pen.save();
    pen.beginPath();
    for (let i = 0; i < pieces.length; i += 2) {
      const left = pieces[i] < domain.low ? 0 : xOf(pieces[i], domain, wide);
      const right = pieces[i + 1] > domain.high ? wide : xOf(pieces[i + 1], domain, wide);
      pen.rect(left, HEAD - 4, right - left, tall);
    }
    pen.clip();
    pen.drawImage(inside, 0, 0, wide, tall);
    pen.restore();
    pen.fillStyle = accent;
    for (const edge of pieces) {
      if (edge < domain.low || edge > domain.high) continue;
      pen.fillRect(Math.round(xOf(edge, domain, wide)) - 0.5, HEAD - 4, 1, tall);
    }
  }
  for (const { value, label, strong } of dots) {
    pen.beginPath();
    const y = groundOf(label, row) - scroll - (strong ? 4 : 3.5);
    pen.arc(xOf(value, domain, wide), y, strong ? 4.5 : 3.5, 0, 2 * Math.PI);
    pen.fillStyle = theme.ink;
    pen.fill();
    pen.lineWidth = 1.2;
    pen.strokeStyle = theme.paper;
    pen.stroke();
  }
}
