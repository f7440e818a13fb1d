/** The table of neurons: only rows in view are drawn, so that a layer may have 100,000. */

import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { rowsInView, scrolledTo } from "../../core/rows-in-view";
import { grouped } from "../../core/scale";
import { reslotted, type Slots } from "../../core/slots";
import type { TableMessage } from "../../protocol/browser";
import { useSize } from "../../view/size";
import { TableFoot } from "./foot";
import { Cell, GridRow, RowGroup } from "./grid-parts";
import { HEAD, TableHead } from "./head";
import { layoutOf } from "./layout";
import { NeuronRow } from "./row";
import type { State } from "./state";
import "./table.css";

/** Pixels of a row. */
const ROW = 34;
/** Rows on paper, at most; as in print.css. */
const PRINTED = 15;
/** Pixels for a scrollbar below the rows. */
const SCROLLBAR = 18;
/** Rows that are scrolled before others are drawn. */
const STRIDE = 3;

export function NeuronTable({ state, table }: { state: State; table: TableMessage }) {
  const grid = useRef<HTMLDivElement>(null);
  const scrolled = useSignal(0);
  const tall = useSignal(600);
  /** The row that has the keyboard, as an index into the table. */
  const active = useSignal(-1);
  const moved = useRef(false);

  const rows = state.rows.value;
  const layout = useComputed(() => layoutOf(state)).value;
  const { first, end } = rowsInView(rows.length, ROW, scrolled.value, tall.value);
  const known = rows.indexOf(active.value);
  const at = known < 0 ? 0 : known;
  const shown: number[] = [];
  for (let row = first; row < end; row++) shown.push(row);
  // The row with the focus stays, or the focus would be lost.
  if (rows.length && (at < first || at >= end)) shown.push(at);
  const slots = useRef<Slots>(new Map());
  slots.current = reslotted(
    slots.current,
    shown.map((row) => rows[row]),
  );
  const slotOf = (row: number) => slots.current.get(rows[row]) as number;
  // In the order of their elements: none is moved, which would take its focus.
  shown.sort((a, b) => slotOf(a) - slotOf(b));

  useSize(grid, (node) => {
    tall.value = node.clientHeight;
  });
  useRowsInView(state, table, rows, first, end);
  useScrollToChosen(state, grid, rows);
  useTopOfNewOrder(state, grid);
  useWholeRowsOnPaper(grid);

  const show = (row: number) => {
    const node = grid.current;
    if (!node) return;
    const top = scrolledTo(row, ROW, node.scrollTop, node.clientHeight, HEAD);
    if (top !== null) node.scrollTop = top;
  };
  useLayoutEffect(() => {
    if (!moved.current) return;
    moved.current = false;
    grid.current
      ?.querySelector<HTMLElement>(`[data-neuron="${active.value}"] .nw-neuron-number`)
      ?.focus({ preventScroll: true });
  }, [active.value, rows]);

  const move = (row: number) => {
    const next = Math.max(0, Math.min(rows.length - 1, row));
    moved.current = true;
    active.value = rows[next];
    show(next);
  };
  const onKey = (event: KeyboardEvent) => {
    const target = event.target as HTMLElement;
    if (!rows.length || event.ctrlKey || event.altKey || event.metaKey) return;
    if (!target.closest("[data-neuron]") || target.classList.contains("nw-note")) return;
    const onNumber = target.classList.contains("nw-neuron-number");
    const number = table.neuron[rows[at]];
    const page = Math.max(1, Math.floor((tall.value - HEAD) / ROW) - 1);
    const steps: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: rows.length - 1,
    };
    if (event.key in steps) move(steps[event.key]);
    else if (event.key === " " && onNumber) state.toggleSelected(number);
    else if (event.key === "p") state.togglePinned(number);
    else if (event.key === "Enter" && onNumber) state.open(number);
    else return;
    event.preventDefault();
  };

  return (
    <div class="nw-neurons">
      {/* biome-ignore lint/a11y/useSemanticElements: a <table> cannot place the rows that it draws */}
      <div
        ref={grid}
        class="nw-grid"
        role="grid"
        aria-label="Neurons: arrow keys move, Enter opens, space selects, p pins"
        aria-rowcount={rows.length + 1}
        aria-multiselectable
        style={{
          "--nw-columns": layout.template,
          "--nw-printed-columns": layout.printed,
          "--nw-least": `${layout.wide}px`,
          "--nw-all-rows": `${HEAD + table.neuron.length * ROW + SCROLLBAR}px`,
        }}
        onScroll={({ currentTarget }) => {
          const stride = ROW * STRIDE;
          scrolled.value = Math.floor(currentTarget.scrollTop / stride) * stride;
        }}
        onKeyDown={onKey}
        // Firefox presses a button when the space bar goes up.
        onKeyUp={(event) => {
          const { classList } = event.target as HTMLElement;
          if (event.key === " " && classList.contains("nw-neuron-number")) event.preventDefault();
        }}
        onFocusIn={(event) => {
          const row = (event.target as HTMLElement).closest<HTMLElement>("[data-neuron]");
          if (row) active.value = Number(row.dataset.neuron);
        }}
        onPointerLeave={() => {
          state.hoverNeuron.value = null;
        }}
      >
        <TableHead state={state} layout={layout} />
        <RowGroup class="nw-grid-body" style={{ height: `${Math.max(1, rows.length) * ROW}px` }}>
          {shown.map((row) => (
            <NeuronRow
              key={slotOf(row)}
              state={state}
              table={table}
              layout={layout}
              index={rows[row]}
              top={row * ROW}
              place={row + 2}
              active={row === at}
            />
          ))}
          {!rows.length && <NoRows state={state} table={table} />}
        </RowGroup>
      </div>
      <TableFoot state={state} table={table} />
      {rows.length > PRINTED && (
        <p class="nw-caption nw-printed-rows">
          {PRINTED} of {grouped(rows.length)} neurons are printed: the rows in view.
        </p>
      )}
    </div>
  );
}

