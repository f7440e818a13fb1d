/** The map of the layer: a pie for each neuron, beside those that share its top samples. */

import { computed, type Signal, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { ARROWS } from "../../core/arrows";
import { type Grid, gridOf, inLasso, neuronAt, nextCell, placeOf, ZOOMS } from "../../core/cells";
import { grouped, percent } from "../../core/scale";
import type { Theme } from "../../model/theme";
import type { LayerMap, TableMessage } from "../../protocol/browser";
import { Canvas } from "../../view/canvas";
import { useSize } from "../../view/size";
import { GlyphCanvas } from "./glyph-canvas";
import { Legend } from "./legend";
import { NeuronTip, neuronInWords } from "./neuron-tip";
import { paintRings } from "./paint";
import type { State } from "./state";
import "./map.css";

/** Pixels that the map is tall, at most. */
const TALL = 640;
/** Pixels around the map in which rings are drawn, as in the stylesheet. */
const RIM = 8;
/** Pixels that a box above a neuron takes, about. */
const ROOM = 200;
/** Pixels that the pointer moves before a click is a lasso. */
const SLACK = 5;

interface Props {
  state: State;
  theme: Signal<Theme>;
  table: TableMessage;
}

type Point = readonly [x: number, y: number];

export function MapOfLayer({ state, theme, table }: Props) {
  const map = state.map.value;
  if (!map?.columnOf.length)
    return <p class="nw-quiet nw-no-map">The map comes when the layer is read.</p>;
  return <Plane state={state} theme={theme} table={table} map={map} />;
}

function Plane({ state, theme, table, map }: Props & { map: LayerMap }) {
  const room = useRef<HTMLDivElement>(null);
  const wide = useSignal(0);
  const zoom = useSignal(0);
  const middle = useSignal({ column: map.columns / 2, row: map.rows / 2 });
  const lasso = useSignal<readonly Point[]>([]);
  /** The neuron under the pointer or the keyboard on the map, as an index; -1: none. */
  const under = useSignal(-1);
  const spoken = useSignal("");

  useSize(room, (node) => {
    wide.value = node.clientWidth;
  });

  const grid = useMemo(
    () =>
      computed<Grid | null>(() => {
        const now = state.map.value;
        if (!now || !wide.value) return null;
        return gridOf(now, wide.value, TALL, ZOOMS[zoom.value], middle.value);
      }),
    [],
  );
  useLayerTip(state, under);

  const point = (i: number) => {
    if (i === under.value) return;
    under.value = i;
    state.hoverNeuron.value = i < 0 ? null : i;
  };
  const zoomTo = (next: number, around = under.value) => {
    if (next < 0 || next >= ZOOMS.length) return;
    if (around >= 0) middle.value = { column: map.columnOf[around], row: map.rowOf[around] };
    zoom.value = next;
  };
  const at = (event: PointerEvent): Point => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const neuronUnder = ([x, y]: Point): number =>
    grid.value && state.cells.value ? neuronAt(state.cells.value, map, grid.value, x, y) : -1;

  /** Click opens, shift and click selects, a drag goes around what it selects. */
  const press = (event: PointerEvent) => {
    if (event.button !== 0) return;
    const plane = event.currentTarget as HTMLElement;
    plane.setPointerCapture(event.pointerId);
    lasso.value = [at(event)];
  };
  const release = (event: PointerEvent) => {
    const line = lasso.value;
    lasso.value = [];
    if (!line.length || !grid.value) return;
    const [x, y] = line[0];
    if (line.length > 2) state.select(inLasso(line, map, grid.value), event.shiftKey);
    else {
      const i = neuronUnder([x, y]);
      if (i < 0) return;
      if (event.shiftKey) state.toggleSelected(table.neuron[i]);
      else state.open(table.neuron[i]);
    }
  };
  const move = (event: PointerEvent) => {
    const place = at(event);
    const line = lasso.value;
    if (!line.length) {
      point(neuronUnder(place));
      return;
    }
    const [x, y] = line[line.length - 1];
    const far = Math.hypot(place[0] - x, place[1] - y) > (line.length > 1 ? 2 : SLACK);
    if (far) {
      point(-1);
      lasso.value = [...line, place];
    }
  };

  const onKey = (event: KeyboardEvent) => {
    const cells = state.cells.value;
    if (!cells || event.ctrlKey || event.metaKey || event.altKey) return;
    const from =
      under.value >= 0 ? under.value : Math.max(0, state.indexOf(state.neuron.value ?? -1));
    const way = ARROWS[event.key];
    if (way) {
      const next = under.value < 0 ? from : nextCell(cells, map, from, ...way);
      point(next);
      const shown = grid.value && placeOf(map, grid.value, next);
      if (!shown) middle.value = { column: map.columnOf[next], row: map.rowOf[next] };
      spoken.value = neuronInWords(state, table, next);
    } else if (event.key === "Enter") state.open(table.neuron[from]);
    else if (event.key === " ") state.toggleSelected(table.neuron[from]);
    else if (event.key === "+" || event.key === "=") zoomTo(zoom.value + 1);
    else if (event.key === "-") zoomTo(zoom.value - 1);
    else if (event.key === "Escape") state.select([], false);
    else return;
    event.preventDefault();
  };
  useWheel(room, (event) => {
    const now = grid.value;
    if (!now) return false;
    if (event.ctrlKey || event.metaKey) {
      zoomTo(zoom.value + (event.deltaY < 0 ? 1 : -1));
      return true;
    }
    if (!zoom.value) return false;
    const cells = (pixels: number) => Math.sign(pixels) * Math.ceil(Math.abs(pixels) / now.cell);
    middle.value = {
      column: now.column + now.columns / 2 + cells(event.deltaX),
      row: now.row + now.rows / 2 + cells(event.deltaY),
    };
    return true;
  });

  const shown = grid.value;
  const place = shown && under.value >= 0 ? placeOf(map, shown, under.value) : null;
  return (
    <div class="nw-layer-map">
      <div class="nw-heading">
        <h3 title="Which neurons have the same top samples? They are neighbours.">
          Map of the layer
        </h3>
        <span class="nw-zoom">
          <span class="nw-quiet nw-small">drag around neurons to select them</span>
          <button
            type="button"
            aria-label="zoom out"
            disabled={zoom.value === 0}
            onClick={() => zoomTo(zoom.value - 1, -1)}
          >
            −
          </button>
          <button
            type="button"
            aria-label="zoom in"
            disabled={zoom.value === ZOOMS.length - 1}
            onClick={() => zoomTo(zoom.value + 1, state.indexOf(state.neuron.value ?? -1))}
          >
            +
          </button>
        </span>
      </div>
      <div ref={room} class="nw-map-room">
        {shown && (
          <div
            class="nw-map-plane"
            role="application"
            // biome-ignore lint/a11y/noNoninteractiveTabindex: an application has the keyboard
            tabIndex={0}
            aria-label="Map of the layer: arrow keys move from neuron to neuron, Enter opens, space selects, plus and minus zoom"
            style={{ width: `${shown.wide}px`, height: `${shown.tall}px` }}
            onKeyDown={onKey}
            onBlur={() => point(-1)}
            onPointerDown={press}
            onPointerMove={move}
            onPointerUp={release}
            onPointerCancel={() => {
              lasso.value = [];
            }}
            onPointerLeave={() => point(-1)}
          >
            <GlyphCanvas state={state} theme={theme} grid={grid} />
            <Canvas
              label={`${grouped(table.neuron.length)} neurons, ${grouped(state.neurons.value.length)} selected`}
              draw={(pen) => {
                const [now, cells] = [state.map.value, grid.value];
                if (!now || !cells) return;
                pen.translate(RIM, RIM);
                paintRings(
                  pen,
                  now,
                  cells,
                  {
                    selected: state.selectedMask.value,
                    chosen: state.indexOf(state.neuron.value ?? -1),
                    pointed: state.hoverNeuron.value ?? -1,
                    lasso: lasso.value,
                  },
                  theme.value,
                );
              }}
            />
            {place && (
              <NeuronTip
                state={state}
                table={table}
                index={under.value}
                at={besides(place, shown.cell)}
              />
            )}
            <span class="nw-hidden" aria-live="polite">
              {spoken.value}
            </span>
          </div>
        )}
      </div>
      <Legend state={state} />
      {Number.isFinite(map.shared) && table.neuron.length > 1 && (
        <p class="nw-caption">
          <span>
            Neighbours share <b>{percent(map.shared)}</b> of their top samples; chance gives{" "}
            {percent(map.chance)}.
          </span>
        </p>
      )}
    </div>
  );
}

/** Where a box stands that covers little of the neuron. */
function besides({ x, y }: { x: number; y: number }, cell: number) {
  return { x, y: y > ROOM ? y - cell / 2 + 6 : y + cell / 2 - 6 };
}

/** Ask for the top samples of the neuron under the pointer, once it rests there. */
function useLayerTip(state: State, under: Signal<number>) {
  const i = under.value;
  useEffect(() => {
    if (i < 0) return;
    let frame = requestAnimationFrame(() => {
      frame = requestAnimationFrame(() => state.previews.ask(state.topOf(i)));
    });
    return () => cancelAnimationFrame(frame);
  }, [i]);
}

/** A wheel that scrolls the page unless `act` takes it: listeners of components cannot keep it. */
function useWheel(node: { current: HTMLElement | null }, act: (event: WheelEvent) => boolean) {
  const latest = useRef(act);
  latest.current = act;
  useEffect(() => {
    const end = new AbortController();
    node.current?.addEventListener(
      "wheel",
      (event) => {
        if (latest.current(event)) event.preventDefault();
      },
      { passive: false, signal: end.signal },
    );
    return () => end.abort();
  }, []);
}
