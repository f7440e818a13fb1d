/** One run: what is counted of it, its responses as a heatmap, its biases. */
import { type Signal, useSignal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import { cellAt, eachOf, heightOf, strength } from "../../core/heat";
import { kindOf, responseAt } from "../../core/responses";
import { fixed, grouped, tenths } from "../../core/scale";
import type { Theme } from "../../model/theme";
import type { Still } from "../../protocol/toy";
import { Canvas, type Size } from "../../view/canvas";
import { useSize } from "../../view/size";
import { Tooltip } from "../../view/tooltip";
import { Badge } from "./badge";
import { Biases } from "./biases";
import {
  drawHeat,
  drawLens,
  type Grid,
  gridOf,
  heatMaker,
  middleOf,
  NEGATIVE,
  OTHER,
} from "./paint";
import type { State } from "./state";
import "./heat.css";

interface Props {
  state: State;
  theme: Signal<Theme>;
  run: number;
}

export function RunPane({ state, theme, run }: Props) {
  const { name, title } = state.runs.value[run];
  const still = state.shown.value[run];
  return (
    <section class="nw-run" aria-label={`results of run ${name}`}>
      <div class="nw-run-head">
        <h3>
          <Badge state={state} run={run} /> <span class="nw-run-title">{title || "own knobs"}</span>
        </h3>
        <p>
          <b>{grouped(still.monosemantic)}</b> of {grouped(still.neurons)} neurons monosemantic
          <Chance chance={still.chance} />
        </p>
        <p>
          <b>{grouped(still.covered)}</b> of {grouped(still.features)} features covered
        </p>
        <p class="nw-quiet">
          {grouped(still.dead)} dead
          <span title="their largest response is under a tenth of the strongest neuron’s">
            {" "}
            · {grouped(still.faint)} faint
          </span>
        </p>
        <p class="nw-quiet">
          {still.diverged
            ? "training diverged: try a lower learning rate"
            : `training loss ${still.loss === null ? "–" : `${tenths(still.loss)} of the best linear map’s`}`}
        </p>
      </div>
      <Heatmap state={state} theme={theme} run={run} />
      <Biases state={state} theme={theme} run={run} />
    </section>
  );
}

/** A control for the count beside it. Pictures of older versions do not have it. */
function Chance({ chance }: { chance: number | undefined }) {
  if (chance === undefined) return null;
  return (
    <span
      class="nw-quiet nw-small"
      title="How many would there be if the same responses were shuffled over all neurons and features?"
    >
      {" "}
      · {grouped(Math.round(chance))} by chance
    </span>
  );
}

interface Under {
  row: number;
  column: number;
  x: number;
  y: number;
}

function Heatmap({ state, theme, run }: Props) {
  const under = useSignal<Under | null>(null);
  /** Whether the choice was moved by a key: the tooltip is then at the chosen cell. */
  const keyed = useSignal(false);
  const area = useRef<HTMLDivElement>(null);
  const width = useSignal(0);
  const picture = useMemo(heatMaker, []);
  const { name, color } = state.runs.value[run];
  const still = state.shown.value[run];
  const tall = tallOf(state);
  const sorted = !state.orderHeld.value;

  const chosen = state.chosen.value;
  const row = chosen?.run === run ? chosen.row : -1;
  const column = still.featureOf.indexOf(state.feature.value ?? -1);
  const valueText =
    row < 0 || column < 0
      ? "nothing chosen"
      : `neuron ${still.neuronOf[row]}, feature ${still.featureOf[column]}: ${fixed(responseAt(still, row, column), 2)}`;

  const draw = useMemo(
    () => (pen: CanvasRenderingContext2D, size: Size) => {
      const still = state.shown.value[run];
      if (!still) return; // switched off; it will not be on the page for long
      const chosen = state.chosen.value;
      const row = chosen?.run === run ? chosen.row : -1;
      const column = still.featureOf.indexOf(state.feature.value ?? -1);
      const look = { still, color: state.runs.value[run].color, peak: peakOf(state) };
      const drawn = picture(pen, size, look, !state.orderHeld.value);
      drawHeat(pen, size, drawn, { row, column }, theme.value);
    },
    [run],
  );
  const cellUnder = (event: MouseEvent): Under | null => {
    const { left, top, width: wide } = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top];
    const matrix = { A: still.A, rows: still.neurons, columns: still.features };
    const cell = cellAt(
      matrix,
      { x: x / wide, y: y / tall },
      gridOf(still, { wide, tall }, sorted),
    );
    return cell && { row: cell[0], column: cell[1], x, y };
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") {
      keyed.value = false;
      return state.chooseNothing();
    }
    const move = MOVES[event.key];
    if (!move || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    under.value = null;
    keyed.value = true;
    const within = (i: number, all: number) => Math.min(all - 1, Math.max(0, i));
    if (row < 0 || column < 0) state.chooseCell(run, Math.max(0, row), Math.max(0, column));
    else
      state.chooseCell(
        run,
        within(row + move[0], still.neurons),
        within(column + move[1], still.features),
      );
  };
  useSize(area, (node) => {
    width.value = node.clientWidth;
  });
  const wide = width.value;
  const grid = gridOf(still, { wide, tall }, sorted);
  const atKey = keyed.value && row >= 0 && column >= 0;
  const seen =
    under.value ??
    (atKey ? { row, column, ...middleOf(grid, { wide, tall }, { row, column }) } : null);
  return (
    <div class="nw-heat">
      <div class="nw-heat-top nw-quiet nw-small" aria-hidden="true">
        <span>features →</span>
        <Legend state={state} run={run} color={color} />
      </div>
      <span class="nw-heat-side nw-quiet nw-small" aria-hidden="true">
        neurons →
      </span>
      <div
        ref={area}
        class="nw-cells"
        style={{ height: `${tall}px` }}
        role="slider"
        aria-roledescription="heatmap"
        aria-orientation="vertical"
        aria-label={`Responses of ${name}: ${grouped(still.monosemantic)} of ${grouped(still.neurons)} neurons monosemantic, ${grouped(still.covered)} of ${grouped(still.features)} features covered`}
        aria-valuemin={0}
        aria-valuemax={still.neurons - 1}
        aria-valuenow={Math.max(0, row)}
        aria-valuetext={valueText}
        tabIndex={0}
        onKeyDown={onKeyDown}
        onBlur={() => {
          keyed.value = false;
        }}
      >
        <Canvas
          label={`Heatmap of the responses of ${name}`}
          draw={draw}
          onPointerMove={(event) => {
            keyed.value = false;
            under.value = cellUnder(event);
          }}
          onPointerLeave={() => {
            under.value = null;
          }}
          onClick={(event) => {
            const cell = cellUnder(event);
            if (cell) state.chooseCell(run, cell.row, cell.column);
          }}
        />
        {still.dead === still.neurons && <p class="nw-all-dead nw-quiet">all neurons are dead</p>}
        {seen && <CellTip state={state} run={run} grid={grid} {...seen} />}
      </div>
      <p class="nw-heat-said nw-quiet">{inWords(still, grid, sorted)}</p>
    </div>
  );
}