/** Ask for what the rows in view show, once scrolling has rested for two frames. */
function useRowsInView(
  state: State,
  table: TableMessage,
  rows: Int32Array,
  first: number,
  end: number,
) {
  useEffect(() => {
    let frame = requestAnimationFrame(() => {
      frame = requestAnimationFrame(() => {
        const inView = Array.from(rows.subarray(first, end));
        state.previews.ask(inView.flatMap((i) => state.topOf(i)));
        state.inView.look(inView.map((i) => table.neuron[i]));
      });
    });
    return () => cancelAnimationFrame(frame);
  }, [rows, first, end]);
}

/** Another order, or another search, begins at its top. */
function useTopOfNewOrder(state: State, grid: { current: HTMLDivElement | null }) {
  const { column, descending } = state.sorting.value;
  const match = state.match.value;
  const first = useRef(true);
  useEffect(() => {
    if (!first.current) grid.current?.scrollTo({ top: 0 });
    first.current = false;
  }, [column, descending, match]);
}

/** Paper begins with a whole row, wherever the table was scrolled to. */
function useWholeRowsOnPaper(grid: { current: HTMLDivElement | null }) {
  useEffect(() => {
    const print = matchMedia("print");
    const onPrint = () => {
      const node = grid.current;
      if (node && print.matches) node.scrollTop = Math.round(node.scrollTop / ROW) * ROW;
    };
    print.addEventListener("change", onPrint);
    return () => print.removeEventListener("change", onPrint);
  }, []);
}

/** Show the row of a neuron that was chosen elsewhere. */
function useScrollToChosen(
  state: State,
  grid: { current: HTMLDivElement | null },
  rows: Int32Array,
) {
  const chosen = state.neuron.value;
  useEffect(() => {
    const node = grid.current;
    const row = chosen === null ? -1 : rows.indexOf(state.indexOf(chosen));
    if (!node || row < 0) return;
    const top = scrolledTo(row, ROW, node.scrollTop, node.clientHeight, HEAD);
    if (top !== null) node.scrollTop = top;
  }, [chosen]);
}

/** Why there is no row. */
function NoRows({ state, table }: { state: State; table: TableMessage }) {
  const only = state.only.value;
  const filtered = Object.keys(state.filters.value).length > 0;
  const reason = !table.neuron.length
    ? "The layer has no neurons to show."
    : only === "pinned" && !state.pinned.value.length
      ? "No neuron is pinned: press p in a row, or its star."
      : only === "selected" && !state.neurons.value.length
        ? "No neuron is selected: press space in a row, or drag around neurons on the map."
        : filtered
          ? "No neuron is within the limits."
          : "No neuron matches.";
  return (
    <GridRow class="nw-no-rows">
      <Cell>
        {reason}{" "}
        {table.neuron.length > 0 && (
          <button type="button" onClick={() => state.showAll()}>
            show all
          </button>
        )}
      </Cell>
    </GridRow>
  );
}
