/** The dendrogram with the line at the cut height, the slider and the number below. */
import type { Signal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import { branches, numbersAt, trace, yOf } from "../../core/dendrogram";
import { saidCut } from "../../core/said-cut";
import { fromUnit, keyed, toUnit, typed } from "../../core/scale";
import { topOf } from "../../core/tree";
import type { Theme } from "../../model/theme";
import type { TreeMessage } from "../../protocol/split";
import type { Tree } from "../../protocol/tree";
import { Canvas, type Size } from "../../view/canvas";
import { taken } from "../../view/drag";
import { decimal, NumberField } from "../../view/number-field";
import { Slider } from "../../view/slider";
import { GainCurve } from "./gain-curve";
import { HeightAxis } from "./height-axis";
import type { State } from "./state";
import { Suggestions } from "./suggestions";
import { Switches } from "./switches";
import { Truth } from "./truth";
import "./tree.css";

/** Room above the ground for the concepts' numbers, and left of the tree for suggestions and scale. */
const FOOT = 26;
const SIDE = 126;
/** Where the scale's line stands. */
const AXIS = 120;
/** The height of the whole picture, as in tree.css. */
const TALL = 330 - FOOT;
/** Left of what stands below the tree. */
const INDENT = 34;

interface Props {
  state: State;
  theme: Signal<Theme>;
}

export function ThresholdTree({ state, theme }: Props) {
  const data = state.data.value as TreeMessage;
  const { tree } = data;
  const top = topOf(tree);
  const comb = state.comb.value;
  const box = useRef<HTMLDivElement>(null);

  const layout = useMemo(() => {
    let cache: { tree: Tree; wide: number; tall: number; lay: ReturnType<typeof branches> } | null =
      null;
    return (drawn: Tree, wide: number, tall: number) => {
      if (cache?.tree !== drawn || cache.wide !== wide || cache.tall !== tall) {
        cache = { tree: drawn, wide, tall, lay: branches(drawn, wide, tall, state.comb.peek()) };
      }
      return cache.lay;
    };
  }, []);

  const draw = (pen: CanvasRenderingContext2D, { wide, tall }: Size) => {
    const message = state.data.value;
    const cut = state.current.value;
    if (!message || !cut) return;
    drawTree(
      pen,
      message,
      cut,
      state,
      theme.value,
      { wide: wide - SIDE, tall: tall - FOOT },
      layout,
    );
  };

  /** Where a pointer is: sample position and height. */
  const locate = (event: PointerEvent | MouseEvent): [number, number] => {
    const area = (box.current as HTMLElement).getBoundingClientRect();
    const x = ((event.clientX - area.left - SIDE) / (area.width - SIDE)) * tree.n;
    const y = (event.clientY - area.top) / (area.height - FOOT);
    return [Math.min(tree.n - 1e-6, Math.max(0, x)), fromUnit(1 - y, top, comb)];
  };

  const cut = state.current.value;
  const count = cut?.concepts.length ?? 0;
  const unit = toUnit(state.threshold.value, top, comb);
  const said = saidCut(count, state.threshold.value);

  const onKey = (event: KeyboardEvent) => {
    const next = keyed(state.unit(), event.key, event.shiftKey);
    if (next === null) return;
    event.preventDefault();
    state.setUnit(next);
  };

  const drag = (event: PointerEvent) => {
    if (event.button !== 0) return;
    state.hold(event);
    const area = (box.current as HTMLElement).getBoundingClientRect();
    const tall = area.height - FOOT;
    // The line keeps its distance to the pointer that it had when it was taken.
    const grip = event.clientY - area.top - yOf(state.threshold.value, top, tall, comb);
    taken(event, (moved) => state.setUnit(1 - (moved.clientY - grip - area.top) / tall));
  };

  return (
    <div class="nw-tree">
      <h3 title="How dissimilar may samples of one concept be?">Cut height</h3>
      <div class="nw-dendrogram" ref={box}>
        <Canvas
          label={`Dendrogram of the top ${tree.n} samples of ${data.name}: ${said}`}
          draw={draw}
          onPointerMove={(event) => {
            state.hoverBranch(...locate(event));
          }}
          onPointerLeave={() => {
            state.hoverBranch(null, 0);
          }}
          onClick={(event) => {
            const node = state.hoverBranch(...locate(event));
            if (node >= tree.n) state.isolate(node);
          }}
        />
        <HeightAxis top={top} comb={comb} x={AXIS} tall={TALL} />
        <Suggestions state={state} top={top} tall={TALL} />
        <div
          class="nw-line"
          role="slider"
          tabIndex={0}
          aria-label="cut height, as a line"
          aria-orientation="vertical"
          aria-valuemin={0}
          aria-valuemax={Number((top * 1.02).toPrecision(6))}
          aria-valuenow={Number(Math.min(state.threshold.value, top * 1.02).toPrecision(6))}
          aria-valuetext={said}
          style={{ top: `calc((100% - ${FOOT}px) * ${1 - unit})`, left: `${SIDE}px` }}
          onPointerDown={drag}
          onKeyDown={onKey}
        >
          <span class={`nw-said ${unit > 0.93 ? "nw-under" : ""}`}>{said}</span>
          <span class="nw-knob" />
        </div>
      </div>
      <div class="nw-slider" style={{ paddingLeft: `${INDENT}px` }}>
        <span class="nw-quiet">finer</span>
        <div class="nw-with-curve">
          <GainCurve state={state} data={data} />
          <Slider
            value={unit}
            max={1}
            step="any"
            label="cut height"
            text={said}
            onValue={(place) => state.setUnit(place)}
            onPointerDown={state.hold}
            onKeyDown={onKey}
          />
        </div>
        <span class="nw-quiet">coarser</span>
        <NumberField
          name="nw-number"
          label="cut height as a number"
          value={typed(state.threshold.value)}
          read={(text) => (decimal(text) >= 0 ? decimal(text) : Number.NaN)}
          onNumber={state.setThreshold}
        />
      </div>
      <Truth state={state} data={data} />
      <Switches state={state} indent={INDENT} />
    </div>
  );
}

function drawTree(
  pen: CanvasRenderingContext2D,
  data: TreeMessage,
  cut: NonNullable<State["current"]["value"]>,
  state: State,
  theme: Theme,
  { wide, tall }: Size,
  layout: (tree: Tree, wide: number, tall: number) => ReturnType<typeof branches>,
) {
  const { tree } = data;
  const threshold = state.threshold.value;
  const lay = layout(tree, wide, tall);
  const line = yOf(threshold, topOf(tree), tall, state.comb.value);
  pen.translate(SIDE, 0);

  // What is lit stands on a band and is marked on the ground.
  const mask = state.lit.value;
  if (mask) {
    pen.fillStyle = theme.ink;
    let from = -1;
    for (let place = 0; place <= tree.n; place++) {
      const on = place < tree.n && mask[tree.order[place]] === 1;
      if (on && from < 0) from = place;
      if (!on && from >= 0) {
        const [x, w] = [from * lay.step, Math.max(1.5, (place - from) * lay.step)];
        pen.globalAlpha = 0.07;
        pen.fillRect(x, 0, w, tall);
        pen.globalAlpha = 1;
        pen.fillRect(x, tall + 1, w, 2);
        from = -1;
      }
    }
  }

  const paths = Array.from({ length: cut.concepts.length + 1 }, () => new Path2D());
  // k-means may scatter a branch over concepts: its colour is the tree's own.
  trace(tree, lay, threshold, cut.mark ? ofTree(cut, data) : cut.of, line, paths);
  const dense = lay.step < 2;
  paths.forEach((path, i) => {
    pen.lineWidth = i ? (dense ? 1 : 1.6) : 1.2;
    pen.strokeStyle = i ? cut.concepts[i - 1].color : theme.faint;
    pen.globalAlpha = i && state.pale(cut.concepts[i - 1]) ? 0.4 : 1;
    pen.stroke(path);
  });
  pen.globalAlpha = 1;

  pen.font = "600 11px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "top";
  pen.fillStyle = theme.ink;
  const own = cut.concepts.filter(({ node }) => node >= 0);
  const numbers = own.map(({ number }) => String(number));
  numbersAt(
    own.map(({ node }) => (tree.start[node] + tree.size[node] / 2) * lay.step),
    numbers.map((number) => pen.measureText(number).width),
    wide,
  ).forEach((x, i) => {
    if (x >= 0) pen.fillText(numbers[i], x, tall + 8);
  });

  if (cut.mark) {
    for (let sample = 0; sample < tree.n; sample++) {
      if (!cut.mark[sample]) continue;
      const x = (tree.start[sample] + 0.5) * lay.step;
      pen.strokeStyle = theme.ink;
      pen.lineWidth = 1.2;
      pen.beginPath();
      if (cut.mark[sample] === 1) {
        pen.fillStyle = cut.concepts[cut.of[sample]].color;
        pen.arc(x, tall + 4.5, 2.6, 0, 2 * Math.PI);
        pen.fill();
      } else {
        pen.moveTo(x - 2.4, tall + 2);
        pen.lineTo(x + 2.4, tall + 7);
        pen.moveTo(x + 2.4, tall + 2);
        pen.lineTo(x - 2.4, tall + 7);
      }
      pen.stroke();
    }
  }
}

/** The tree's membership in the refined concepts' numbering. */
function ofTree(cut: NonNullable<State["current"]["value"]>, data: TreeMessage) {
  const of = new Int16Array(data.tree.n).fill(-1);
  cut.concepts.forEach(({ node }, i) => {
    if (node < 0) return;
    const first = data.tree.start[node];
    for (let place = first; place < first + data.tree.size[node]; place++)
      of[data.tree.order[place]] = i;
  });
  return of;
}
