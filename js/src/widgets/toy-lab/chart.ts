/** One line chart on canvas. */
import { apart, type Point, parted, scaleOf } from "../../core/curves";
import { stepTicks, unitOfStep } from "../../core/steps";
import type { Theme } from "../../model/theme";
import type { Size } from "../../view/canvas";

/** Beside the plot: the axis' numbers, and the lines' letters. */
export const [LEFT, RIGHT] = [42, 20];
const [TOP, BOTTOM] = [6, 5];

export interface Line {
  name: string;
  color: string;
  points: Point[];
}

export interface Chart {
  lines: Line[];
  least: [number, number];
  most: number;
  tick: (place: number) => string;
  base?: { value: number; text: string } | undefined;
  /** What is shown elsewhere, and the end of the axis. */
  step: number;
  steps: number;
}

export function drawChart(
  pen: CanvasRenderingContext2D,
  { wide, tall }: Size,
  { lines, least, most, tick: mark, base, step, steps }: Chart,
  theme: Theme,
) {
  const scale = scaleOf(
    lines.map((line) => line.points),
    { least, most },
  );
  const x = (at: number) => LEFT + unitOfStep(at, steps) * (wide - LEFT - RIGHT);
  const y = (value: number) => {
    const unit = (value - scale.low) / (scale.high - scale.low);
    return tall - BOTTOM - Math.min(1.05, Math.max(-0.05, unit)) * (tall - TOP - BOTTOM);
  };
  const family = getComputedStyle(pen.canvas).fontFamily;

  pen.font = `11px ${family}`;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  for (const tick of scale.ticks) {
    pen.fillStyle = theme.hair;
    pen.fillRect(LEFT, Math.round(y(tick)), wide - LEFT - RIGHT, 1);
    pen.fillStyle = theme.quiet;
    pen.fillText(mark(tick), LEFT - 6, y(tick));
  }
  pen.fillStyle = theme.hair;
  for (const tick of stepTicks(steps)) pen.fillRect(Math.round(x(tick)), tall - BOTTOM, 1, BOTTOM);
  if (base) {
    pen.fillStyle = theme.quiet;
    pen.fillRect(LEFT, Math.round(y(base.value)), wide - LEFT - RIGHT, 1);
  }
  pen.fillStyle = theme.ink;
  pen.globalAlpha = 0.55;
  pen.fillRect(Math.round(x(step)), 0, 1, tall);

  pen.lineWidth = 1.8;
  pen.lineJoin = "round";
  for (const { color, points } of lines) {
    const [before, after] = parted(points, step);
    pen.strokeStyle = color;
    pen.fillStyle = color;
    pen.globalAlpha = 0.35;
    trace(pen, after, x, y);
    pen.globalAlpha = 1;
    trace(pen, before, x, y);
    const here = before.at(-1);
    if (!here || !Number.isFinite(here.value)) continue;
    pen.beginPath();
    pen.arc(x(here.step), y(here.value), 3, 0, 2 * Math.PI);
    pen.fill();
  }
  if (base) {
    pen.font = `11px ${family}`;
    pen.textAlign = "left";
    pen.textBaseline = "top";
    // In front of the lines, and clear of them.
    pen.strokeStyle = theme.paper;
    pen.lineWidth = 4;
    pen.strokeText(base.text, LEFT + 6, y(base.value) + 4);
    pen.fillStyle = theme.quiet;
    pen.fillText(base.text, LEFT + 6, y(base.value) + 4);
  }
  if (lines.length > 1) drawNames(pen, lines, x, y, { family, tall, ink: theme.ink });
}

type Place = (value: number) => number;

function trace(pen: CanvasRenderingContext2D, points: readonly Point[], x: Place, y: Place) {
  pen.beginPath();
  let drawing = false;
  for (const { step, value } of points) {
    const there = Number.isFinite(value);
    if (there && drawing) pen.lineTo(x(step), y(value));
    else if (there) pen.moveTo(x(step), y(value));
    drawing = there;
  }
  pen.stroke();
}

/** Each line's letter at its end. */
function drawNames(
  pen: CanvasRenderingContext2D,
  lines: readonly Line[],
  x: Place,
  y: Place,
  { family, tall, ink }: { family: string; tall: number; ink: string },
) {
  const ends = lines.flatMap((line) => {
    const end = line.points.findLast(({ value }) => Number.isFinite(value));
    return end ? [{ ...line, x: x(end.step), y: y(end.value) }] : [];
  });
  const near = ends.length > 1 && Math.abs(ends[0].x - ends[1].x) < 14;
  const heights = ends.map((end) => end.y);
  const places = near ? apart(heights, 12) : heights;
  const beyond = Math.max(0, Math.max(...places) + 6 - tall);
  pen.font = `600 11px ${family}`;
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  ends.forEach((end, i) => {
    pen.fillStyle = ink;
    pen.fillText(end.name, end.x + 7, places[i] - beyond);
  });
}