/** What the rows and their line are, in words. */
function inWords({ neurons, features, monosemantic }: Still, grid: Grid, sorted: boolean): string {
  const [rows, columns] = [eachOf(grid.rows), eachOf(grid.columns)];
  const several = [
    ...(rows > 1 && neurons > 1 ? [`${rows} neurons`] : []),
    ...(columns > 1 && features > 1 ? [`${columns} features`] : []),
  ].join(" × ");
  const line = !sorted
    ? "Order held. In colour: monosemantic."
    : grid.border > 0 && grid.border < neurons
      ? "Above the dashes: monosemantic."
      : monosemantic > 0
        ? ""
        : "No neuron is monosemantic.";
  return `${line}${several ? ` Each cell: the strongest of ${several}.` : ""}`.trim();
}

/** Pixels of a window's height that the rest of the widget and the notebook's bars take. */
const AROUND = 480;

/** Both heatmaps are as high. */
const tallOf = ({ shown, windowHeight }: State): number =>
  heightOf(
    shown.value.map(({ neurons }) => neurons),
    windowHeight.value - AROUND,
  );

/** Both runs on one scale. */
const peakOf = (state: State): number => Math.max(...state.shown.value.map(({ peak }) => peak), 0);

const PAGE = 16;

const MOVES: Record<string, [rows: number, columns: number]> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  PageUp: [-PAGE, 0],
  PageDown: [PAGE, 0],
  Home: [-Infinity, 0],
  End: [Infinity, 0],
};

/** Cells that are lower than this get a lens, in pixels. */
const FINE = 6;

/** From clear to the colour, as the palette has it. */
function gradient(color: string): string {
  const stops = [0, 0.1, 0.25, 0.5, 0.75, 1].map(
    (share) =>
      `color-mix(in srgb, ${color} ${strength(share) * 100}%, transparent) ${share * 100}%`,
  );
  return stops.join(", ");
}

function Legend({ state, run, color }: { state: State; run: number; color: string }) {
  const still = state.shown.value[run];
  const peak = peakOf(state);
  const least = useMemo(() => {
    let low = 0;
    for (const value of still.A) if (value < low) low = value;
    return (low / 127) * still.peak;
  }, [still]);
  return (
    <span
      class="nw-scale"
      style={{
        "--nw-above": gradient(color),
        "--nw-other": gradient(OTHER),
        "--nw-below": gradient(NEGATIVE),
      }}
    >
      {least < 0 && (
        <>
          {fixed(least, 2)} <i class="nw-below-0" />{" "}
        </>
      )}
      0 <i /> {fixed(peak, 2)}
    </span>
  );
}

function CellTip({
  state,
  run,
  grid,
  row,
  column,
  x,
  y,
}: Under & { state: State; run: number; grid: Grid }) {
  const still = state.shown.value[run];
  if (row >= still.neurons || column >= still.features) return null;
  const tall = tallOf(state);
  const fine = eachOf(grid.columns) > 1 || tall / still.neurons < FINE;
  return (
    <Tooltip at={{ x, y }} wide>
      {fine && <Lens state={state} run={run} row={row} column={column} />}
      neuron {still.neuronOf[row]} × feature {still.featureOf[column]}:{" "}
      {fixed(responseAt(still, row, column), 2)}
      <span class="nw-quiet">{kindOf(still, still.neuronOf[row])}</span>
    </Tooltip>
  );
}

/** The cells around the one under the pointer, large. */
function Lens({ state, run, row, column }: Omit<Props, "theme"> & { row: number; column: number }) {
  const draw = (pen: CanvasRenderingContext2D, size: Size) => {
    const still = state.shown.value[run];
    const look = { still, color: state.runs.value[run].color, peak: peakOf(state) };
    if (still) drawLens(pen, size, look, { row, column });
  };
  // Another cell is another picture.
  return (
    <div class="nw-lens">
      <Canvas key={`${row} ${column}`} label="the cells around, enlarged" draw={draw} />
    </div>
  );
}
