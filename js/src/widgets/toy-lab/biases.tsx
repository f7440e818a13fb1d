/** A histogram of a run's biases: monosemantic neurons, others, dead ones. */
import type { Signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { ticks } from "../../core/axis";
import { type Histogram, tallest } from "../../core/histogram";
import type { Kind } from "../../core/responses";
import { grouped, short } from "../../core/scale";
import type { Theme } from "../../model/theme";
import { Canvas, type Size } from "../../view/canvas";
import { OTHER } from "./paint";
import type { State } from "./state";
import "./biases.css";

interface Props {
  state: State;
  theme: Signal<Theme>;
  run: number;
}

/** The parts of a bar, from the bottom up. */
const KINDS: Kind[] = ["dead", "polysemantic", "monosemantic"];

export function Biases({ state, theme, run }: Props) {
  const draw = useMemo(
    () => (pen: CanvasRenderingContext2D, size: Size) => {
      const color = state.runs.value[run]?.color;
      if (!color) return; // switched off; it will not be on the page for long
      drawBiases(pen, size, state.biases.value, run, color, theme.value);
    },
    [run],
  );
  const { low, width, bins } = state.biases.value;
  const high = low + width * bins;
  const { name, color } = state.runs.value[run];
  return (
    <figure class="nw-biases" style={{ "--nw-accent": color, "--nw-other": OTHER }}>
      <figcaption>
        <h3>biases</h3>
        <span class="nw-scale nw-quiet nw-small" aria-hidden="true">
          <span>
            <i class="nw-mono" /> monosemantic
          </span>
          <span>
            <i class="nw-poly" /> others
          </span>
          <span>
            <i class="nw-dead" /> dead
          </span>
        </span>
      </figcaption>
      <Canvas
        label={`Histogram of the biases of run ${name}, ${short(low)} to ${short(high)}`}
        draw={draw}
      />
      <div class="nw-steps" aria-hidden="true">
        {ticks(low, high, 4).map((tick) => (
          <span key={tick} style={{ left: `${((tick - low) / (high - low)) * 100}%` }}>
            {short(tick).replace("-", "−")}
          </span>
        ))}
      </div>
    </figure>
  );
}

/** The number of neurons of the tallest bar, written above it. */
const HEAD = 14;

function drawBiases(
  pen: CanvasRenderingContext2D,
  { wide, tall }: Size,
  histogram: Histogram,
  run: number,
  color: string,
  theme: Theme,
) {
  const { bins, counts } = histogram;
  const most = tallest(histogram, run);
  const each = wide / bins;
  const gap = each > 5 ? 1 : 0;
  const fills = { dead: hatch(pen, theme), polysemantic: OTHER, monosemantic: color };
  for (let b = 0; b < bins; b++) {
    const [left, right] = [Math.round(b * each), Math.round((b + 1) * each) - gap];
    let [ground, sum] = [tall, 0];
    for (const kind of KINDS) {
      const count = counts[run][kind][b];
      if (!count) continue;
      sum += count;
      const top = tall - Math.max(1, Math.round((sum / most) * (tall - HEAD)));
      pen.fillStyle = fills[kind];
      pen.fillRect(left, top, right - left, ground - top);
      ground = top;
    }
    if (sum > 0 && sum === most) {
      pen.fillStyle = theme.quiet;
      pen.font = `11px ${getComputedStyle(pen.canvas).fontFamily}`;
      pen.textAlign = left < wide / 2 ? "left" : "right";
      pen.textBaseline = "bottom";
      pen.fillText(grouped(sum), left < wide / 2 ? left : right, ground - 1);
    }
  }
  pen.fillStyle = theme.faint;
  pen.fillRect(0, tall - 1, wide, 1);
}

/** Thin slanted lines. */
function hatch(pen: CanvasRenderingContext2D, theme: Theme): CanvasPattern | string {
  const tile = document.createElement("canvas");
  [tile.width, tile.height] = [4, 4];
  const mine = tile.getContext("2d");
  if (!mine) return theme.faint;
  mine.fillStyle = theme.quiet;
  for (let i = 0; i < 4; i++) mine.fillRect(i, 3 - i, 1, 1);
  return pen.createPattern(tile, "repeat") ?? theme.faint;
}
