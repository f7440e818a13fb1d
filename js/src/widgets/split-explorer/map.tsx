/** The top samples in the plane of their two largest principal components. */

import { type Signal, useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { ARROWS } from "../../core/arrows";
import type { Cut } from "../../core/concepts";
import { nearest, placed, towards } from "../../core/map";
import { grouped } from "../../core/scale";
import type { Theme } from "../../model/theme";
import type { TreeMessage } from "../../protocol/split";
import { Canvas, type Size } from "../../view/canvas";
import { paler, rgb } from "../../view/color";
import { PreviewOf } from "../../view/previews";
import { Tooltip } from "../../view/tooltip";
import type { State } from "./state";
import "./map.css";

const MANY = 3000;
const REACH = 14;

export function SampleMap({ state, theme }: { state: State; theme: Signal<Theme> }) {
  const data = state.data.value as TreeMessage;
  const under = useSignal<{ sample: number; x: number; y: number } | null>(null);
  const spoken = useSignal("");

  const layout = useMemo(() => {
    let cache: { map: Float32Array; wide: number; tall: number; points: Float32Array } | null =
      null;
    return (map: Float32Array, { wide, tall }: Size) => {
      if (cache?.map !== map || cache.wide !== wide || cache.tall !== tall) {
        cache = { map, wide, tall, points: placed(map, wide, tall, 14) };
      }
      return cache.points;
    };
  }, []);

  const draw = (pen: CanvasRenderingContext2D, size: Size) => {
    const message = state.data.value;
    const cut = state.current.value;
    if (!message || !cut) return;
    const { paper } = theme.value;
    const inks = cut.concepts.map((concept) =>
      state.pale(concept) ? paler(pen, concept.color, paper) : concept.color,
    );
    drawMap(pen, layout(message.map, size), cut, inks, state.lit.value, theme.value);
  };

  const pointUnder = (event: PointerEvent | MouseEvent) => {
    const area = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const [x, y] = [event.clientX - area.left, event.clientY - area.top];
    const points = layout(data.map, { wide: area.width, tall: area.height });
    const sample = nearest(points, x, y, REACH);
    return sample < 0 ? null : { sample, x: points[2 * sample], y: points[2 * sample + 1] };
  };

  const show = (point: { sample: number; x: number; y: number } | null) => {
    under.value = point;
    state.hoverRow(point ? data.row[point.sample] : null, "point");
  };
  const onKey = (event: KeyboardEvent) => {
    const { clientWidth: wide, clientHeight: tall } = event.currentTarget as HTMLElement;
    const points = layout(data.map, { wide, tall });
    const at = under.value?.sample ?? -1;
    const way = ARROWS[event.key];
    let next = at;
    if (event.key === "Home" || (way && at < 0)) next = 0;
    else if (way) next = towards(points, at, ...way);
    else if ((event.key === "Enter" || event.key === " ") && at >= 0) state.toggleRow(data.row[at]);
    else return;
    event.preventDefault();
    show({ sample: next, x: points[2 * next], y: points[2 * next + 1] });
    spoken.value = spokenOf(state, data, next);
  };
  const point = under.value;
  const count = state.current.value?.concepts.length ?? 0;
  return (
    <div class="nw-map">
      <div class="nw-heading nw-map-heading">
        <h3
          title={`How near are the ${grouped(data.tree.n)} samples to each other, ${data.elsewhere ? `to ${data.method}` : "as the layer sees them"}?`}
        >
          Sample map{data.elsewhere ? ` by ${data.method}` : ""}
        </h3>
        <span class="nw-quiet nw-small">
          first two principal components of the {state.band.value ? "band’s" : "top"} samples
        </span>
      </div>
      <div
        class="nw-plane"
        role="application"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: an application has the keyboard
        tabIndex={0}
        aria-label="Sample map: arrow keys move from sample to sample, Home goes to the strongest, Enter selects"
        onKeyDown={onKey}
        onBlur={() => {
          show(null);
          spoken.value = "";
        }}
      >
        <Canvas
          label={`Map of the ${data.tree.n} samples in their two largest principal components, coloured by ${count} concepts`}
          draw={draw}
          onPointerMove={(event) => {
            const point = pointUnder(event);
            if (point?.sample === under.value?.sample) return;
            show(point);
          }}
          onPointerLeave={() => {
            show(null);
          }}
          onClick={(event) => {
            const point = pointUnder(event);
            if (point) state.toggleRow(data.row[point.sample]);
          }}
        />
        {point && <SampleTip state={state} data={data} {...point} />}
        <span class="nw-hidden" aria-live="polite">
          {spoken.value}
        </span>
      </div>
    </div>
  );
}

/** A sample in words. */
function spokenOf(state: State, data: TreeMessage, sample: number): string {
  const place = state.current.value?.of[sample] ?? -1;
  const row = data.row[sample];
  const selected = state.selection.value.includes(row) ? ", selected" : "";
  return `${state.titles.value[place] ?? "no concept"}: ${state.preview(row).caption}${selected}`;
}

interface TipProps {
  state: State;
  data: TreeMessage;
  sample: number;
  x: number;
  y: number;
}

function SampleTip({ state, data, sample, x, y }: TipProps) {
  if (sample >= data.row.length) return null;
  const preview = state.preview(data.row[sample]);
  const place = state.current.value?.of[sample] ?? -1;
  const concept = state.current.value?.concepts[place];
  return (
    <Tooltip at={{ x, y }} wide={preview.text !== null}>
      {(preview.picture || preview.text) && (
        <PreviewOf
          preview={preview}
          color={concept?.color ?? "currentColor"}
          most={data.range[1]}
          lit={false}
          onHover={() => {}}
        />
      )}
      <div>
        <bdi>
          <b>{place >= 0 ? state.titles.value[place] : "no concept"}</b>
        </bdi>
        <br />
        {preview.caption}
      </div>
    </Tooltip>
  );
}

function drawMap(
  pen: CanvasRenderingContext2D,
  points: Float32Array,
  cut: Cut,
  inks: string[],
  lit: Uint8Array | null,
  theme: Theme,
) {
  const n = points.length / 2;
  if (n > MANY) return drawDots(pen, points, cut, inks, lit, theme);
  const radius = n > 400 ? 3 : 4.5;
  const groups: number[][] = Array.from({ length: cut.concepts.length + 1 }, () => []);
  for (let s = 0; s < n; s++) groups[cut.of[s] + 1].push(s);
  for (const front of lit ? [0, 1] : [1]) {
    pen.globalAlpha = front ? 1 : 0.18;
    groups.forEach((group, i) => {
      pen.fillStyle = i ? inks[i - 1] : theme.faint;
      for (const s of group) {
        if (lit && lit[s] !== front) continue;
        const outlier = cut.mark?.[s] === 2;
        pen.beginPath();
        pen.arc(points[2 * s], points[2 * s + 1], outlier ? radius - 1 : radius, 0, 2 * Math.PI);
        if (outlier) {
          pen.lineWidth = 1.4;
          pen.strokeStyle = theme.quiet;
          pen.stroke();
          continue;
        }
        pen.fill();
        // A paper-coloured rim parts neighbours; an inked one says: lit, or reassigned by k-means.
        const inked = (lit && front) || cut.mark?.[s] === 1;
        pen.lineWidth = inked ? 1.4 : 0.8;
        pen.strokeStyle = inked ? theme.ink : theme.paper;
        pen.stroke();
      }
    });
  }
  pen.globalAlpha = 1;
}

/** Thousands of points as pixels: no path is fast enough for every frame. */
function drawDots(
  pen: CanvasRenderingContext2D,
  points: Float32Array,
  cut: Cut,
  inks: string[],
  lit: Uint8Array | null,
  theme: Theme,
) {
  const { width, height } = pen.canvas;
  const ratio = pen.getTransform().a;
  const side = Math.max(2, Math.round(2.5 * ratio));
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const packs = [theme.faint, ...inks].map(packed(pen));
  for (const front of lit ? [0, 1] : [1]) {
    const alpha = (front ? 255 : 46) << 24;
    for (let s = 0; s < cut.of.length; s++) {
      if (lit && lit[s] !== front) continue;
      const ink = packs[cut.of[s] + 1] | alpha;
      const x = Math.round(points[2 * s] * ratio - side / 2);
      const y = Math.round(points[2 * s + 1] * ratio - side / 2);
      for (let dy = 0; dy < side; dy++) {
        const from = (y + dy) * width + x;
        pixels.fill(ink, from, from + side);
      }
    }
  }
  pen.putImageData(image, 0, 0);
}

/** Any CSS colour -> 0x00BBGGRR, as ImageData has it on little-endian machines. */
const packed = (pen: CanvasRenderingContext2D) => {
  const seen = new Map<string, number>();
  return (color: string): number => {
    let ink = seen.get(color);
    if (ink === undefined) {
      const [r, g, b] = rgb(pen, color);
      ink = (b << 16) | (g << 8) | r;
      seen.set(color, ink);
    }
    return ink;
  };
};
